"""Online and offline, by what the server says of real connections."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio

from tests.device_edge import processes, world
from tests.device_edge.test_journal import WORKER, environment, in_log, names
from tests.device_edge.world import PRODUCT, Announcer, device, device_id, until
from tests.servers import NatsServer

pytestmark = pytest.mark.asyncio
ONE = device_id(1)


@pytest_asyncio.fixture
async def cloud(
    clean_nats: NatsServer, facts: Announcer, database: str, tmp_path: Path
) -> AsyncIterator[str]:
    """An edge and the journal's worker; gives the database."""
    await facts.announce({ONE: {"product_id": PRODUCT}}, {})
    told = environment(clean_nats, database)
    edge = world.edge(world.settings_of(clean_nats, tmp_path))
    async with edge, processes.running(WORKER, told):
        yield database


def connections(database: str) -> int:
    with psycopg.connect(database) as connection:
        row = connection.execute("SELECT count(*) FROM edge.connection").fetchone()
    assert row is not None
    return int(row[0])


async def endings(database: str, count: int) -> None:
    async def ended() -> bool:
        return (await asyncio.to_thread(names, database, ONE)).count("SessionEnded") == count

    await until(ended)


async def test_a_session_begins_with_the_handshake_and_ends_with_the_connection(
    clean_nats: NatsServer, cloud: str
) -> None:
    async with device(clean_nats, ONE) as ours:
        await ours.hello(product_id=PRODUCT)
        await in_log(cloud, 1)
        assert connections(cloud) == 1
        assert "SessionEnded" not in names(cloud, ONE)
    await endings(cloud, 1)
    assert connections(cloud) == 0


async def test_a_device_that_only_connects_is_not_online(
    clean_nats: NatsServer, cloud: str
) -> None:
    async with device(clean_nats, device_id(2)):
        pass
    async with device(clean_nats, ONE) as ours:
        await ours.hello(product_id=PRODUCT)
    await endings(cloud, 1)
    assert names(cloud, device_id(2)) == []


async def test_a_device_that_connects_anew_before_its_old_connection_is_gone_stays_online(
    clean_nats: NatsServer, cloud: str
) -> None:
    """The server replaces the old connection: it says CONNECT of the new one first."""
    old = device(clean_nats, ONE)
    await (await old.__aenter__()).hello(product_id=PRODUCT)
    async with device(clean_nats, ONE) as new:
        await new.hello(product_id=PRODUCT)
        await in_log(cloud, 2)
        await old.__aexit__(None, None, None)

        async def one_left() -> bool:
            return await asyncio.to_thread(connections, cloud) == 1

        await until(one_left)
        assert "SessionEnded" not in names(cloud, ONE)
    await endings(cloud, 1)


async def test_events_name_the_connection_and_its_address(
    clean_nats: NatsServer, cloud: str
) -> None:
    async with device(clean_nats, ONE) as ours:
        await ours.hello(product_id=PRODUCT)
    await endings(cloud, 1)
    with psycopg.connect(cloud) as connection:
        found = connection.execute(
            "SELECT event ->> 'connection', origin, actor FROM log.entry"
            " WHERE name IN ('DeviceHandshook.1', 'SessionEnded.1') ORDER BY position"
        ).fetchall()
    assert len({name for name, _, _ in found}) == 1
    assert found[0][0]
    assert {row[1:] for row in found} == {("127.0.0.1", f"device:{ONE}")}
