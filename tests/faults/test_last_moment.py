"""What was acknowledged is safe at once: everything may be killed in the very next moment."""

import asyncio

import pytest

from tests.faults.client import Fact
from tests.faults.devices import FieldDevice
from tests.faults.killing import EVERYTHING
from tests.faults.settling import settle
from tests.faults.world import World

pytestmark = pytest.mark.asyncio(loop_scope="package")

ATTEMPTS = 2
QUIET_S = 1.2  # nothing else is committed meanwhile, and the queue's next purge is due


@pytest.mark.parametrize("victim", ["postgres", EVERYTHING])
async def test_what_is_acknowledged_is_stored(battered: World, victim: str) -> None:
    device = next(iter(battered.devices.values()))
    path = f"{battered.path}/devices/{device.device_id}"
    said = [f"last words {number} before {victim} died" for number in range(ATTEMPTS)]
    for words in said:
        await asyncio.sleep(QUIET_S)
        aimed_at = battered.killer.aim(victim)
        await battered.operator.ask("PUT", path, {"name": words}, facts=[named(device, words)])
        event = await device.publish([{"name": "measured", "data": words}])
        battered.killer.strike(victim, aimed_at)
        assert event["stored"] == 1
        await asyncio.to_thread(battered.cloud.wait_ready)
    await settle(battered)

    stored = battered.log.stored_device_events()
    assert [words for words in said if words not in stored] == []
    names = {entry.event["name"] for entry in battered.log.events("DeviceNamed")}
    assert [words for words in said if words not in names] == []


def named(device: FieldDevice, name: str) -> Fact:
    return Fact(f"device-{device.device_id}", "DeviceNamed", {"name": name})
