"""Waiting until a cloud has digested everything, and finding what it has not: always bounded."""

import asyncio
from typing import Any

from domain.subjects import DEVICE_EVENTS_STREAM, JOURNAL_STREAM
from tests.faults.announced import announcements_wrong, facts_wrong
from tests.faults.client import Fact
from tests.faults.devices import FieldDevice
from tests.faults.nats import messages_left
from tests.faults.world import World

QUEUES = (JOURNAL_STREAM, DEVICE_EVENTS_STREAM)
POLL_S = 0.5
PAGE_ROWS = 100


async def settle(world: World) -> None:
    """Every device runs its target, and everything that was said stands in the log."""
    await until_converged(world)
    await until_followed(world)


async def until_converged(world: World) -> None:
    """Every device is online and runs its target, as the API says it and as the device does."""
    # A release without `intelligent` reaches a device at its next hello: so each says one.
    head = world.log.head()
    for device in world.devices.values():
        await device.hello(at_least=head)

    async def not_converged() -> str:
        wrong = [await astray(world, shown, head) for shown in await shown_devices(world)]
        return "\n".join(filter(None, wrong))

    await world.until(not_converged, "every device runs its target", POLL_S)


async def astray(world: World, shown: dict[str, Any], head: int) -> str:
    """What is wrong with a device, and with what came before it; empty if nothing is."""
    device = world.devices.get(shown["id"])
    if device is None:
        return ""
    if shown["stuck_firmware_version"]:
        path = f"{world.path}/devices/{device.device_id}/retry"
        asked = Fact(f"device-{device.device_id}", "UpdateRetryAsked")
        await world.operator.ask("POST", path, {}, facts=[asked], contended=True)
    target = shown["firmware_target"]["version"] or device.version
    found = (shown["online"], shown["firmware_version"], device.online, device.version)
    if found == (True, target, True, target):
        return ""
    if device.told["position"] < head:
        await device.hello(at_least=head)
    story = "\n  ".join(device.story)
    return f"{device.device_id} is {found}, must run {target}:\n  {story}"


async def shown_devices(world: World) -> list[dict[str, Any]]:
    """Every device of the product, as the API shows it."""
    found: list[dict[str, Any]] = []
    page, pages = 1, 1
    while page <= pages:
        wanted: dict[str, str | int] = {"page": page, "per_page": PAGE_ROWS, "sortAttr": "deviceId"}
        reply = await world.operator.read(f"{world.path}/devices", **wanted)
        found += reply["devices"]
        page, pages = page + 1, reply["meta"]["total_pages"]
    return found


async def until_followed(world: World) -> None:
    """What devices said is in the log, and everything that follows the log is at its end."""

    async def behind() -> str:
        left = {stream: await messages_left(world.nats, stream) for stream in QUEUES}
        head = await asyncio.to_thread(world.log.head)
        positions = await asyncio.to_thread(world.log.follower_positions)
        late = {name: at for name, at in positions.items() if at != head}
        return f"{left}, {late} of {head}" if any(left.values()) or late else ""

    await world.until(behind, "everything is read")


async def until_announced(world: World) -> None:
    """NATS holds the facts of the log's end, and every event of the log, once."""
    await world.until(lambda: facts_wrong(world.log, world.nats), "the facts are right")
    await world.until(
        lambda: announcements_wrong(world.log, world.nats), "every event is announced"
    )


async def until_answered_anew(world: World) -> None:
    """Every device says hello, and is answered as of the log's end of now."""
    head = world.log.head()

    async def unanswered() -> str:
        waiting = [one for one in world.devices.values() if not is_answered(one, head)]
        for device in waiting:
            await device.hello(at_least=head)
        return " ".join(device.device_id for device in waiting)

    await world.until(unanswered, f"every device is answered as of {head}", POLL_S)


def is_answered(device: FieldDevice, head: int) -> bool:
    return device.online and device.told["position"] >= head
