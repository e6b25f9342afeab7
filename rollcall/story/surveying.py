"""The overview, compared with what the simulated devices know of themselves."""

from collections import Counter

from rollcall.reference_device import ReferenceDevice
from rollcall.story.telling import Seen, expect, seen
from rollcall.story.world import World

COUNTED = ("on_target", "pending", "failed", "stuck")


async def survey_the_hindered_fleet(world: World) -> Seen:
    """While one device waits, one failed and one is stuck."""
    return await survey(world, pending=1, failed=1, stuck=1)


async def survey_the_fleet(world: World) -> Seen:
    """Now that nobody waits any more."""
    return await survey(world, pending=0, failed=1, stuck=1)


async def survey(world: World, **hindered: int) -> Seen:
    await world.now()
    overview = await world.api.get(f"{world.product}/overview")
    counts = {name: overview[name] for name in COUNTED}
    expect("the hindered", hindered, {name: counts[name] for name in hindered})

    async def on_target() -> int:
        return list(states_in(world).values()).count("on_target")

    # A confirmation stands in the log an instant before its device hears of it.
    await world.until("devices that know themselves on target", counts["on_target"], on_target)
    states = states_in(world)
    truth = Counter(states.values())
    expect("the counts", {name: truth[name] for name in COUNTED}, counts)
    for name in COUNTED:
        path = f"{world.product}/devices"
        listed = await world.api.pages(path, "devices", reason=name)
        own = {one for one, state in states.items() if state == name}
        expect(f"the devices {name}", own, {device["id"] for device in listed})

    running = {one["version"]: one["total"] for one in overview["by_version"]}
    versions = Counter(world.fleet[one].version for one in world.fleet.ever_on)
    expect("the versions", {**versions, None: len(world.cast.sleeping)}, running)
    expect("online", len(world.fleet.ever_on), overview["online"])
    return seen(
        f"The overview says of {overview['devices']:,} devices what they say themselves:"
        f" {overview['online']:,} online, {counts['on_target']:,} on target,"
        f" {counts['pending']} pending, {counts['failed']} failed, {counts['stuck']} stuck.",
        devices=overview["devices"],
        online=overview["online"],
        by_version={str(version): total for version, total in running.items()},
        **counts,
    )


def states_in(world: World) -> dict[str, str]:
    return {one: state_of(world.fleet[one]) for one in world.fleet.ever_on}


def state_of(device: ReferenceDevice) -> str:
    """What a device is by its own account: by what it runs and what it was told last."""
    told = device.told
    if told["told"] == "nothing":
        return "on_target" if told.get("version") == device.version else told["rule"]
    # It was offered something else than it runs, and is not at it any more.
    return "failed" if told["told"] == "update" else str(told["told"])
