"""An edge knows exactly what the log said at one position, whatever happens to the stream."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from nats.aio.client import Client

from device_edge.following import Following
from device_edge.known import Batch, Known
from domain.facts import ProductFacts
from domain.subjects import FACTS_STREAM, facts_of_device, facts_of_firmware
from tests.device_edge import world
from tests.device_edge.world import PRODUCT, Announcer, device, device_id, until
from tests.servers import NatsServer

pytestmark = pytest.mark.asyncio
ONE, TWO = device_id(1), device_id(2)
MEMBER = {"product_id": PRODUCT}


@asynccontextmanager
async def following(connection: Client, known: Known) -> AsyncIterator[list[int]]:
    """Following, and the positions that were reached."""
    reached: list[int] = []

    def applied(batch: Batch) -> None:
        reached.append(known.position)

    follower = Following(connection, known, applied)
    task = asyncio.create_task(follower.run())
    try:
        yield reached
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def reach(known: Known, position: int) -> None:
    async def there() -> bool:
        return known.position == position

    await until(there)


async def test_everything_is_replayed_at_the_start(facts: Announcer) -> None:
    await facts.announce({ONE: MEMBER}, {"default": 2})
    await facts.announce({TWO: MEMBER}, {"default": 3})
    await facts.firmware(3, "ab" * 32, 10)
    await facts.head(7)
    known = Known()
    async with following(facts.connection, known) as reached:
        await reach(known, 7)
    assert reached == [7]
    assert known.products == {PRODUCT: ProductFacts(product_id=PRODUCT, platform_id=6, default=3)}
    assert known.firmware[PRODUCT, 3].size_bytes == 10
    assert known.facts_of(ONE) == known.facts_of(TWO)
    assert known.devices[bytes.fromhex(ONE)] is known.devices[bytes.fromhex(TWO)]


async def test_a_batch_counts_from_its_head_on_and_all_at_once(facts: Announcer) -> None:
    await facts.announce({ONE: MEMBER}, {"default": 2})
    known = Known()
    async with following(facts.connection, known):
        await reach(known, 1)
        await facts.product(default=3)
        await facts.device(ONE, product_id=PRODUCT, locked_version=1)
        last = await facts.connection.jetstream().publish(facts_of_device(TWO), b"")
        # Everything has been published, only the head has not.
        assert last.seq
        await asyncio.sleep(0.2)
        assert known.products[PRODUCT].default == 2
        assert (known.position, known.devices[bytes.fromhex(ONE)].facts.locked_version) == (1, None)
        await facts.head(2)
        await reach(known, 2)
        assert known.products[PRODUCT].default == 3
        assert known.devices[bytes.fromhex(ONE)].facts.locked_version == 1


async def test_what_is_deleted_is_forgotten(facts: Announcer) -> None:
    await facts.firmware(3, "ab" * 32, 10)
    await facts.announce({ONE: MEMBER}, {})
    known = Known()
    async with following(facts.connection, known):
        await reach(known, 1)
        await facts.put(facts_of_firmware(PRODUCT, 3), b"")
        await facts.put(facts_of_device(ONE), b"")
        await facts.head(2)
        await reach(known, 2)
        assert (known.firmware, known.devices) == ({}, {})


async def test_a_head_with_a_fact_replaced_before_we_came_to_it_does_not_count(
    facts: Announcer,
) -> None:
    """What was known at the head is not in the stream any more, only something later."""
    await facts.announce({ONE: MEMBER, TWO: MEMBER}, {"default": 2})
    await facts.device(ONE, product_id=PRODUCT, locked_version=9)  # position 2 is not closed yet
    known = Known()
    async with following(facts.connection, known) as reached:
        await asyncio.sleep(0.3)
        assert reached == []
        await facts.head(2)
        await reach(known, 2)
        assert reached == [2]


async def test_equal_facts_are_kept_once_and_forgotten_with_the_last_device(
    facts: Announcer,
) -> None:
    known = Known()
    await facts.announce({ONE: {**MEMBER, "locked_version": 5}}, {})
    async with following(facts.connection, known):
        await reach(known, 1)
        assert len(known._cells) == 1
        await facts.announce({ONE: {**MEMBER, "locked_version": 6}})
        await reach(known, 2)
        assert len(known._cells) == 1


async def test_a_stream_made_anew_is_read_anew_and_nothing_half_is_served(
    facts: Announcer,
) -> None:
    await facts.announce({ONE: MEMBER, TWO: MEMBER}, {"default": 2})
    known = Known()
    async with following(facts.connection, known):
        await reach(known, 1)
        await facts.connection.jetstream().delete_stream(FACTS_STREAM)
        await facts.make()
        await facts.device(ONE, product_id=PRODUCT, locked_version=9)
        await asyncio.sleep(0.3)
        assert known.position == 1
        assert known.products[PRODUCT].default == 2
        await facts.product(default=4)
        await facts.head(5)
        await reach(known, 5)
        assert known.products[PRODUCT].default == 4
        assert set(known.devices) == {bytes.fromhex(ONE)}


async def test_an_edge_waits_for_the_first_head(
    clean_nats: NatsServer, connection: Client, tmp_path: Path
) -> None:
    stopping, ready = asyncio.Event(), asyncio.Event()
    settings = world.settings_of(clean_nats, tmp_path)
    running = asyncio.create_task(world.run_edge(settings, stopping, ready.set))
    announcer = Announcer(connection)
    await announcer.make()
    await announcer.product()
    await asyncio.sleep(0.5)
    assert not ready.is_set()
    await announcer.head()
    async with asyncio.timeout(world.TIMEOUT_S):
        await ready.wait()
    stopping.set()
    await running


async def test_an_edge_that_starts_again_knows_everything_again(
    clean_nats: NatsServer, facts: Announcer, tmp_path: Path
) -> None:
    await facts.announce({ONE: MEMBER}, {"default": 3})
    for _ in range(2):
        edge = world.edge(world.settings_of(clean_nats, tmp_path))
        async with edge, device(clean_nats, ONE) as ours:
            assert (await ours.hello(product_id=PRODUCT))["version"] == 3
