"""An edge on real servers, told its facts by the test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from nats.aio.client import Client

from device_edge.edge import Settings
from tests.device_edge import world
from tests.device_edge.world import Announcer
from tests.servers import NatsServer


@pytest_asyncio.fixture
async def connection(clean_nats: NatsServer) -> AsyncIterator[Client]:
    """Our own connection to a NATS with none of our streams."""
    async with world.connected(clean_nats.url) as connection:
        yield connection


@pytest_asyncio.fixture
async def facts(connection: Client) -> Announcer:
    """The announcer of an empty fleet: its stream is there, no head yet."""
    announcer = Announcer(connection)
    await announcer.make()
    return announcer


@pytest_asyncio.fixture
async def edge(clean_nats: NatsServer, facts: Announcer, tmp_path: Path) -> AsyncIterator[Settings]:
    """A running edge that knows product 94, nothing else, and no PostgreSQL."""
    await facts.announce(product={})
    async with world.edge(world.settings_of(clean_nats, tmp_path)) as running:
        yield running
