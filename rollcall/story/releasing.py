"""Releases: previewed, made, and compared with what the preview said, device by device."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from rollcall.story.catalogue import upload
from rollcall.story.telling import Seen, expect, seen
from rollcall.story.world import World

PREVIEW_ROWS = 1_000
IMPATIENT_S = 0.2
PATIENT_S = 600.0  # its second attempt comes after the story


async def make_groups(world: World) -> Seen:
    """Groups named beta and early; some devices are in both."""
    cast = world.cast
    for name, devices in (("beta", cast.beta), ("early", cast.early)):
        await world.api.post(f"{world.product}/groups", {"name": name})
        await world.api.put(
            f"{world.product}/devices",
            {"action": "groups", "devices": sorted(devices), "metadata": {"add": [name]}},
        )
    groups = (await world.api.get(f"{world.product}/groups"))["groups"]
    counts = {group["name"]: group["device_count"] for group in groups}
    expect("the groups", {"beta": len(cast.beta), "early": len(cast.early)}, counts)
    return seen(
        f"Group beta has {counts['beta']:,} devices, group early {counts['early']:,};"
        f" {len(cast.in_both):,} are in both.",
        groups=counts,
    )


async def preview(world: World, version: int, **release: Any) -> tuple[set[str], int]:
    """The ids of the devices that a release would update, and the position that is as of."""
    query = {"firmware_version": version, "list": True, "per_page": PREVIEW_ROWS, **release}
    page = await world.api.get(f"{world.product}/impact", **query)
    total, position = page["devices"]["firmware_update"]["total"], page["position"]
    found = {one["id"] for one in page["impacted"]}
    while "next" in page:
        query |= {"after": page["next"], "position": position}
        page = await world.api.get(f"{world.product}/impact", **query)
        found |= {one["id"] for one in page["impacted"]}
    expect("the devices listed, and counted", total, len(found))
    return found, position


async def release_to_beta(world: World) -> Seen:
    """Version 2, to one group; it is offered when a device says hello the next time."""
    previewed, position = await preview(world, 2, groups="beta")
    expect("the preview", world.cast.beta, previewed)
    await world.api.put(
        f"{world.product}/firmware/release",
        {"version": 2, "groups": ["beta"], "as_previewed": position},
    )
    released = await world.event("FirmwareReleased", product_id=world.product_id, version=2)
    offers = partial(offered, world, 2, released.position)
    expect("offers before any hello", set(), await offers())
    await world.fleet.say_hello(world.cast.awake, at_least=released.position)
    await world.until("devices that run version 2", len(previewed) + 1, world.runs(2))
    expect("the devices offered it", previewed, await offers())
    expect("the devices that run it", previewed | {world.cast.pioneer}, world.fleet.running(2))
    fetched = {world.fleet[one].firmware for one in previewed}
    expect("the bytes they put together from chunks", {world.binaries[2]}, fetched)
    return seen(
        f"Version 2 is released to beta ({released}). All {len(world.cast.awake):,} devices say"
        f" hello: the {len(previewed):,} that the preview named, and no other, take it.",
        previewed=sorted(previewed),
        released_at=released.position,
    )


async def offered(world: World, version: int, after: int) -> set[str]:
    """The devices that the log says were offered a version after a position."""
    handshakes = await world.log.events(
        "DeviceHandshook", after=after, product_id=world.product_id, told={"version": version}
    )
    offers = ("update", "pending")
    return {one.event["device_id"] for one in handshakes if one.event["told"]["told"] in offers}


def count_of(look: Callable[[], Awaitable[set[str]]]) -> Callable[[], Awaitable[int]]:
    async def count() -> int:
        return len(await look())

    return count


async def prove_version_3(world: World) -> Seen:
    """Upload it, lock one device to it until it runs it, unlock."""
    scout = world.cast.scout
    await upload(world, 3)
    await world.change(scout, desired_firmware_version=3, flash=True)
    confirmed = await world.event("UpdateConfirmed", device_id=scout, version=3)
    proven = await world.event("FirmwareProven", product_id=world.product_id, version=3)
    expect("who proved it", scout, proven.event["device_id"])
    await world.change(scout, desired_firmware_version=None)
    expect("the lock", None, (await world.device(scout))["desired_firmware_version"])
    return seen(
        f"Version 3 is uploaded; device {scout} is locked to it, runs it ({confirmed}), so it is"
        f" proven ({proven}); the device is unlocked.",
        proven_by=scout,
    )


async def choose_the_difficult_ones(world: World) -> Seen:
    """One device is marked for development, one will want no updates, two will fail at them."""
    cast = world.cast
    await world.change(cast.developer, development=True)
    expect("the mark", True, (await world.device(cast.developer))["development"])
    world.fleet.disable_updates(cast.unwilling)
    world.fleet.fail_updates(cast.failing, "battery too low", retry_s=IMPATIENT_S)
    world.fleet.fail_updates(cast.flaky, "flash is full", retry_s=PATIENT_S)
    return seen(
        "One device is marked for development; one refuses updates, two will fail at them.",
        developer=cast.developer,
        unwilling=cast.unwilling,
        failing=[cast.failing, cast.flaky],
    )


async def release_to_everybody(world: World) -> Seen:
    """Version 3, the product's default and to group early; intelligent, so offered at once."""
    cast = world.cast
    previewed, position = await preview(world, 3, groups="early", product_default=True)
    # Locked, at development, held by beta's own release, or there already: not these.
    left_alone = {cast.pioneer, cast.developer, cast.scout} | (cast.beta - cast.early)
    expect("the preview", set(cast.everybody) - left_alone, previewed)
    await world.api.put(
        f"{world.product}/firmware/release",
        {
            "version": 3,
            "product_default": True,
            "groups": ["early"],
            "intelligent": True,
            "as_previewed": position,
        },
    )
    released = await world.event("FirmwareReleased", product_id=world.product_id, version=3)
    hindered = {cast.failing, cast.flaky, cast.unwilling}
    updated = previewed - cast.sleeping - hindered
    await world.until("devices that run version 3", len(updated) + 1, world.runs(3))
    expect("the devices that run it", updated | {cast.scout}, world.fleet.running(3))
    offers = partial(offered, world, 3, released.position)
    await world.until("devices offered version 3", len(updated | hindered), count_of(offers))
    expect("the devices offered it", previewed - cast.sleeping, await offers())
    return seen(
        f"Version 3 is released as default and to early ({released}). The preview named"
        f" {len(previewed):,} devices: {len(updated):,} are nudged and take it,"
        f" {len(cast.sleeping):,} are switched off, {len(hindered)} are hindered.",
        previewed=sorted(previewed),
        updated=len(updated),
        released_at=released.position,
    )
