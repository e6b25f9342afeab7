"""The API with a NATS of real devices behind it, let in by a real edge."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from domain.log.fleet import Fleet
from tests import servers
from tests.api.calls.gadget import Lamp, lamp_of
from tests.api.serving import TOKEN, Served, following, serving
from tests.api.world import World
from tests.device_edge import world as edge_world
from tests.device_edge.world import Announcer
from tests.servers import NatsServer

ANSWER_S = 3.0  # enough for a device on a busy machine


@pytest.fixture(scope="session")
def served(postgres_server: str, template: str, nats_server: NatsServer) -> Iterator[Served]:
    """The API with everything that follows the log; devices have little time to answer."""
    with (
        servers.database(postgres_server, template) as database,
        following(database),
        serving(database, nats_url=nats_server.url, answer_s=ANSWER_S) as api,
    ):
        yield api


@pytest.fixture(scope="session")
def fleet(served: Served) -> Iterator[Fleet]:
    """The log of this API: that of the other tests, made for a whole session, is another one."""
    fleet = Fleet(served.database, pool_connections=2)
    yield fleet
    fleet.close()


@pytest_asyncio.fixture
async def door(clean_nats: NatsServer, tmp_path: Path) -> AsyncIterator[NatsServer]:
    """A NATS whose edge lets devices in."""
    async with edge_world.connected(clean_nats.url) as connection:
        facts = Announcer(connection)
        await facts.make()
        await facts.announce(product={})
        async with edge_world.edge(edge_world.settings_of(clean_nats, tmp_path)):
            yield clean_nats


@pytest_asyncio.fixture
async def calling(served: Served) -> AsyncIterator[httpx.AsyncClient]:
    """A client with the administrator's token."""
    async with served.async_client() as client:
        yield client


@pytest_asyncio.fixture
async def plain(served: Served) -> AsyncIterator[httpx.AsyncClient]:
    """The same, for answers that are not what the description of the address is about."""
    async with httpx.AsyncClient(
        base_url=served.url, headers={"Authorization": f"Bearer {TOKEN}"}
    ) as client:
        yield client


@pytest.fixture
def lamp(world: World) -> Lamp:
    """A device of the product that has said what it has; not connected yet."""
    return lamp_of(world)
