"""Questions about the past, answered from events alone: why, what was before, who is billed."""

from typing import Any

from rollcall.story.telling import Seen, expect, seen
from rollcall.story.world import LATECOMER, STRANGER, World


async def explain_five_devices(world: World) -> Seen:
    """Every explanation names the rule, what lost to it, and the events, which are in the log."""
    cast = world.cast
    expected = {
        cast.pioneer: (2, "locked", None),
        cast.developer: (None, "development", None),
        min(cast.in_both): (3, "group", "early"),
        min(cast.beta - cast.early): (2, "group", "beta"),
        LATECOMER: (3, "default", None),
    }
    sentences = []
    for device_id, wanted in expected.items():
        why = await world.api.get(f"{world.product}/devices/{device_id}/why")
        target = why["target"]
        expect(
            f"the target of {device_id}",
            wanted,
            (target["version"], target["rule"], target["group"]),
        )
        await compare_with_the_log(world, why)
        sentences.append(why["sentence"])
    question = f"Why do these {len(sentences)} devices have their firmware?"
    return seen(question, lines=sentences, why=sentences)


async def compare_with_the_log(world: World, why: dict[str, Any]) -> None:
    """The events that an explanation rests on stand in the log as it says."""
    expect("an explanation rests on events", True, len(why["events"]) > 0)
    for used in why["events"]:
        entry = await world.log.entry(used["position"])
        expect(
            f"the event at position {used['position']}",
            (entry.name, entry.stream, entry.event),
            (used["name"], used["stream"], used["event"]),
        )


async def look_before_the_lock(world: World) -> Seen:
    """The device as of the position before it was locked, and as it is."""
    pioneer, position = world.cast.pioneer, world.positions["before the lock"]
    before = await world.device(pioneer, as_of=position)
    now = await world.device(pioneer)
    expect(
        "locked to and running before",
        (None, 1),
        (before["desired_firmware_version"], before["firmware_version"]),
    )
    expect(
        "locked to and running now",
        (2, 2),
        (now["desired_firmware_version"], now["firmware_version"]),
    )
    return seen(
        f"As of position {position} device {pioneer} ran version {before['firmware_version']} and"
        f" was not locked; now it is locked to {now['desired_firmware_version']}.",
        position=position,
        before=before["desired_firmware_version"],
        now=now["desired_firmware_version"],
    )


async def account_for_billing(world: World) -> Seen:
    """Billing starts when a device first comes online in the product, not at its import."""
    online = world.cast.awake | {LATECOMER, STRANGER}
    started = await world.log.events("BillingStarted", product_id=world.product_id)
    billed = [one.event["device_id"] for one in started]
    expect("the devices billed", online, set(billed))
    expect("the number of times billing started", len(online), len(billed))
    expect("the devices that were ever switched on", online, world.fleet.ever_on)
    return seen(
        f"Billing started for the {len(billed):,} devices that came online, once for each, and not"
        f" for the {len(world.cast.sleeping):,} that never did.",
        billed=len(billed),
    )
