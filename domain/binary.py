"""A firmware binary: what its bytes say of it, once its checksums show that they are whole."""

import hashlib
import struct
import zlib

from msgspec import Struct

from domain.binary_records import (
    PRODUCT_FIELDS,
    RECORD_HEADER,
    Asset,
    BinaryRefused,
    Dependency,
    ExtensionMalformed,
    Kind,
    Record,
    assets_in,
    dependencies_in,
    read_records,
)
from domain.names import FIRMWARE_BYTES_MAX

COMBINED = 0x04  # another module follows this one in the file
HEADER_RECORDS = 0x10  # extension records follow the header

# start, end, reserved, flags, ABI, platform, function, index, and twice function, index, version.
HEADER = struct.Struct("<IIBBHHBBBBHBBH")
# Applications begin with the header; other modules have the interrupt vectors of their chip first.
HEADER_OFFSETS = (0, 0x184, 0x200, 0xC0, 0x10C)

# Where the fixed fields begin, in bytes before the end of the file.
CRC_AT = 4
SUFFIX_SIZE_AT = 6
SHA256_AT = 38
RESERVED_AT = 40
PRODUCT_AT = 44
# The suffix is counted without the CRC behind it.
SUFFIX_BYTES_MIN = RESERVED_AT - CRC_AT
SUFFIX_BYTES_WITH_PRODUCT = PRODUCT_AT - CRC_AT
BINARY_BYTES_MIN = HEADER.size + RESERVED_AT


class BinaryTooShort(BinaryRefused):
    """The file has {size_bytes} bytes; the shortest firmware binary has {limit_bytes}."""


class BinaryTooLarge(BinaryRefused):
    """The file has {size_bytes} bytes; a firmware binary may have {limit_bytes}."""


class CrcWrong(BinaryRefused):
    """Invalid CRC: the binary says {found}, its bytes give {computed}. It was cut or altered."""


class Sha256Wrong(BinaryRefused):
    """Invalid SHA-256: the binary says {found}, its bytes give {computed}."""


class LengthWrong(BinaryRefused):
    """The binary says it fills {start} to {end}, which is {declared_bytes} bytes with its CRC, but
    the file has {size_bytes}."""


class SuffixSizeWrong(BinaryRefused):
    """The binary says its suffix has {suffix_bytes} bytes; it may have 36, or 40 and more, and
    there is room for {room_bytes}."""


class SeveralModules(BinaryRefused):
    """The file holds several modules in a row, the first of {first_bytes} bytes out of
    {size_bytes}. Take the application out of it."""


class Binary(Struct, frozen=True, kw_only=True):
    """What a whole module says: addresses and sizes in bytes, digests in lowercase hex."""

    size_bytes: int
    header_offset: int
    start_address: int
    end_address: int
    flags: int
    module_abi: int
    platform_id: int
    module_function: int
    module_index: int
    dependencies: tuple[Dependency, ...]
    suffix_bytes: int
    # None: the suffix has no place for it. 65535: it has, and nobody filled it in.
    product_id: int | None
    product_version: int | None
    crc32: str
    # Of the bytes before the digest itself: the hash by which a device names its application.
    sha256_app: str
    assets: tuple[Asset, ...]
    extensions: tuple[Record, ...]


def read_binary(content: bytes) -> Binary:
    """What the bytes of one module say.

    Raises a BinaryRefused, and nothing else, for bytes that are not exactly one whole module.
    """
    size_bytes = len(content)
    if size_bytes < BINARY_BYTES_MIN:
        raise BinaryTooShort(size_bytes=size_bytes, limit_bytes=BINARY_BYTES_MIN)
    if size_bytes > FIRMWARE_BYTES_MAX:
        raise BinaryTooLarge(size_bytes=size_bytes, limit_bytes=FIRMWARE_BYTES_MAX)
    _refuse_several_modules(content)
    crc32, sha256_app = _checked_crc32(content), _checked_sha256(content)
    offset = _header_offset(content)
    start, end, _, flags, abi, platform_id, function, index, *needs = HEADER.unpack_from(
        content, offset
    )
    header_end = offset + HEADER.size
    (suffix_bytes,) = struct.unpack_from("<H", content, size_bytes - SUFFIX_SIZE_AT)
    suffix_start = _suffix_start(suffix_bytes, header_end, size_bytes)
    in_header = _header_records(content, header_end, suffix_start) if flags & HEADER_RECORDS else ()
    in_suffix, has_product = _suffix_records(content, suffix_start, suffix_bytes)
    records = in_header + in_suffix
    product_id, product_version = struct.unpack_from("<HH", content, size_bytes - PRODUCT_AT)
    needed = (Dependency(*needs[:3]), Dependency(*needs[3:]))
    return Binary(
        size_bytes=size_bytes,
        header_offset=offset,
        start_address=start,
        end_address=end,
        flags=flags,
        module_abi=abi,
        platform_id=platform_id,
        module_function=function,
        module_index=index,
        dependencies=(*(need for need in needed if need.function), *dependencies_in(records)),
        suffix_bytes=suffix_bytes,
        product_id=product_id if has_product else None,
        product_version=product_version if has_product else None,
        crc32=crc32,
        sha256_app=sha256_app,
        assets=assets_in(records),
        extensions=records,
    )


