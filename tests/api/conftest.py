"""One API for all tests: each has products and devices of its own, and sees no other's."""

import secrets
from collections.abc import Iterator

import httpx
import pytest

from domain.log.fleet import Fleet
from tests import servers
from tests.api.serving import Served, following, serving
from tests.api.world import World


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
