"""What was acknowledged is safe at once: everything may be killed in the very next moment."""

import asyncio

import pytest

from tests.faults.settling import settle
from tests.faults.world import World

pytestmark = pytest.mark.asyncio(loop_scope="package")

ATTEMPTS = 3
QUIET_S = 1.2  # nothing else is committed meanwhile, and the queue's next purge is due


@pytest.mark.parametrize("victim", ["postgres", "everything"])
async def test_a_device_event_is_stored_when_it_is_acknowledged(
    battered: World, victim: str
) -> None:
    device = next(iter(battered.devices.values()))
    published = [f"last words {number} before {victim} died" for number in range(ATTEMPTS)]
    for words in published:
        await asyncio.sleep(QUIET_S)
        ack = await device.publish([{"name": "measured", "data": words}])
        assert ack["stored"] == 1
        await battered.kill(victim)
        await asyncio.to_thread(battered.cloud.wait_ready)
    await settle(battered)

    stored = battered.log.stored_device_events()
    assert [words for words in published if words not in stored] == []


@pytest.mark.parametrize("victim", ["postgres", "everything"])
async def test_a_command_is_in_the_log_when_it_is_acknowledged(
    battered: World, victim: str
) -> None:
    device_id = next(iter(battered.devices))
    for number in range(ATTEMPTS):
        await asyncio.sleep(QUIET_S)
        name = f"named {number} before {victim} died"
        path = f"{battered.path}/devices/{device_id}"
        reply = await battered.http.put(path, json={"name": name})
        assert reply.is_success, reply.text
        await battered.kill(victim)
        await asyncio.to_thread(battered.cloud.wait_ready)
        named = battered.log.events("DeviceNamed")
        assert name in {entry.event["name"] for entry in named}
    await settle(battered)
