"""The audit: every decision derived again; then history is forged, and the forgery is found."""

import asyncio
import json
from typing import Any

import msgspec

from rollcall.story.telling import NotAsTold, Seen, expect, seen
from rollcall.story.world import World


async def verify(world: World) -> dict[str, Any]:
    """What `rollcall verify decisions` finds. Raises NotAsTold if it cannot say."""
    done = await asyncio.to_thread(world.cloud.run, "verify", "decisions", "--json")
    if not done.stdout.startswith("{"):
        raise NotAsTold("rollcall verify decisions", "a JSON object", done.stdout + done.stderr)
    result: dict[str, Any] = json.loads(done.stdout)
    expect("the exit code", 1 if result["wrong"] else 0, done.returncode)
    return result


async def derive_every_decision(world: World) -> Seen:
    """The sweep decides every handshake again, from the events before it."""
    result = await verify(world)
    expect("what is wrong", [], result["wrong"])
    handshakes = await world.log.events("DeviceHandshook")
    expect("the decisions derived", len(handshakes), result["decisions"])
    return seen(
        f"`rollcall verify decisions` derives {result['decisions']:,} decisions again from"
        f" {result['events']:,} events: all right.",
        decisions=result["decisions"],
        events=result["events"],
    )


async def forge_history(world: World) -> Seen:
    """Somebody with the database's master key turns the lock on 2 into a lock on 1."""
    (locked,) = await world.log.events("FirmwareLocked", device_id=world.cast.pioneer)
    genuine = await world.log.state(locked.position)
    envelope = msgspec.json.decode(genuine)
    envelope["event"]["version"] = 1
    await world.log.forge(locked.position, msgspec.json.encode(envelope))
    result = await verify(world)
    blamed = [finding for finding in result["wrong"] if names(finding, locked.position)]
    expect("all that is wrong rests on the forged event", len(result["wrong"]), len(blamed))
    expect("something is wrong", True, result["wrong_in_all"] > 0)
    await world.log.forge(locked.position, genuine)
    return seen(
        f"{locked} is altered in the database by hand, version 2 to 1: the sweep finds"
        f" {result['wrong_in_all']} decisions that no longer follow, and names the event.",
        lines=[blamed[0]["problem"], *(f"rests on {one}" for one in blamed[0]["rests_on"])],
        forged_at=locked.position,
        wrong=result["wrong_in_all"],
        rests_on=blamed[0]["rests_on"],
    )


def names(finding: dict[str, Any], position: int) -> bool:
    return any(one.startswith(f"position {position}:") for one in finding["rests_on"])


async def find_all_right_again(world: World) -> Seen:
    """The genuine bytes are put back."""
    result = await verify(world)
    expect("what is wrong", [], result["wrong"])
    return seen("Altered back, all is right again.", wrong=result["wrong_in_all"])
