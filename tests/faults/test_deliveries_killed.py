"""Workers of deliveries and their receiver are killed while events flow, and that one is as bad
as it can be.

Time flies for the workers: what waits for a minute waits for two seconds.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from random import Random

import pytest
import pytest_asyncio

from projections.deliveries.worker import Pace
from tests.faults.conftest import given_seed, rounds_of
from tests.faults.receiving import Receiving, receiving
from tests.projections.deliveries import hasty
from tests.projections.deliveries.processes import WorkerProcess, worker_processes
from tests.projections.deliveries.world import World, deliveries_world

pytestmark = pytest.mark.asyncio

WORKERS = 3
DEVICES = [f"{number:024x}" for number in range(12)]
KILLS_PER_ROUND = 2
EVENTS_PER_KILL = 120
PAUSE_S_MAX = 0.6
CALM_TIMEOUT_S = 120.0


@pytest_asyncio.fixture
async def world(database: str) -> AsyncIterator[World]:
    running = deliveries_world(database)
    ours = await asyncio.to_thread(running.__enter__)
    try:
        yield ours
    finally:
        await asyncio.to_thread(running.__exit__, None, None, None)


async def test_each_event_is_delivered_once_and_in_order_whatever_is_killed(
    world: World, request: pytest.FixtureRequest
) -> None:
    seed = given_seed(request.config)
    print(f"seed {seed}")
    random, began_s = Random(seed), time.time()
    now = hasty.clock(began_s)
    since = {hasty.BEGAN: str(began_s)}
    with receiving(str(seed)) as there:
        there.trouble(troubled=True)
        world.webhook(there.url)
        processes = worker_processes(world.database, WORKERS, hasty.__name__, **since)
        workers = await asyncio.to_thread(processes.__enter__)
        try:
            said = 0
            for _ in range(KILLS_PER_ROUND * rounds_of(request.config)):
                for _ in range(EVENTS_PER_KILL):
                    device_id = random.choice(DEVICES)
                    said += 1
                    world.say(f"{device_id} {said}", device_id=device_id)
                world.now = now()
                await asyncio.to_thread(world.dispatch)
                await asyncio.sleep(random.uniform(0.0, PAUSE_S_MAX))
                await asyncio.to_thread(kill_and_start, random.choice([*workers, there]))
            there.trouble(troubled=False)
            await calm(world, said)
        finally:
            await asyncio.to_thread(processes.__exit__, None, None, None)
        assert world.states() == {"delivered": said}
        accepted = there.accepted
    assert len(accepted) == said
    assert world.meter() == (said, 0)
    assert in_order(accepted)
    assert world.sql("SELECT 1 FROM outbound.lease") == []
    assert world.sql("SELECT sum(taken)::int FROM usage.taken") in ([(0,)], [(None,)])


def kill_and_start(victim: WorkerProcess | Receiving) -> None:
    victim.kill()
    victim.start()


async def calm(world: World, said: int) -> None:
    await world.until(lambda: world.states() == {"delivered": said}, timeout_s=CALM_TIMEOUT_S)


def in_order(accepted: Mapping[str, str]) -> bool:
    heard = defaultdict(list)
    for text in accepted.values():
        device_id, number = text.split()
        heard[device_id].append(int(number))
    return all(numbers == sorted(numbers) for numbers in heard.values())


async def test_a_receiver_that_was_down_for_a_day_gets_everything_when_it_is_back(
    world: World,
) -> None:
    """What is older than a day by then is parked, and nothing else."""
    with receiving("a day") as there:
        there.kill()
        world.webhook(there.url)
        async with world.working(2, pace=Pace(renew_every_s=0.2)):
            for hour in range(25):
                for device_id in DEVICES:
                    world.say(f"{device_id} {hour}", device_id=device_id)
                await asyncio.to_thread(world.dispatch)
                await world.until(lambda: quiet(world))
                world.pass_time(hours=1)
            await world.until(lambda: quiet(world))
            await asyncio.to_thread(there.start)
            await world.until(lambda: "waiting" not in world.states(), tick_s=2.0)
        accepted = there.accepted
    parked = world.states()["parked"]
    assert len(DEVICES) <= parked <= 3 * len(DEVICES)
    assert len(accepted) == 25 * len(DEVICES) - parked
    assert in_order(accepted)
    assert world.meter() == (len(accepted), 0)
    assert no_parked_was_accepted(world, accepted)


def quiet(world: World) -> bool:
    """Nobody does anything, and nothing is due by now."""
    due = "SELECT 1 FROM outbound.lane WHERE lease_id IS NOT NULL OR due_at <= %s LIMIT 1"
    return not world.sql(due, world.now)


def no_parked_was_accepted(world: World, accepted: Mapping[str, str]) -> bool:
    parked = world.sql(
        "SELECT integration_id || '_' || delivery_id FROM outbound.delivery WHERE state = 'parked'"
    )
    return not accepted.keys() & {message_id for (message_id,) in parked}
