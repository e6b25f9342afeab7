"""Who was not to take version 3, and who takes what when there is a choice."""

from rollcall.story.telling import Seen, expect, seen
from rollcall.story.world import World


async def take_the_highest(world: World) -> Seen:
    """A device in two groups takes the higher version; one in beta alone keeps beta's."""
    cast = world.cast
    both, beta_alone = cast.in_both, cast.beta - cast.early
    expect("what devices in both run", {3}, {world.fleet[one].version for one in both})
    expect("what devices in beta run", {2}, {world.fleet[one].version for one in beta_alone})
    shown = await world.device(min(both))
    expect("the groups of one of them", ["beta", "early"], shown["groups"])
    target = shown["firmware_target"]
    expect("its rule", (3, "group", "early"), (target["version"], target["rule"], target["group"]))
    return seen(
        f"The {len(both):,} devices in both groups run 3, the {len(beta_alone):,} in beta alone"
        " run 2.",
        in_both=len(both),
        beta_alone=len(beta_alone),
    )


async def leave_alone(world: World) -> Seen:
    """A lock stands above any release; a development device is its developer's."""
    cast = world.cast
    for device_id, version, rule in (
        (cast.pioneer, 2, "locked"),
        (cast.developer, 1, "development"),
    ):
        await world.fleet.say_hello([device_id])
        device = world.fleet[device_id]
        told = device.told["told"], device.told["rule"]
        expect(f"what {device_id} is told", ("nothing", rule), told)
        expect(f"what {device_id} runs", version, device.version)
    return seen(
        "The locked device stays at 2 and the development device at 1; both are told so"
        " when they say hello.",
        locked=world.fleet[cast.pioneer].version,
        development=world.fleet[cast.developer].version,
    )
