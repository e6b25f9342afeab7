"""One API for all tests: each has products and devices of its own, and sees no other's."""

import secrets
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from domain.log.fleet import Fleet
from tests import servers
from tests.api.company import Company
from tests.api.owners import Owners
from tests.api.person import Person, seed_clients
from tests.api.serving import Served, following, serving
from tests.api.shop import Shop
from tests.api.world import World
from tests.people import people


@pytest.fixture(scope="session")
def served(postgres_server: str, template: str) -> Iterator[Served]:
    """The API with everything that follows the log."""
    with (
        servers.database(postgres_server, template) as database,
        following(database),
        serving(database) as api,
    ):
        yield api


@pytest.fixture(scope="session")
def fleet(served: Served) -> Iterator[Fleet]:
    """The log that the API writes, for what devices do."""
    fleet = Fleet(served.database, pool_connections=2)
    yield fleet
    fleet.close()


@pytest.fixture
def api(served: Served) -> Iterator[httpx.Client]:
    """A client with the administrator's token."""
    with served.client() as client:
        yield client


@pytest.fixture
def world(api: httpx.Client, fleet: Fleet) -> World:
    """A product of the test's own, and short ways to fill it."""
    world = World(api, fleet, name=f"fleet {secrets.token_hex(4)}")
    assert world.id
    return world


@pytest.fixture
def nobody(served: Served) -> Iterator[httpx.Client]:
    """A client without a token."""
    with served.client(token=None) as client:
        yield client


@pytest.fixture(scope="session")
def seeded(served: Served) -> Served:
    """The API, with the clients of the cloud's own that tools come with."""
    seed_clients(served.database)
    return served


@pytest.fixture
def person(seeded: Served, nobody: httpx.Client) -> Person:
    """Somebody with an account of their own."""
    return Person(seeded, nobody)


@pytest.fixture
def company(served: Served) -> Iterator[Company]:
    """A product with an owner who is no administrator of the installation."""
    with people(served.database) as those:
        company = Company(served, those)
        company.found()
        with company.clients:
            yield company


@pytest.fixture
def owners(served: Served, world: World) -> Iterator[Owners]:
    """People who have devices, and a product that some of these are in."""
    with people(served.database) as those, ExitStack() as clients:
        yield Owners(served, those, world, clients)


@pytest.fixture
def shop(served: Served, owners: Owners, nobody: httpx.Client) -> Shop:
    """A product with customers."""
    return Shop(served, owners, nobody)
