"""A server that fails again and again is left alone for a while, and then asked by one alone."""

import pytest

from projections.deliveries.circuits import FAILURES_MAX
from tests.projections.deliveries.receiver import receiver, replying
from tests.projections.deliveries.world import World

pytestmark = pytest.mark.asyncio

DEVICES = 60


def say_of_many(world: World, text: str = "x") -> None:
    for number in range(DEVICES):
        world.say(text, device_id=f"{number:024x}")
    world.dispatch()


def is_open(world: World) -> bool:
    return bool(world.sql("SELECT 1 FROM outbound.circuit WHERE open_until > %s", world.now))


async def test_who_fails_again_and_again_is_left_alone(world: World) -> None:
    async with receiver(replying(500)) as there, world.working(2):
        world.webhook(there.url)
        say_of_many(world)
        await world.until_tried(DEVICES)
        assert is_open(world)
        world.pass_time(seconds=11)  # the first of them are due again, and the server is not yet
        say_of_many(world, "new ones, too")
        postponed = "SELECT count(*) FROM outbound.lane WHERE due_at > %s AND lease_id IS NULL"
        await world.until(lambda: world.sql(postponed, world.now) == [(DEVICES,)])
        assert len(there.asked) == DEVICES
        world.pass_time(seconds=30)
        await world.until(lambda: len(there.asked) > DEVICES)
        await world.until(lambda: world.sql(postponed, world.now) == [(DEVICES,)])
        assert len(there.asked) == DEVICES + 1
        there.answer = replying(200)
        await world.until_states(delivered=2 * DEVICES, tick_s=0.5)
    assert world.sql("SELECT 1 FROM outbound.circuit") == []
    assert world.meter() == (2 * DEVICES, 0)


async def test_who_works_for_others_is_not_left_alone(world: World) -> None:
    """A refusal is the integration's own trouble, not the server's."""
    async with receiver(replying(404)) as there, world.working():
        world.webhook(there.url)
        say_of_many(world)
        await world.until_tried(DEVICES)
    assert DEVICES > FAILURES_MAX
    assert not is_open(world)


async def test_others_are_not_held_up(world: World) -> None:
    async with receiver(replying(500)) as bad, receiver(replying()) as good, world.working():
        world.webhook(bad.url, prefix="bad")
        world.webhook(good.url, prefix="good")
        for number in range(DEVICES):
            world.say("x", device_id=f"{number:024x}", name="bad")
            world.say("x", device_id=f"{number:024x}", name="good")
        world.dispatch()
        await world.until_states(delivered=DEVICES, waiting=DEVICES)


async def test_what_waits_for_it_for_a_day_is_parked(world: World) -> None:
    async with receiver(replying(500)) as there, world.working():
        world.webhook(there.url)
        say_of_many(world)
        await world.until_tried(DEVICES)
        world.pass_time(days=1)
        await world.until_states(parked=DEVICES)
        assert DEVICES <= len(there.asked) <= 2 * DEVICES
        there.answer = replying()
        world.say("later", device_id="f" * 24)
        world.dispatch()
        await world.until_states(parked=DEVICES, delivered=1, tick_s=1.0)
