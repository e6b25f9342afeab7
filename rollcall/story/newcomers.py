"""Devices that come later: one that nobody knows, and one imported before it is switched on."""

from rollcall.story.telling import Seen, expect, seen
from rollcall.story.world import LATECOMER, STRANGER, World


async def quarantine_a_stranger(world: World) -> Seen:
    """Its firmware asks for the product, but the team has never heard of it."""
    await world.fleet.switch_on({STRANGER}, world.product_id, 1)
    quarantined = await world.event("DeviceQuarantined", device_id=STRANGER)
    expect("what it was told", "quarantined", world.fleet[STRANGER].told["told"])
    listed = await world.api.pages(f"{world.product}/devices", "devices", quarantined=True)
    expect("the devices in quarantine", [STRANGER], [one["id"] for one in listed])
    expect("billing", [], await world.log.events("BillingStarted", device_id=STRANGER))
    return seen(
        f"Unknown device {STRANGER} asks for the product and is quarantined ({quarantined}).",
        device=STRANGER,
    )


async def approve_the_stranger(world: World) -> Seen:
    """The team lets it in; it is offered the default release."""
    reply = await world.api.post(f"{world.product}/devices", {"id": STRANGER})
    expect("the approval", [STRANGER], reply["updatedDeviceIds"])
    approved = await world.event("DeviceImported", device_id=STRANGER)
    confirmed = await world.event("UpdateConfirmed", device_id=STRANGER, version=3)
    billed = await world.event("BillingStarted", device_id=STRANGER)
    expect("billing starts after the approval", True, billed.position > approved.position)
    expect("what it runs", 3, world.fleet[STRANGER].version)
    listed = await world.api.pages(f"{world.product}/devices", "devices", quarantined=True)
    expect("the devices in quarantine", [], listed)
    return seen(
        f"The team approves it ({approved}); it is nudged and takes version 3 ({confirmed}).",
        approved_at=approved.position,
        runs=world.fleet[STRANGER].version,
    )


async def import_a_latecomer(world: World) -> Seen:
    """Imported after the release, it is updated at its first handshake."""
    reply = await world.api.post(f"{world.product}/devices", {"id": LATECOMER})
    expect("the import", [LATECOMER], reply["updatedDeviceIds"])
    # Another device's answer shows that the import is known where handshakes are answered.
    await world.fleet.say_hello([world.cast.scout], at_least=reply["position"])
    await world.fleet.switch_on({LATECOMER}, world.product_id, 1)
    confirmed = await world.event("UpdateConfirmed", device_id=LATECOMER, version=3)
    handshakes = await world.log.events("DeviceHandshook", device_id=LATECOMER)
    first = handshakes[0].event
    told = {name: first["told"].get(name) for name in ("told", "version", "rule")}
    expect("its first handshake", {"told": "update", "version": 3, "rule": "default"}, told)
    expect("what it ran then", 1, first["running"])
    expect("what it runs", 3, world.fleet[LATECOMER].version)
    return seen(
        f"Latecomer {LATECOMER} is imported, comes online with 1, and takes 3 at its first"
        f" handshake ({confirmed}).",
        device=LATECOMER,
        runs=world.fleet[LATECOMER].version,
    )
