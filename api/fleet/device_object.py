"""The Particle API's device, from the row of the read model or from one folded as of the past."""

from collections.abc import Mapping
from typing import NamedTuple

from msgspec import Struct

from api.fleet.device_rows import ShownRow
from api.views import stamp_or_none
from domain.device_events import Standing
from domain.targeting import NO_TARGET, Cohort, Releases, Target, target_of
from projections.fleet import DeviceRow, ProductRow
from projections.fleet.overview import reason_of_device

# Device types with a modem. Source: the vendor's table of platforms.
CELLULAR_PLATFORMS = frozenset({10, 13, 23, 24, 25, 26, 28, 35, 37, 38, 42})


class FirmwareTarget(Struct, frozen=True, gc=False):
    """The version that the device should run, and the rule that chose it."""

    version: int | None
    rule: str
    group: str | None


class FirmwareUpdate(Struct, frozen=True, gc=False):
    """The update that the device was last seen to try."""

    state: str
    version: int | None
    attempt: int | None
    reason: str | None
    at: str | None


class DeviceProtection(Struct, frozen=True):
    status: str


UNPROTECTED = DeviceProtection("disabled")


class DeviceObject(Struct, frozen=True, gc=False):
    """`targeted_firmware_release_version` is what releases alone say, `firmware_target` all.

    `firmware_reason` says where the device stands to its target, as the overview counts it. The
    type, and with it the product, of a device in none is null until it has said what it is.
    """

    id: str
    name: str | None
    product_id: int | None
    platform_id: int | None
    notes: str | None
    groups: list[str]
    development: bool
    quarantined: bool
    denied: bool
    online: bool
    connected: bool
    last_heard: str | None
    last_handshake_at: str | None
    last_ip_address: str | None
    firmware_product_id: int | None
    firmware_version: int | None
    desired_firmware_version: int | None
    targeted_firmware_release_version: int | None
    firmware_updates_enabled: bool
    firmware_updates_forced: bool
    firmware_target: FirmwareTarget
    firmware_reason: str | None
    firmware_update: FirmwareUpdate | None
    stuck_firmware_version: int | None
    told: str | None
    handshake_position: int | None
    system_firmware_version: str | None
    current_build_target: str | None
    default_build_target: str | None
    app_hash: str | None
    reset_reason: str | None
    cellular: bool
    functions: list[str]
    variables: dict[str, str]
    subscriptions: list[str]
    owner: str | None
    serial_number: str | None
    imei: str | None
    iccid: str | None
    last_iccid: str | None
    imported_at: str | None
    billed_since: str | None
    # what Rollcall has nothing to say of, or always the same
    pinned_build_target: None = None
    status: str = "normal"
    mac_wifi: None = None
    mobile_secret: None = None
    last_app: None = None
    device_protection: DeviceProtection = UNPROTECTED


class OfCohort(NamedTuple):
    """What is shown alike of all devices of a cohort."""

    quarantined: bool
    denied: bool
    groups: list[str]
    target: Target
    shown_target: FirmwareTarget
    release_target: int | None


# By the cohort's id, those of one page that were worked out already.
Known = dict[int | None, OfCohort]


def shown_device(
    row: ShownRow,
    product: ProductRow | None,
    names: Mapping[str, str],
    releases: Releases,
    known: Known | None = None,
) -> DeviceObject:
    """`names` are those of the product's groups, by key; of no product there are none.

    A device in no product is shown as one of the product that all devices of its type are in.
    """
    alike = (known or {}).get(row.cohort_id) or shown_cohort(row, product, names, releases)
    if known is not None:
        known[row.cohort_id] = alike
    platform_id = platform_of(row, product)
    system_version = row.system_version or None
    return DeviceObject(  # by place: by name takes twice as long, a hundred times a page
        row.device_id,  # id
        row.name or None,  # name
        platform_id if product is None else product.product_id,
        platform_id,
        row.notes or None,  # notes
        alike.groups,
        row.development,
        alike.quarantined,
        alike.denied,
        row.online,
        row.online,  # connected
        stamp_or_none(row.last_heard_at),  # last_heard
        stamp_or_none(row.last_handshake_at),  # last_handshake_at
        row.last_ip or None,  # last_ip_address
        row.firmware_product_id,
        row.firmware_version,
        row.locked_version,  # desired_firmware_version
        alike.release_target,  # targeted_firmware_release_version
        row.updates_enabled,  # firmware_updates_enabled
        row.forced,  # firmware_updates_forced
        alike.shown_target,  # firmware_target
        reason_of_device(row, alike.target),  # firmware_reason
        shown_update(row),  # firmware_update
        row.stuck_version,  # stuck_firmware_version
        row.told,
        row.told_position,  # handshake_position
        system_version,  # system_firmware_version
        system_version,  # current_build_target
        system_version,  # default_build_target
        row.app_hash or None,  # app_hash
        row.reset_reason or None,  # reset_reason
        platform_id in CELLULAR_PLATFORMS,  # cellular
        row.functions or [],  # functions
        row.variables or {},  # variables
        row.subscriptions or [],  # subscriptions
        row.owner_name or row.owner,
        row.serial_number or None,  # serial_number
        row.imei or None,  # imei
        row.iccid or None,  # iccid
        row.iccid or None,  # last_iccid
        stamp_or_none(row.entered_at),  # imported_at
        stamp_or_none(row.billed_since),  # billed_since
    )


def platform_of(row: DeviceRow, product: ProductRow | None) -> int | None:
    """What the device said that it is; before that, what its product is for."""
    if row.platform_id is not None or product is None:
        return row.platform_id
    return product.platform_id


def shown_cohort(
    row: ShownRow, product: ProductRow | None, names: Mapping[str, str], releases: Releases
) -> OfCohort:
    """Of the cohort that the device is in; of a device in no product, that it has no target."""
    row.groups = tuple(row.groups)  # a list where the database gave it
    target, release_target = NO_TARGET, None
    if product is not None:
        cohort = row.facts().cohort()
        target = target_of(cohort, releases)
        # What the device would get if it were unlocked: the version that releases alone ask for.
        released = Cohort(cohort.product_id, standing=cohort.standing, groups=cohort.groups)
        release_target = target_of(released, releases).version
    return OfCohort(
        quarantined=row.standing != Standing.MEMBER,
        denied=row.standing == Standing.DENIED,
        groups=sorted(names[key] for key in row.groups if key in names),
        target=target,
        shown_target=shown_target(target, names),
        release_target=release_target,
    )


def shown_target(target: Target, names: Mapping[str, str]) -> FirmwareTarget:
    group = names.get(target.group, target.group) or None
    return FirmwareTarget(target.version, target.rule.value, group)


def shown_update(row: DeviceRow) -> FirmwareUpdate | None:
    if row.update_state is None or row.told_product_id != row.product_id:
        return None
    return FirmwareUpdate(
        state=row.update_state,
        version=row.update_version,
        attempt=row.update_attempt,
        reason=row.update_reason or None,
        at=stamp_or_none(row.update_at),
    )
