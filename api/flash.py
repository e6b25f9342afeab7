"""Sending a binary straight to a development device, past every release."""

from hashlib import sha256
from pathlib import PurePath

from api.binaries import keep_bytes, one_file, read_application
from api.call import Call
from api.problem import DeviceNotFound, SourcesSent
from api.routing import Files
from domain.binary_checks import PlatformWrong
from domain.device_commands import FlashBinary
from domain.names import PLATFORMS
from projections.fleet import ProductRow

# What clients send where they want it compiled first.
SOURCES = {".ino", ".pde", ".c", ".cc", ".cpp", ".cxx", ".h", ".hh", ".hpp", ".properties"}
ONLINE = "SELECT online FROM fleet.device WHERE product_id = %s AND device_id = %s"


async def flash(call: Call, product: ProductRow, device_id: str, files: Files) -> str:
    """Offer the binary to the device, which must be online and marked for development; says so."""
    if any(PurePath(file.name).suffix.lower() in SOURCES for file in files):
        raise SourcesSent(field="file")
    upload = await call.in_thread(read_application, one_file(files).rewind().read())
    content = upload.application
    if upload.binary.platform_id != product.platform_id:
        raise PlatformWrong(
            found=f"platform {upload.binary.platform_id}",
            wanted=f"platform {product.platform_id} ({PLATFORMS[product.platform_id]})",
        )
    async with call.snapshot() as snapshot:
        online = await snapshot.value(ONLINE, [product.product_id, device_id])
    if online is None:
        raise DeviceNotFound
    digest = sha256(content)
    command = FlashBinary(
        product_id=product.product_id,
        device_id=device_id,
        sha256=digest.hexdigest(),
        size_bytes=len(content),
        online=online,
        request=call.command,
    )
    await call.must_be_allowed(command)
    await keep_bytes(call, digest.digest(), content)
    await call.carry_out(command)
    return "Update started"
