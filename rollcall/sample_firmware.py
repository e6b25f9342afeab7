"""Valid firmware binaries that do nothing: for the demo, the simulated fleet and the tests."""

import hashlib
import struct
import zlib

APPLICATION = 5
SYSTEM_PART = 4
MODULE_ABI = 6
DEVICE_OS = 6305  # the lowest version it asks for, in the vendor's internal numbering
START_ADDRESS = 0xB4000
SIZE_BYTES_DEFAULT = 4096
SIZE_BYTES_MAX = 16 * 1024 * 1024
# start, end, reserved, flags, ABI, platform, function, index, and twice function, index, version.
HEADER = struct.Struct("<IIBBHHBBBBHBBH")
PRODUCT = struct.Struct("<HH")  # product id, version
PRODUCT_RECORD = struct.Struct("<HHHHH")  # type 1, length 10, filler, product id, version
RESERVED = b"\0\0"
SUFFIX_BYTES_FIXED = 36  # reserved, digest, the suffix's size
CRC_BYTES = 4


def build(
    product_id: int,
    version: int,
    platform_id: int,
    size_bytes: int = SIZE_BYTES_DEFAULT,
    *,
    extension: bool = False,
    seed: int = 0,
) -> bytes:
    """An application binary of exactly `size_bytes`, the same bytes for the same arguments.

    `extension` puts product id and version into an extension record, as newer platforms do. `seed`
    chooses the body. Builds of Device OS 4 and later carry the platform's id as product id.

    Raises ValueError when the numbers do not fit the format.
    """
    if not all(0 <= number <= 0xFFFF for number in (product_id, version, platform_id)):
        raise ValueError("product id, version and platform id have 16 bits")
    if extension:
        product = PRODUCT_RECORD.pack(1, PRODUCT_RECORD.size, 0xFFFF, product_id, version)
    else:
        product = PRODUCT.pack(product_id, version)
    suffix_bytes = len(product) + SUFFIX_BYTES_FIXED
    body_bytes = size_bytes - HEADER.size - suffix_bytes - CRC_BYTES
    if body_bytes < 0 or size_bytes > SIZE_BYTES_MAX:
        shortest = size_bytes - body_bytes
        raise ValueError(f"size_bytes is {size_bytes}, must be {shortest} to {SIZE_BYTES_MAX}")
    end_address = START_ADDRESS + size_bytes - CRC_BYTES
    needs = (SYSTEM_PART, 1, DEVICE_OS, 0, 0, 0)
    header = HEADER.pack(
        START_ADDRESS, end_address, 0, 0, MODULE_ABI, platform_id, APPLICATION, 1, *needs
    )
    body = hashlib.shake_128(seed.to_bytes(16, signed=True)).digest(body_bytes)
    return seal(header + body + product + RESERVED, suffix_bytes)


def seal(hashed: bytes, suffix_bytes: int) -> bytes:
    """All of a binary up to its digest, with the digest, the suffix's size and the CRC behind."""
    sealed = hashed + hashlib.sha256(hashed).digest() + suffix_bytes.to_bytes(2, "little")
    return sealed + zlib.crc32(sealed).to_bytes(CRC_BYTES)
