"""The fleet comes online; one device is locked to version 2, takes it, and so proves it."""

import asyncio

from rollcall.story.telling import Seen, expect, seen
from rollcall.story.world import POLL_SLOW_S, World


async def come_online(world: World) -> Seen:
    """Every device switched on connects by MQTT, says hello, and is told that there is nothing."""
    awake = world.cast.awake
    await asyncio.gather(
        world.fleet.switch_on(awake, world.product_id, 1, over_http=world.cast.pioneer),
        world.until("devices online", len(awake), world.online, POLL_SLOW_S),
    )
    handshakes = await world.log.events("DeviceHandshook", product_id=world.product_id)
    expect("the devices that shook hands", awake, {one.event["device_id"] for one in handshakes})
    expect("what they run", {1}, {one.event["running"] for one in handshakes})
    expect("what they were told", {"nothing"}, {one.event["told"]["told"] for one in handshakes})
    expect("what the devices heard", {"nothing"}, {world.fleet[one].told["told"] for one in awake})
    proven = await world.event("FirmwareProven", product_id=world.product_id, version=1)
    return seen(
        f"{len(awake):,} devices are online and run version 1; {len(world.cast.sleeping):,} stay"
        f" switched off. Version 1 is proven ({proven}).",
        online=len(awake),
        sleeping=len(world.cast.sleeping),
    )


async def lock_one_device(world: World) -> Seen:
    """Locked, “flash now”: the device is nudged, and offered version 2 at once."""
    pioneer = world.cast.pioneer
    world.positions["before the lock"] = await world.log.head()
    changed = await world.change(pioneer, desired_firmware_version=2, flash=True)
    expect("the lock", 2, changed["desired_firmware_version"])
    locked = await world.event("FirmwareLocked", device_id=pioneer)
    offered = await world.event("DeviceHandshook", device_id=pioneer, told={"told": "update"})
    told = offered.event["told"]
    expect("the offer", (2, "locked"), (told["version"], told["rule"]))
    expect("the answer rests on the lock", True, offered.event["based_on"] >= locked.position)
    return seen(
        f"Device {pioneer} is locked to version 2 ({locked}), says hello again and is offered it"
        f" ({offered}).",
        device=pioneer,
        locked_at=locked.position,
    )


async def take_the_update(world: World) -> Seen:
    """By HTTP, over a line that breaks; the other devices will fetch theirs in chunks by MQTT."""
    pioneer = world.cast.pioneer
    confirmed = await world.event("UpdateConfirmed", device_id=pioneer, version=2)
    steps = []
    for name in ("UpdateStarted", "UpdateDelivered"):
        steps.append(await world.event(name, device_id=pioneer, version=2))
    order = [one.position for one in (*steps, confirmed)]
    expect("started, delivered, confirmed, in this order", sorted(order), order)
    device, size = world.fleet[pioneer], len(world.binaries[2])
    expect("what the device runs", 2, device.version)
    expect("what it fetched", world.binaries[2], device.firmware)
    statuses = [status for status, _ in world.fleet.download.replies]
    expect("the download broken off, then taken up by range", [200, 206], statuses)
    taken_up = world.fleet.download.replies[1][1]
    return seen(
        f"It fetches {size:,} bytes by HTTP (the line breaks; it goes on with {taken_up}), finds"
        f" their SHA-256 right, restarts and says hello as version 2 ({confirmed}).",
        statuses=statuses,
        range=taken_up,
    )


async def prove_version_2(world: World) -> Seen:
    """A device came back running it: from here on it may be released."""
    proven = await world.event("FirmwareProven", product_id=world.product_id, version=2)
    expect("who proved it", world.cast.pioneer, proven.event["device_id"])
    found = await world.api.get(f"{world.product}/firmware/2")
    expect("who proved it, says the API", world.cast.pioneer, found["proven_by"])
    return seen(
        f"Version 2 is proven ({proven}).", proven_by=found["proven_by"], position=proven.position
    )
