"""What becomes of deliveries is counted by integration and day."""

from datetime import UTC, date

import pytest

from tests.projections.deliveries.receiver import receiver, replying
from tests.projections.deliveries.world import World

pytestmark = pytest.mark.asyncio


async def test_attempts_and_what_was_not_sent_are_counted_by_the_day(world: World) -> None:
    async with receiver(replying(500)) as there, world.working():
        ours, other = world.webhook(there.url), world.webhook(there.url, prefix="other")
        world.say("1")
        world.dispatch()
        await world.until_tried(1)
        first = day_of(world)
        there.answer = replying(200)
        world.pass_time(days=0.5)
        await world.until_states(delivered=1)
        second = day_of(world)
        world.say("2", name="other")
        world.dispatch()
        await world.until_states(delivered=2)
        world.limit(2)
        world.say("3", "4")
        world.dispatch()
        await world.until_states(delivered=2, not_sent=2)
        counted = {
            (one, day): counts
            for one, day, *counts in world.sql(
                "SELECT integration_id, day, delivered, failed, not_sent FROM outbound.day"
            )
        }
    assert counted.pop((other, second)) == [1, 0, 0]
    assert {one for one, _ in counted} == {ours}
    assert {day for _, day in counted} == {first, second}
    assert [sum(column) for column in zip(*counted.values(), strict=True)] == [1, 1, 2]


def day_of(world: World) -> date:
    return world.now.astimezone(UTC).date()
