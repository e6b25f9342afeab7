"""What a worker held is free once it is dead, or hangs; and then it counts nothing any more."""

import asyncio

import pytest

from projections.deliveries.worker import Pace
from tests.projections.deliveries.processes import worker_processes
from tests.projections.deliveries.receiver import Asked, Receiver, receiver, replying
from tests.projections.deliveries.world import World

pytestmark = pytest.mark.asyncio


async def dawdle(asked: Asked, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(2.5)
    await replying()(asked, writer)


def ids(there: Receiver) -> list[str]:
    return [asked.headers["webhook-id"] for asked in there.asked]


async def test_what_a_killed_worker_held_is_free_at_once(world: World) -> None:
    async with receiver(dawdle) as there:
        world.webhook(there.url)
        world.say("1", "2")
        world.dispatch()
        processes = worker_processes(world.database, 1)
        [worker] = await asyncio.to_thread(processes.__enter__)
        await world.until(lambda: len(there.asked) == 1)
        assert world.meter() == (0, 2)
        worker.kill()
        there.answer = replying()
        async with world.working():
            await world.until(lambda: world.states() == {"delivered": 2}, timeout_s=6)
        await asyncio.to_thread(processes.__exit__, None, None, None)
    assert world.meter() == (2, 0)
    first, again, second = ids(there)
    assert first == again != second


async def test_a_worker_whose_lease_is_over_counts_nothing(world: World) -> None:
    """Two may send the same, under one id; one of them counts."""
    short = Pace(lease_s=0.2, renew_every_s=60.0)
    async with receiver(dawdle) as there:
        world.webhook(there.url)
        world.say("1")
        world.dispatch()
        with pytest.raises(ExceptionGroup, match="unhandled"):
            await taken_over(world, there, short)
    assert len({*ids(there)}) == 1
    assert len(there.asked) == 2
    assert world.meter() == (1, 0)


async def taken_over(world: World, there: Receiver, pace: Pace) -> None:
    async with world.working(pace=pace):
        await world.until(lambda: len(there.asked) == 1)
        async with world.working():
            await world.until_states(delivered=1)
