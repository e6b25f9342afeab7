"""Rows of products, groups and firmware, folded from the events of their streams."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from msgspec import Struct

from domain import firmware, group, product
from domain.facts import PRODUCT_FACTS_CHANGED_BY, ProductFacts, evolve_product
from domain.firmware import FirmwareReleased
from domain.group import GroupRemoved
from domain.model import Event
from domain.product import FAILED_ATTEMPTS_DEFAULT
from domain.product_ownership import (
    OwnershipTransferred,
    ProductDeclined,
    ProductOffered,
    ProductOfferWithdrawn,
)
from projections.fleet.rows import FirmwareRow, GroupRow, ProductRow


class Place(Struct, frozen=True):
    """Where an event stands in the log, and who it came from."""

    position: int
    recorded_at: datetime
    actor: str


GroupId = tuple[int, str]
FirmwareId = tuple[int, int]


class Catalogue:
    """The rows by their keys. Subclasses may find those that are not here yet elsewhere."""

    def __init__(self) -> None:
        self.products: dict[int, ProductRow] = {}
        self.groups: dict[GroupId, GroupRow] = {}
        self.firmware: dict[FirmwareId, FirmwareRow] = {}

    def product(self, product_id: int) -> ProductRow | None:
        return self.products.get(product_id)

    def group(self, product_id: int, key: str) -> GroupRow | None:
        return self.groups.get((product_id, key))

    def version(self, product_id: int, version: int) -> FirmwareRow | None:
        return self.firmware.get((product_id, version))


Fold = Callable[[Catalogue, Any, Place], None]


def apply(catalogue: Catalogue, event: Event, place: Place) -> None:
    """The rows after one more event about a product, one of its groups or its firmware."""
    FOLDS[type(event)](catalogue, event, place)
    if isinstance(event, PRODUCT_FACTS_CHANGED_BY):
        change_facts(catalogue, event, place)


def change_facts(catalogue: Catalogue, event: Any, place: Place) -> None:
    """What is released to whom comes from the domain's own fold, and from nowhere else."""
    row = catalogue.product(event.product_id)
    if row is None:
        return
    before = row.facts()
    after = evolve_product(before, event)
    assert after is not None
    if after == before and not isinstance(event, product.ProductCreated):
        return
    row.facts_position = place.position
    row.retired = after.retired
    row.auto_approves = after.auto_approves
    row.attempts_max = after.attempts_max
    row.default_version = after.default
    row.group_versions = dict(after.groups)
    if isinstance(event, FirmwareReleased | GroupRemoved):
        point_groups(catalogue, before, after)
        point_default(catalogue, before, after)


def point_groups(catalogue: Catalogue, before: ProductFacts, after: ProductFacts) -> None:
    for key in before.groups.keys() | after.groups.keys():
        version = after.groups.get(key)
        if before.groups.get(key) != version:
            row = catalogue.group(after.product_id, key)
            if row is not None:
                row.released_version = version


def point_default(catalogue: Catalogue, before: ProductFacts, after: ProductFacts) -> None:
    if before.default == after.default:
        return
    for version, is_default in ((before.default, False), (after.default, True)):
        if version is not None:
            row = catalogue.version(after.product_id, version)
            if row is not None:
                row.product_default = is_default


def create_product(rows: Catalogue, event: product.ProductCreated, place: Place) -> None:
    rows.products[event.product_id] = ProductRow(
        product_id=event.product_id,
        platform_id=event.platform_id,
        name=event.name,
        slug=event.slug,
        description=event.description,
        owner=event.owner,
        auto_approves=False,
        attempts_max=FAILED_ATTEMPTS_DEFAULT,
        retired=False,
        default_version=None,
        group_versions={},
        created_at=place.recorded_at,
        updated_at=place.recorded_at,
        facts_position=place.position,
        requires_activation_codes=False,
        device_event_days=None,
    )


def rename_product(rows: Catalogue, event: product.ProductRenamed, place: Place) -> None:
    if row := touch_product(rows, event, place):
        row.name = event.name


def describe_product(rows: Catalogue, event: product.ProductDescribed, place: Place) -> None:
    if row := touch_product(rows, event, place):
        row.description = event.description


def touch_product(rows: Catalogue, event: Any, place: Place) -> ProductRow | None:
    row = rows.product(event.product_id)
    if row is not None:
        row.updated_at = place.recorded_at
    return row


def transfer_product(rows: Catalogue, event: OwnershipTransferred, place: Place) -> None:
    if row := touch_product(rows, event, place):
        row.owner = event.owner


def leave_product(rows: Catalogue, event: Any, place: Place) -> None:
    """Who is offered a product is for the read model of access: the product is as it was."""