def _refuse_several_modules(content: bytes) -> None:
    # The CRC at the end of such a file is right for its last module only, so this comes before it.
    first_bytes = _declared_bytes(content, 0)
    flags = content[9]
    if not flags & COMBINED or not BINARY_BYTES_MIN <= first_bytes < len(content):
        return
    first = memoryview(content)[:first_bytes]
    if zlib.crc32(first[:-CRC_AT]) == int.from_bytes(first[-CRC_AT:]):
        raise SeveralModules(first_bytes=first_bytes, size_bytes=len(content))


def _declared_bytes(content: bytes, offset: int) -> int:
    """The size that a header at this offset gives the whole module, its CRC included."""
    start, end = struct.unpack_from("<II", content, offset)
    return int(end - start + CRC_AT)


def _checked_crc32(content: bytes) -> str:
    found = content[-CRC_AT:].hex()
    computed = f"{zlib.crc32(memoryview(content)[:-CRC_AT]):08x}"
    if found != computed:
        raise CrcWrong(found=found, computed=computed)
    return found


def _checked_sha256(content: bytes) -> str:
    found = content[-SHA256_AT:-SUFFIX_SIZE_AT].hex()
    computed = hashlib.sha256(memoryview(content)[:-SHA256_AT]).hexdigest()
    if found != computed:
        raise Sha256Wrong(found=found, computed=computed)
    return found


def _header_offset(content: bytes) -> int:
    """Where the header stands: the place from which the declared length is the file's."""
    size_bytes = len(content)
    for offset in HEADER_OFFSETS:
        fits = offset + BINARY_BYTES_MIN <= size_bytes
        if fits and _declared_bytes(content, offset) == size_bytes:
            return offset
    start, end = struct.unpack_from("<II", content)
    raise LengthWrong(
        start=hex(start),
        end=hex(end),
        declared_bytes=_declared_bytes(content, 0),
        size_bytes=size_bytes,
    )


def _suffix_start(suffix_bytes: int, header_end: int, size_bytes: int) -> int:
    room_bytes = size_bytes - CRC_AT - header_end
    known = suffix_bytes == SUFFIX_BYTES_MIN or suffix_bytes >= SUFFIX_BYTES_WITH_PRODUCT
    if not known or suffix_bytes > room_bytes:
        raise SuffixSizeWrong(suffix_bytes=suffix_bytes, room_bytes=room_bytes)
    return size_bytes - CRC_AT - suffix_bytes


def _header_records(content: bytes, at: int, end: int) -> tuple[Record, ...]:
    records, stop = read_records(content, at, end)
    if not records or records[-1].kind != Kind.END:
        raise ExtensionMalformed(at=stop, reason="nothing ends the records of the header")
    return records


def _suffix_records(content: bytes, at: int, suffix_bytes: int) -> tuple[tuple[Record, ...], bool]:
    """The records of the suffix, and whether the product's id and version stand behind or in them.

    They are always the last four bytes of that area: bare, or the end of a product record.
    """
    end = len(content) - RESERVED_AT
    if suffix_bytes <= SUFFIX_BYTES_WITH_PRODUCT:
        return (), suffix_bytes == SUFFIX_BYTES_WITH_PRODUCT
    records, stop = read_records(content, at, end)
    for record in records:
        last = record.at + RECORD_HEADER.size + PRODUCT_FIELDS.size == end
        if record.kind == Kind.PRODUCT and not (
            last and len(record.content) == PRODUCT_FIELDS.size
        ):
            raise ExtensionMalformed(at=record.at, reason="product data must come last, in 6 bytes")
    bare_bytes = end - stop
    if bare_bytes not in (0, PRODUCT_AT - RESERVED_AT):
        raise ExtensionMalformed(at=stop, reason=f"{bare_bytes} bytes follow the last record")
    return records, bool(bare_bytes) or records[-1].kind == Kind.PRODUCT
