"""Firmware of a product: uploaded and checked, listed with where it runs, deleted, served."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from anyio import CapacityLimiter
from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import asdict, replace
from starlette.responses import Response

from api.actors import names_of
from api.call import Call
from api.database import Rows, Snapshot
from api.fleet.binaries import keep_bytes, one_file, read_application, serve_bytes
from api.fleet.past import AsOfWanted, catalogue_at, position_of
from api.fleet.products import product_in, product_named
from api.problem import FieldInvalid, NothingToChange
from api.routing import Files
from api.views import stamp, stamp_or_none
from domain.binary_checks import check_binary
from domain.bundle import Upload
from domain.device_events import FirmwareLocked
from domain.firmware import (
    DeleteFirmware,
    DescribeFirmware,
    FirmwareDeleted,
    FirmwareUnknown,
    FirmwareUploaded,
    UploadFirmware,
)
from domain.model import Command
from domain.names import VERSION_MAX, Description, Name, Version
from projections.fleet import FirmwareRow, ProductRow

VERSIONS_LISTED_MAX = 1_000

COLUMNS = """
    SELECT f.product_id, f.version, f.sha256, f.size_bytes, f.title, f.description, f.mandatory,
           f.file_name, f.uploaded_at, f.uploaded_by, f.updated_at, f.proven_by, f.released_at,
           f.product_default, f.intelligent, f.deleted, f.facts_position
"""
COUNTED = f"""{COLUMNS},
    ARRAY (SELECT g.name FROM fleet.device_group g
           WHERE g.product_id = f.product_id AND NOT g.removed AND g.released_version = f.version
           ORDER BY g.name) AS groups,
    (SELECT coalesce(sum(t.devices), 0)::bigint FROM fleet.tally t
     WHERE t.product_id = f.product_id AND t.running = f.version) AS device_count
    FROM fleet.firmware f WHERE f.product_id = %s AND NOT f.deleted
"""
ALL = COUNTED + f" ORDER BY f.version DESC LIMIT {VERSIONS_LISTED_MAX}"
ONE = COUNTED + " AND f.version = %s"
HIGHEST = """
    SELECT coalesce(max(version), 0) FROM fleet.firmware WHERE product_id = %s AND NOT deleted
"""
LOCKED = """
    SELECT coalesce(sum(t.devices), 0)::bigint
    FROM fleet.tally t JOIN fleet.cohort c USING (cohort_id)
    WHERE c.product_id = %s AND t.product_id = c.product_id AND c.locked_version = %s
"""


class CountedFirmware(FirmwareRow):
    """A row with the names of the groups that it is released to, and how many devices run it."""

    groups: list[str]
    device_count: int | None


class FirmwareObject(Struct, frozen=True, rename={"id": "_id"}):
    """The Particle API's firmware. `device_count` is how many devices run it now."""

    id: str
    product_id: int
    version: int
    title: str
    description: str
    name: str
    size: int
    sha256: str
    product_default: bool
    current: bool
    groups: list[str]
    mandatory: bool
    intelligent: bool
    proven_by: str | None
    released_at: str | None
    uploaded_on: str
    uploaded_at: str
    uploaded_by: dict[str, Any]
    updated_at: str
    device_count: int | None


class NewFirmware(Struct, frozen=True):
    """Beside the file itself, which comes as the part `file`."""

    version: Version
    title: Name
    description: Description = ""
    mandatory: bool = False


class FirmwareChange(Struct, frozen=True):
    title: Name | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    mandatory: bool | UnsetType = UNSET


async def list_firmware(call: Call) -> list[FirmwareObject]:
    """Every version of the product, the newest first, each with how many devices run it."""
    async with call.snapshot() as snapshot:
        product = await product_in(call, snapshot)
        found = await snapshot.all(CountedFirmware, ALL, [product.product_id])
        named = await names_of(snapshot, (row.uploaded_by for row in found))
    return [shown_firmware(firmware, named) for firmware in found]


async def get_firmware(call: Call, query: AsOfWanted) -> FirmwareObject:
    """A version of the product's firmware, now or as of a time or position."""
    product, version = await product_named(call), version_in(call)
    if query.as_of:
        position = await position_of(call, query.as_of)
        return await firmware_then(call, product.product_id, version, position)
    return await firmware_now(call, product.product_id, version)


async def upload_firmware(call: Call, body: NewFirmware, files: Files) -> FirmwareObject:
    """Upload a version. What its bytes say must be what the product is and what is typed."""
    product = await product_named(call)
    file = one_file(files)
    async with uploads_of(call):
        upload = await call.in_thread(checked, file.rewind().read(), product, body)
        content = upload.application
        digest = sha256(content)
        wanted = UploadFirmware(
            product_id=product.product_id,
            version=body.version,
            sha256=digest.hexdigest(),
            size_bytes=len(content),
            title=body.title,
            description=body.description,
            mandatory=body.mandatory,
            file_name=file_name_of(file.name),
        )

        async def look(snapshot: Snapshot) -> Sequence[Command]:
            highest = await snapshot.value(HIGHEST, [product.product_id])
            return [with_highest(wanted, highest)]

        async with call.cloud.database.reading() as rows:
            highest = await rows.value(HIGHEST, [product.product_id])
        # Bytes that no event will speak of are not kept.
        await call.must_be_allowed(with_highest(wanted, highest))
        await keep_bytes(call, digest.digest(), content)
    await call.decide(product.product_id, (FirmwareUploaded, FirmwareDeleted), look)
    return await firmware_as_written(call, product.product_id, body.version)