def change_policy(rows: Catalogue, event: Any, place: Place) -> None:
    touch_product(rows, event, place)  # the rest is facts


def require_codes(rows: Catalogue, event: product.ActivationCodesRequired, place: Place) -> None:
    if row := touch_product(rows, event, place):
        row.requires_activation_codes = True


def waive_codes(rows: Catalogue, event: product.ActivationCodesWaived, place: Place) -> None:
    if row := touch_product(rows, event, place):
        row.requires_activation_codes = False


def change_retention(rows: Catalogue, event: product.EventRetentionChanged, place: Place) -> None:
    if row := touch_product(rows, event, place):
        row.device_event_days = event.days


def create_group(rows: Catalogue, event: group.GroupCreated, place: Place) -> None:
    rows.groups[event.product_id, event.group] = GroupRow(
        product_id=event.product_id,
        key=event.group,
        name=event.name,
        color=event.color,
        description=event.description,
        removed=False,
        released_version=None,
        created_at=place.recorded_at,
        updated_at=place.recorded_at,
    )


def touch_group(rows: Catalogue, event: Any, place: Place) -> GroupRow | None:
    row = rows.group(event.product_id, event.group)
    if row is not None:
        row.updated_at = place.recorded_at
    return row


def rename_group(rows: Catalogue, event: group.GroupRenamed, place: Place) -> None:
    if row := touch_group(rows, event, place):
        row.name = event.name


def describe_group(rows: Catalogue, event: group.GroupDescribed, place: Place) -> None:
    if row := touch_group(rows, event, place):
        row.color = event.color
        row.description = event.description


def remove_group(rows: Catalogue, event: GroupRemoved, place: Place) -> None:
    if row := touch_group(rows, event, place):
        row.removed = True
        row.released_version = None


def upload(rows: Catalogue, event: firmware.FirmwareUploaded, place: Place) -> None:
    """A version that was deleted may be uploaded again: it starts anew."""
    rows.firmware[event.product_id, event.version] = FirmwareRow(
        product_id=event.product_id,
        version=event.version,
        sha256=event.sha256,
        size_bytes=event.size_bytes,
        title=event.title,
        description=event.description,
        mandatory=event.mandatory,
        file_name=event.file_name,
        uploaded_at=place.recorded_at,
        uploaded_by=place.actor,
        updated_at=place.recorded_at,
        proven_by=None,
        released_at=None,
        product_default=False,
        intelligent=False,
        deleted=False,
        facts_position=place.position,
    )


def touch_firmware(rows: Catalogue, event: Any, place: Place) -> FirmwareRow | None:
    row = rows.version(event.product_id, event.version)
    if row is not None:
        row.updated_at = place.recorded_at
    return row


def describe_firmware(rows: Catalogue, event: firmware.FirmwareDescribed, place: Place) -> None:
    if row := touch_firmware(rows, event, place):
        row.title = event.title
        row.description = event.description
        row.mandatory = event.mandatory


def prove(rows: Catalogue, event: firmware.FirmwareProven, place: Place) -> None:
    if row := touch_firmware(rows, event, place):
        row.proven_by = event.device_id


def release(rows: Catalogue, event: FirmwareReleased, place: Place) -> None:
    if row := touch_firmware(rows, event, place):
        row.released_at = place.recorded_at
        row.intelligent = event.intelligent


def delete(rows: Catalogue, event: firmware.FirmwareDeleted, place: Place) -> None:
    if row := touch_firmware(rows, event, place):
        row.deleted = True
        row.facts_position = place.position


FOLDS: dict[type[Event], Fold] = {
    product.ProductCreated: create_product,
    product.ProductRenamed: rename_product,
    product.ProductDescribed: describe_product,
    product.AutoApprovalAllowed: change_policy,
    product.AutoApprovalForbidden: change_policy,
    product.FailedAttemptsLimited: change_policy,
    product.ActivationCodesRequired: require_codes,
    product.ActivationCodesWaived: waive_codes,
    product.EventRetentionChanged: change_retention,
    product.ProductRetired: change_policy,
    ProductOffered: leave_product,
    ProductOfferWithdrawn: leave_product,
    ProductDeclined: leave_product,
    OwnershipTransferred: transfer_product,
    group.GroupCreated: create_group,
    group.GroupRenamed: rename_group,
    group.GroupDescribed: describe_group,
    group.GroupRemoved: remove_group,
    firmware.FirmwareUploaded: upload,
    firmware.FirmwareDescribed: describe_firmware,
    firmware.FirmwareProven: prove,
    firmware.FirmwareReleased: release,
    firmware.FirmwareDeleted: delete,
}
