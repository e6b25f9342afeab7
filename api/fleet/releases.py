"""Releasing a version: to the product, to groups, or to nobody any more."""

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta, Struct

from api.call import Call
from api.database import Snapshot
from api.fleet.firmware import FirmwareObject, firmware_as_written
from api.fleet.groups import groups_of
from api.fleet.impact import CHANGES_IMPACT, POSITION_MAX, keys_named, must_not_have_moved
from api.fleet.products import BY_ID, product_named
from api.problem import PermissionDenied
from domain.firmware import FirmwareDeleted, FirmwareReleased, ReleaseFirmware
from domain.group import GroupCreated, GroupRemoved, GroupRenamed
from domain.model import Command, Event
from domain.names import GROUPS_PER_PRODUCT_MAX, GroupName, Version
from projections.fleet import ProductRow

# What a release speaks of: groups by name, and what they point to now.
WATCHED: tuple[type[Event], ...] = (GroupCreated, GroupRenamed, GroupRemoved, FirmwareReleased)


class Release(Struct, frozen=True):
    """From here on exactly these groups, and the default if so said, point to the version.

    With `as_previewed`, the position that a preview named, the release is made only if it would
    still do what the preview said.
    """

    version: Version
    product_default: bool = False
    groups: Annotated[list[GroupName], Meta(max_length=GROUPS_PER_PRODUCT_MAX)] = []
    intelligent: bool = False
    as_previewed: Annotated[int, Meta(ge=0, le=POSITION_MAX)] | None = None


async def release_firmware(call: Call, body: Release) -> FirmwareObject:
    """Make a version the target of the product's default, of groups, or of nobody."""
    product = await product_named(call)
    product_id = product.product_id
    made_before = await call.was_carried_out(f"firmware-{product_id}-{body.version}")

    async def look(snapshot: Snapshot) -> Sequence[Command]:
        if body.as_previewed is not None and not made_before:
            await must_not_have_moved(snapshot, product_id, body.as_previewed)
        return [await release_of(snapshot, product_id, body)]

    watched: set[type[Event]] = {*WATCHED, FirmwareDeleted}
    if body.as_previewed is not None:
        watched |= set(CHANGES_IMPACT)
    await call.decide(product_id, tuple(watched), look)
    return await firmware_as_written(call, product_id, body.version)


async def release_of(snapshot: Snapshot, product_id: int, wanted: Release) -> ReleaseFirmware:
    """The command, with everything that it needs to know of the product now."""
    product = await snapshot.one(ProductRow, BY_ID, [product_id])
    if product is None:
        raise PermissionDenied
    groups = await groups_of(snapshot, product_id)
    keys, unknown = keys_named(wanted.groups, groups, strict=False)
    pointing = tuple(
        sorted(key for key, version in product.group_versions.items() if version == wanted.version)
    )
    return ReleaseFirmware(
        product_id=product_id,
        version=wanted.version,
        product_default=wanted.product_default,
        groups=keys,
        intelligent=wanted.intelligent,
        groups_unknown=unknown,
        held_default=product.default_version == wanted.version,
        held_groups=pointing,
    )
