"""Sending a binary straight to a device, past every release: to a development device of a product,
or to one's own in no product."""

from hashlib import sha256
from pathlib import PurePath

from msgspec import Struct

from api.call import Call
from api.fleet.binaries import keep_bytes, one_file, read_application
from api.problem import DeviceNotFound, SourcesSent
from api.routing import Files
from domain.binary_checks import PlatformWrong
from domain.device_commands import FlashBinary, FlashOwnBinary
from domain.device_refusals import DeviceOffline
from domain.names import PLATFORMS
from projections.fleet import ProductRow

# What clients send where they want it compiled first.
SOURCES = {".ino", ".pde", ".c", ".cc", ".cpp", ".cxx", ".h", ".hh", ".hpp", ".properties"}
ONLINE = "SELECT online FROM fleet.device WHERE product_id = %s AND device_id = %s"
OWN = "SELECT online, platform_id FROM fleet.device WHERE device_id = %s"
STARTED = "Update started"


class OwnDevice(Struct, frozen=True):
    online: bool
    platform_id: int | None


async def flash(call: Call, product: ProductRow, device_id: str, files: Files) -> str:
    """Offer the binary to the device, which must be online and marked for development; says so."""
    content = await application_in(call, files, product.platform_id)
    async with call.snapshot() as snapshot:
        online = await snapshot.value(ONLINE, [product.product_id, device_id])
    if online is None:
        raise DeviceNotFound
    command = FlashBinary(
        product_id=product.product_id,
        device_id=device_id,
        sha256=sha256(content).hexdigest(),
        size_bytes=len(content),
        online=online,
        request=call.command,
    )
    return await offered(call, command, content)


async def flash_own(call: Call, device_id: str, owner: str, files: Files) -> str:
    """Offer the binary to a device in no product, which must be online; says so."""
    async with call.snapshot() as snapshot:
        device = await snapshot.one(OwnDevice, OWN, [device_id])
    if device is None or device.platform_id is None:
        raise DeviceOffline  # it has never said hello
    content = await application_in(call, files, device.platform_id)
    command = FlashOwnBinary(
        device_id=device_id,
        owner=owner,
        sha256=sha256(content).hexdigest(),
        size_bytes=len(content),
        online=device.online,
        request=call.command,
    )
    return await offered(call, command, content)


async def application_in(call: Call, files: Files, platform_id: int) -> bytes:
    """The application among the files. Raises PlatformWrong, or what is wrong with the file."""
    if any(PurePath(file.name).suffix.lower() in SOURCES for file in files):
        raise SourcesSent(field="file")
    upload = await call.in_thread(read_application, one_file(files).rewind().read())
    if upload.binary.platform_id != platform_id:
        raise PlatformWrong(
            found=f"platform {upload.binary.platform_id}",
            wanted=f"platform {platform_id} ({PLATFORMS.get(platform_id, 'unknown')})",
        )
    return upload.application


async def offered(call: Call, command: FlashBinary | FlashOwnBinary, content: bytes) -> str:
    """The bytes are there before the device is told of them, and only if it will be."""
    await call.must_be_allowed(command)
    await keep_bytes(call, sha256(content).digest(), content)
    await call.carry_out(command)
    return STARTED
