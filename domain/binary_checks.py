"""Whether a firmware binary is the one that a product's new version asks for."""

from typing import ClassVar

from domain.binary import HEADER_RECORDS, Binary
from domain.binary_records import BinaryRefused
from domain.names import PLATFORMS

APPLICATION = 5
FUNCTIONS = {
    0: "no module",
    1: "a resource",
    2: "a bootloader",
    3: "monolithic firmware",
    4: "a system part",
    APPLICATION: "an application",
    6: "settings",
    7: "network processor firmware",
    8: "a radio stack",
    9: "an asset",
}
PRODUCT_UNSET = 65535

COMPRESSED = 0x02
ENCRYPTED = 0x08
FLAGS_TAKEN = HEADER_RECORDS


class NotAnApplication(BinaryRefused):
    """The binary is {found} (module function {function}); a product takes an application (5)."""


class BinaryEncrypted(BinaryRefused):
    """The binary is encrypted, so what it is for cannot be checked. Upload it unencrypted."""


class BinaryCompressed(BinaryRefused):
    """The binary is compressed: a device would unpack it, and then report a hash that this file
    does not have. Upload it uncompressed."""


class FlagsUnknown(BinaryRefused):
    """The binary has the flags {found}, which no application has (known: {known})."""


class PlatformWrong(BinaryRefused):
    """Wrong platform: the binary is for {found}, the product's devices are {wanted}."""


class ProductMissing(BinaryRefused):
    """The binary names no product and no version; the product is {product_id}, the version asked
    for is {version}. Build it with PRODUCT_ID({product_id}) (Device OS before 4.0) and
    PRODUCT_VERSION({version})."""


class ProductWrong(BinaryRefused):
    """Wrong product id: the binary says {found}, the product is {product_id} (since Device OS 4.0
    its platform id {platform_id} may stand there)."""


class VersionWrong(BinaryRefused):
    """Version mismatch: the binary says {found}, the upload says {version}."""

    field: ClassVar[str] = "version"


def check_binary(binary: Binary, *, product_id: int, platform_id: int, version: int) -> None:
    """Refuses a binary that is not this version of this product. Raises a BinaryRefused."""
    _check_kind(binary)
    if binary.platform_id != platform_id:
        raise PlatformWrong(found=_platform(binary.platform_id), wanted=_platform(platform_id))
    named = (binary.product_id, binary.product_version)
    if named in ((None, None), (PRODUCT_UNSET, PRODUCT_UNSET)):
        raise ProductMissing(product_id=product_id, version=version)
    # Since Device OS 4.0 an application is built for a platform, and carries its id instead.
    if binary.product_id not in (product_id, platform_id):
        raise ProductWrong(found=binary.product_id, product_id=product_id, platform_id=platform_id)
    if binary.product_version != version:
        raise VersionWrong(found=binary.product_version, version=version)


def _check_kind(binary: Binary) -> None:
    function, flags = binary.module_function, binary.flags
    if function != APPLICATION or binary.header_offset:
        found = FUNCTIONS.get(function, "of no known kind")
        raise NotAnApplication(found=found, function=function)
    if flags & ENCRYPTED:
        raise BinaryEncrypted
    if flags & COMPRESSED:
        raise BinaryCompressed
    if flags & ~FLAGS_TAKEN:
        raise FlagsUnknown(found=hex(flags & ~FLAGS_TAKEN), known=hex(FLAGS_TAKEN))


def _platform(platform_id: int) -> str:
    return f"platform {platform_id} ({PLATFORMS.get(platform_id, 'unknown')})"
