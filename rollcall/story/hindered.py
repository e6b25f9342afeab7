"""Updates that do not work out: failing again and again, failing once, not wanted."""

from rollcall.story.telling import Seen, expect, seen
from rollcall.story.world import World

ATTEMPTS = 3  # the default of a product's failed_attempts_max


async def fail_until_stuck(world: World) -> Seen:
    """It tries again and again, until it is offered the version no more."""
    failing = world.cast.failing
    attempts = [
        await world.event("FirmwareUpdateFailed", device_id=failing, version=3, attempt=attempt)
        for attempt in range(1, ATTEMPTS + 1)
    ]
    stuck = await world.event("UpdateStuck", device_id=failing, version=3)
    told = await world.fleet.say_hello([failing], at_least=stuck.position)
    expect("what it is told then", {failing: "stuck"}, told)
    made = await world.log.events("FirmwareUpdateFailed", device_id=failing)
    expect("its attempts", attempts, made)
    shown = await world.device(failing)
    update = shown["firmware_update"]
    reason = world.fleet[failing].behaviour.fail
    expect("its state", ("stuck", reason), (update["state"], update["reason"]))
    expect("what it runs", 1, world.fleet[failing].version)
    return seen(
        f"Device {failing} fails {ATTEMPTS} times (“{update['reason']}”) and is stuck"
        f" ({stuck}): it is not offered version 3 again until somebody asks.",
        device=failing,
        reason=update["reason"],
        attempts=stuck.event["attempts"],
    )


async def fail_once(world: World) -> Seen:
    """One failed attempt is not the end: it is offered the version again."""
    flaky = world.cast.flaky
    failed = await world.event("FirmwareUpdateFailed", device_id=flaky, version=3, attempt=1)
    offered = await world.event("DeviceHandshook", after=failed.position, device_id=flaky)
    expect("what it is told then", "update", offered.event["told"]["told"])
    update = (await world.device(flaky))["firmware_update"]
    reason = world.fleet[flaky].behaviour.fail
    expect(
        "its state",
        ("failed", 1, reason),
        (update["state"], update["attempt"], update["reason"]),
    )
    return seen(
        f"Device {flaky} failed once (“{update['reason']}”, {failed}) and waits before it tries"
        " again.",
        device=flaky,
        reason=update["reason"],
    )


async def wait_for_the_unwilling(world: World) -> Seen:
    """It says that it wants no updates: the offer waits, and both sides know."""
    unwilling = world.cast.unwilling
    told = await world.fleet.say_hello([unwilling])
    expect("what it is told", {unwilling: "pending"}, told)
    shown = await world.device(unwilling)
    expect("updates enabled", False, shown["firmware_updates_enabled"])
    expect("what it runs", 1, world.fleet[unwilling].version)
    return seen(
        f"Device {unwilling} wants no updates; it is told that version 3 is pending.",
        device=unwilling,
    )


async def force_the_unwilling(world: World) -> Seen:
    """The team insists."""
    unwilling = world.cast.unwilling
    await world.change(unwilling, firmware_updates_forced=True)
    forced = await world.event("UpdatesForced", device_id=unwilling)
    confirmed = await world.event("UpdateConfirmed", device_id=unwilling, version=3)
    expect("what it runs", 3, world.fleet[unwilling].version)
    return seen(
        f"Updates are forced on it ({forced}); it is nudged and takes version 3 ({confirmed}).",
        device=unwilling,
        runs=world.fleet[unwilling].version,
    )
