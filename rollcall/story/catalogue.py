"""First there is a product, its devices on a list, and firmware that nobody has tried."""

from rollcall.sample_firmware import build
from rollcall.story.telling import Seen, expect, seen
from rollcall.story.world import NEIGHBOUR, PLATFORM, World

BINARY_BYTES = 40_000  # more than a chunk, so that devices have to put it together


async def create_product(world: World) -> Seen:
    """A product for one type of device. Its number is compiled into its firmware."""
    created = await world.api.post(
        "/v1/products", {"product": {"name": "Lantern", "platform_id": PLATFORM}}
    )
    world.product_id = created["product"]["id"]
    found = (await world.api.get(world.product))["product"]
    expect("the product's platform", PLATFORM, found["platform_id"])
    entry = await world.event("ProductCreated", product_id=world.product_id)
    return seen(
        f"Product {found['id']} “{found['name']}” is created for platform {found['platform_id']}"
        f" ({entry}).",
        product_id=found["id"],
        platform_id=found["platform_id"],
    )


async def import_devices(world: World) -> Seen:
    """A text file, one id a line. Each line ends in one bucket; a bad one stops no other."""
    await sell_a_device_to_a_neighbour(world)
    bad = ["not-a-device-id", "e00fce68deadbeef", NEIGHBOUR]
    everybody = world.cast.everybody
    middle = len(everybody) // 2
    lines = [*everybody[:middle], *bad, *everybody[middle:]]
    file = "\r\n".join(lines).encode()
    reply = await world.api.upload(f"{world.product}/devices", file, "devices.txt")

    expect("the devices imported", set(everybody), set(reply["updatedDeviceIds"]))
    expect("the lines refused", set(bad), set(reply["invalidDeviceIds"]))
    expect("the devices there before", [], reply["existingDeviceIds"])
    reasons = reply["invalidReasons"]
    where = [(middle + place, line) for place, line in enumerate(bad, start=1)]
    expect("where they stood", where, [(one["line"], one["id"]) for one in reasons])
    imported = await world.log.events("DeviceImported", product_id=world.product_id)
    expect("the devices the log has", set(everybody), {one.event["device_id"] for one in imported})
    return seen(
        f"{len(lines):,} lines are imported: {reply['updated']:,} devices are new, {len(bad)} lines"
        " are invalid.",
        lines=[f"line {one['line']:,}, {one['id']}: {one['reason']}" for one in reasons],
        imported=reply["updated"],
        invalid=reasons,
    )


async def sell_a_device_to_a_neighbour(world: World) -> None:
    neighbour = await world.api.post(
        "/v1/products", {"product": {"name": "Neighbour", "platform_id": PLATFORM}}
    )
    path = f"/v1/products/{neighbour['product']['id']}/devices"
    reply = await world.api.post(path, {"id": NEIGHBOUR})
    expect("the neighbour's device", [NEIGHBOUR], reply["updatedDeviceIds"])


async def upload_two_versions(world: World) -> Seen:
    """Uploads are read: what the bytes say must be what is typed."""
    for version in (1, 2):
        await upload(world, version)
    listed = await world.api.get(f"{world.product}/firmware")
    expect("the versions listed", [2, 1], [one["version"] for one in listed])
    return seen(
        f"Versions 1 and 2 are uploaded, {BINARY_BYTES:,} bytes each.",
        lines=[f"version {one['version']}: SHA-256 {one['sha256'][:16]}…" for one in listed],
        sha256={str(one["version"]): one["sha256"] for one in listed},
    )


async def upload(world: World, version: int) -> None:
    """Build a version and upload it; the bytes must be served again as they were."""
    binary = build(world.product_id, version, PLATFORM, BINARY_BYTES, seed=version)
    world.binaries[version] = binary
    path = f"{world.product}/firmware"
    await world.api.upload(
        path, binary, f"lantern-{version}.bin", version=str(version), title=f"Lantern {version}"
    )
    expect(f"the bytes of version {version}", binary, await world.api.download(f"{path}/{version}"))


async def refuse_a_wrong_version(world: World) -> Seen:
    """A binary that says 7 is not taken for a 3."""
    binary = build(world.product_id, 7, PLATFORM, BINARY_BYTES)
    refusal = await world.api.refused(
        "POST",
        f"{world.product}/firmware",
        files={"file": ("lantern-3.bin", binary)},
        data={"version": "3", "title": "Lantern 3"},
    )
    sentence = refusal["error_description"]
    expect("the status", 400, refusal["status"])
    expect("both versions named", (True, True), ("7" in sentence, "3" in sentence))
    uploaded = await world.log.events("FirmwareUploaded", product_id=world.product_id)
    expect("the versions in the log", [1, 2], [one.event["version"] for one in uploaded])
    return seen(
        "A binary of version 7, uploaded as version 3, is refused.",
        lines=[f"“{sentence}”"],
        refusal=sentence,
    )


async def refuse_an_unproven_release(world: World) -> Seen:
    """The safeguard: what never ran on a device is released to nobody."""
    refusal = await world.api.refused(
        "PUT",
        f"{world.product}/firmware/release",
        json={"version": 2, "product_default": True},
    )
    expect("the refusal", "firmware_unproven", refusal["error"])
    expect("releases in the log", [], await world.log.events("FirmwareReleased"))
    return seen(
        "Version 2 ran nowhere yet, so its release is refused.",
        lines=[f"“{refusal['error_description']}”"],
        refusal=refusal["error_description"],
    )
