"""Everything was killed while devices measured, and every measurement went out by a webhook."""

from collections import defaultdict

import pytest

from tests.faults.world import World

pytestmark = pytest.mark.asyncio(loop_scope="package")

POLL_S = 0.5
DELIVERED_PATIENCE_S = 600.0  # a server that failed is left alone for minutes


async def until_delivered(world: World) -> None:
    """Everything that is stored was taken, and is counted in the log."""

    async def missing() -> str:
        stored = sum(map(len, world.log.measured().values()))
        taken = len(world.receiving.accepted)
        deliveries, metered = world.log.deliveries(), world.log.metered()
        done = deliveries == {"delivered": stored} and metered == (stored, 0, stored)
        return "" if done and taken == stored else f"{stored}, {taken}, {deliveries}, {metered}"

    await world.until(missing, "everything is delivered and counted", POLL_S, DELIVERED_PATIENCE_S)


async def test_every_device_event_is_delivered_once_counted_once_and_none_is_parked(
    battered: World,
) -> None:
    await until_delivered(battered)
    assert len(battered.receiving.accepted) > 20


async def test_devices_events_are_delivered_in_their_order(battered: World) -> None:
    await until_delivered(battered)
    heard = defaultdict(list)
    for text in battered.receiving.accepted.values():
        device_id, _, measured = text.partition(" ")
        heard[device_id].append(measured)
    assert dict(heard) == battered.log.measured()
