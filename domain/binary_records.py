"""The extension records of a firmware binary: type, length, content, in its header or suffix."""

import struct
from collections.abc import Iterable
from enum import IntEnum
from typing import ClassVar

from msgspec import Struct

from domain.model import Refused

RECORDS_MAX = 256  # in one header or suffix
ASSET_NAME_BYTES_MAX = 255
SHA256_BYTES = 32

RECORD_HEADER = struct.Struct("<HH")  # type, length including these four bytes
PRODUCT_FIELDS = struct.Struct("<HHH")  # filler, product id, product version
DEPENDENCY_FIELDS = struct.Struct("<BBH")  # function, index, lowest version


class Kind(IntEnum):
    """The types of record that this cloud reads; others are kept as they are."""

    END = 0x0000
    PRODUCT = 0x0001
    DEPENDENCY = 0x0003
    ASSET = 0x0012


class BinaryRefused(Refused):
    """The binary cannot be taken."""

    field: ClassVar[str] = "file"


class ExtensionMalformed(BinaryRefused):
    """The binary's extension record at byte {at} is malformed: {reason}."""


class Record(Struct, frozen=True):
    """One extension: its type, its content without the four bytes of header, and where it began."""

    kind: int
    content: bytes
    at: int


class Dependency(Struct, frozen=True):
    """Another module that must be on the device, in this version or a higher one."""

    function: int
    index: int
    version: int


class Asset(Struct, frozen=True):
    """A file that must be on the device beside the application; the digest in lowercase hex."""

    name: str
    sha256: str


def read_records(content: bytes, at: int, end: int) -> tuple[tuple[Record, ...], int]:
    """The records from byte `at` to an END record or byte `end`; and where the last one stops.

    Raises ExtensionMalformed when they do not fit in there exactly.
    """
    records: list[Record] = []
    while at < end:
        if len(records) == RECORDS_MAX:
            raise ExtensionMalformed(at=at, reason=f"there are more than {RECORDS_MAX} records")
        if end - at < RECORD_HEADER.size:
            raise ExtensionMalformed(at=at, reason=f"only {end - at} bytes are left for it")
        kind, length = RECORD_HEADER.unpack_from(content, at)
        if not RECORD_HEADER.size <= length <= end - at:
            raise ExtensionMalformed(
                at=at, reason=f"it says it has {length} bytes, out of {end - at} that are left"
            )
        records.append(Record(kind, content[at + RECORD_HEADER.size : at + length], at))
        at += length
        if kind == Kind.END:
            break
    return tuple(records), at


def dependencies_in(records: Iterable[Record]) -> tuple[Dependency, ...]:
    """The modules that the records ask for. Raises ExtensionMalformed."""
    found = []
    for record in records:
        if record.kind == Kind.DEPENDENCY:
            if len(record.content) < DEPENDENCY_FIELDS.size:
                raise ExtensionMalformed(at=record.at, reason="it is too short for a dependency")
            found.append(Dependency(*DEPENDENCY_FIELDS.unpack_from(record.content)))
    return tuple(found)


def assets_in(records: Iterable[Record]) -> tuple[Asset, ...]:
    """The files that the records ask for. Raises ExtensionMalformed, also for a name said twice."""
    found: dict[str, Asset] = {}
    for record in records:
        if record.kind == Kind.ASSET:
            asset = _asset(record)
            if asset.name in found:
                raise ExtensionMalformed(at=record.at, reason=f"a second asset {asset.name!r}")
            found[asset.name] = asset
    return tuple(found.values())


def _asset(record: Record) -> Asset:
    """Hash type (0, SHA-256), hash length, hash, and the file's name to the end of the record."""
    hash_type_and_length, rest = record.content[:2], record.content[2:]
    if hash_type_and_length != bytes((0, SHA256_BYTES)):
        raise ExtensionMalformed(at=record.at, reason="its asset is not named by a SHA-256 digest")
    digest, name = rest[:SHA256_BYTES], rest[SHA256_BYTES:]
    if not 0 < len(name) <= ASSET_NAME_BYTES_MAX:
        raise ExtensionMalformed(
            at=record.at,
            reason=f"the name of its asset has {len(name)} bytes, not 1 to {ASSET_NAME_BYTES_MAX}",
        )
    try:
        return Asset(name.decode(), digest.hex())
    except UnicodeDecodeError:
        raise ExtensionMalformed(
            at=record.at, reason="the name of its asset is not UTF-8"
        ) from None