def uploads_of(call: Call) -> CapacityLimiter:
    """Each upload holds all its bytes: only so many are looked at in one moment."""
    return call.cloud.long_writers


def checked(content: bytes, product: ProductRow, wanted: NewFirmware) -> Upload:
    """What was uploaded, if it is this version of this product. Raises a BinaryRefused."""
    upload = read_application(content)
    check_binary(
        upload.binary,
        product_id=product.product_id,
        platform_id=product.platform_id,
        version=wanted.version,
    )
    return upload


def with_highest(wanted: UploadFirmware, highest: int) -> UploadFirmware:
    return replace(wanted, highest_version=highest)


def file_name_of(given: str) -> str:
    """The last part of a path; clients send whole ones."""
    name = given.replace("\\", "/").rpartition("/")[2]
    if "\0" in name:
        raise FieldInvalid(field="file", reason="its name must not hold the character NUL")
    return name or "firmware.bin"


async def change_firmware(call: Call, body: FirmwareChange) -> FirmwareObject:
    """Change a version's title, description or mandatory mark; never its bytes."""
    product, version = await product_named(call), version_in(call)
    if body.title is UNSET and body.description is UNSET and body.mandatory is UNSET:
        raise NothingToChange(fields="title, description, mandatory")
    command = DescribeFirmware(
        product_id=product.product_id,
        version=version,
        title=None if body.title is UNSET else body.title,
        description=None if body.description is UNSET else body.description,
        mandatory=None if body.mandatory is UNSET else body.mandatory,
    )
    await call.carry_out(command)
    return await firmware_as_written(call, product.product_id, version)


async def delete_firmware(call: Call) -> None:
    """Delete a version that was never released and that no device is locked to."""
    product, version = await product_named(call), version_in(call)
    product_id = product.product_id

    async def look(snapshot: Snapshot) -> Sequence[Command]:
        devices = await snapshot.value(LOCKED, [product_id, version])
        return [DeleteFirmware(product_id=product_id, version=version, devices_locked=devices)]

    await call.decide(product_id, (FirmwareLocked,), look)


async def download_firmware(call: Call) -> Response:
    """The bytes as they were uploaded. Ranges are served."""
    version = version_in(call)
    async with call.snapshot() as snapshot:
        product = await product_in(call, snapshot)
        found = await firmware_in(snapshot, product.product_id, version)
    return serve_bytes(call, found.sha256, found.size_bytes, found.file_name)


def version_in(call: Call) -> int:
    """The version that the path names. Raises FirmwareUnknown for what can be none."""
    version = call.number("version")
    if not 1 <= version <= VERSION_MAX:
        raise FirmwareUnknown(version=version)
    return version


async def firmware_in(rows: Rows, product_id: int, version: int) -> CountedFirmware:
    """Raises FirmwareUnknown."""
    found = await rows.one(CountedFirmware, ONE, [product_id, version])
    if found is None:
        raise FirmwareUnknown(version=version)
    return found


async def firmware_now(call: Call, product_id: int, version: int) -> FirmwareObject:
    async with call.snapshot() as snapshot:
        row = await firmware_in(snapshot, product_id, version)
        return shown_firmware(row, await names_of(snapshot, [row.uploaded_by]))


async def firmware_then(call: Call, product_id: int, version: int, position: int) -> FirmwareObject:
    catalogue = await catalogue_at(call, product_id, position)
    row = catalogue.version(product_id, version)
    if row is None or row.deleted:
        raise FirmwareUnknown(version=version)
    groups = sorted(
        group.name
        for group in catalogue.groups.values()
        if group.released_version == version and not group.removed
    )
    async with call.cloud.database.reading() as rows:
        named = await names_of(rows, [row.uploaded_by])
    return shown_firmware(CountedFirmware(**asdict(row), groups=groups, device_count=None), named)


async def firmware_as_written(call: Call, product_id: int, version: int) -> FirmwareObject:
    """The version after the caller's own write, even if the read model is not there yet."""
    await call.settle()
    if "fleet" in call.behind:
        return await firmware_then(call, product_id, version, call.position or 0)
    return await firmware_now(call, product_id, version)


def shown_firmware(row: CountedFirmware, named: Mapping[str, str]) -> FirmwareObject:
    # Upstream every record has an id of 24 hex digits; ours is made of what makes it the one it is.
    record = sha256(f"{row.product_id} {row.version} {row.sha256}".encode()).hexdigest()[:24]
    return FirmwareObject(
        id=record,
        product_id=row.product_id,
        version=row.version,
        title=row.title,
        description=row.description,
        name=row.file_name,
        size=row.size_bytes,
        sha256=row.sha256,
        product_default=row.product_default,
        current=row.product_default,
        groups=row.groups,
        mandatory=row.mandatory,
        intelligent=row.intelligent,
        proven_by=row.proven_by,
        released_at=stamp_or_none(row.released_at),
        uploaded_on=stamp(row.uploaded_at),
        uploaded_at=stamp(row.uploaded_at),
        uploaded_by={"username": named.get(row.uploaded_by, row.uploaded_by)},
        updated_at=stamp(row.updated_at),
        device_count=row.device_count,
    )
