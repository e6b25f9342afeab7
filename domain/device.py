"""A device, as people intend it: in a product or turned away from one, named, grouped, locked."""

from typing import assert_never

from msgspec import Struct
from msgspec.structs import replace

from domain import ownership
from domain.device_commands import (
    AdmitDevice,
    DenyDevice,
    DeviceCommand,
    DirectFirmware,
    Enter,
    FlashBinary,
    FlashOwnBinary,
    ForceUpdates,
    GroupDevice,
    ImportDevice,
    JoinDevice,
    LockFirmware,
    Mark,
    MarkForDevelopment,
    NameDevice,
    NoteDevice,
    OfProduct,
    QuarantineDevice,
    RegroupDevice,
    ReleaseDevice,
    RemoveDevice,
    Requested,
    RetryUpdate,
    Say,
    StartBilling,
    UnforceUpdates,
    UnlockFirmware,
    UnmarkForDevelopment,
)
from domain.device_events import (
    BillingStarted,
    BinaryFlashed,
    DevelopmentMarked,
    DevelopmentUnmarked,
    DeviceDenied,
    DeviceEvent,
    DeviceGrouped,
    DeviceImported,
    DeviceJoined,
    DeviceNamed,
    DeviceNoted,
    DeviceQuarantined,
    DeviceRemoved,
    FirmwareLocked,
    FirmwareUnlocked,
    Standing,
    UpdateRetryAsked,
    UpdatesForced,
    UpdatesUnforced,
)
from domain.device_refusals import (
    DeviceInAnotherProduct,
    DeviceNotApproved,
    DeviceNotYours,
    DeviceOffline,
    DeviceOfOutsider,
    DeviceUnknown,
    NotForDevelopment,
    TooManyGroupsForDevice,
    VersionUnknown,
)
from domain.holders import is_customer
from domain.model import Decider
from domain.names import GROUPS_PER_DEVICE_MAX
from domain.ownership import (
    AboutOwnership,
    ClaimDevice,
    DeviceClaimed,
    DeviceUnclaimed,
    Ownership,
    OwnershipCommand,
    TransferAccepted,
    TransferDeclined,
    TransferRequested,
    TransferWithdrawn,
)


class Device(Struct, frozen=True):
    """Name and notes go with the owner, or else with the product that the device is in."""

    ownership: Ownership = Ownership()
    product_id: int | None = None
    standing: Standing | None = None
    removed_from: frozenset[int] = frozenset()
    billed_by: frozenset[int] = frozenset()
    name: str = ""
    notes: str = ""
    groups: tuple[str, ...] = ()
    locked_version: int | None = None
    development: bool = False
    forced: bool = False
    last_request: str = ""


def decide(device: Device, command: DeviceCommand) -> list[DeviceEvent]:
    match command:
        case ImportDevice() | QuarantineDevice() | JoinDevice() | AdmitDevice():
            return enter(device, command)
        case NameDevice() | NoteDevice():
            return say(device, command)
        case AboutOwnership():
            return own(device, command)
        case FlashOwnBinary():
            return flash_own(device, command)
        case _ if device.product_id != command.product_id:
            return turn_away(device, command)
        case RemoveDevice(device_id=device_id, product_id=product_id):
            removed = DeviceRemoved(device_id=device_id, product_id=product_id)
            return [*ownership.without_customer(device.ownership, device_id), removed]
        case DenyDevice(device_id=device_id, product_id=product_id):
            if device.standing == Standing.DENIED:
                return []
            denied = DeviceDenied(device_id=device_id, product_id=product_id)
            return [*ownership.without_customer(device.ownership, device_id), denied]
        case _ if device.standing != Standing.MEMBER:
            raise DeviceNotApproved(standing=device.standing)
        case ReleaseDevice(device_id=device_id):
            owner = device.ownership.owner
            return [DeviceUnclaimed(device_id=device_id, user_id=owner)] if owner else []
        case GroupDevice(groups=groups):
            return regroup(device, command, groups)
        case RegroupDevice(add=add, remove=remove):
            return regroup(device, command, {*device.groups, *add} - {*remove})
        case LockFirmware() | UnlockFirmware() | RetryUpdate() | FlashBinary():
            return direct_firmware(device, command)
        case StartBilling(device_id=device_id, product_id=product_id):
            if product_id in device.billed_by:
                return []
            return [BillingStarted(device_id=device_id, product_id=product_id)]
        case _:
            return mark(device, command)


def enter(device: Device, command: Enter) -> list[DeviceEvent]:
    """A device is in one product at most, and only the team takes back what it turned away."""
    device_id, product_id = command.device_id, command.product_id
    if device.product_id == product_id and device.standing == Standing.MEMBER:
        return []
    if device.product_id is not None and device.standing == Standing.MEMBER:
        raise DeviceInAnotherProduct
    match command:
        case ImportDevice(owner_outside=str(owner)) if owner and owner == device.ownership.owner:
            raise DeviceOfOutsider
        case ImportDevice():
            return [DeviceImported(device_id=device_id, product_id=product_id)]
        case AdmitDevice(owner=owner):
            now = (device.product_id, device.standing, device.ownership.owner)
            waits = now == (product_id, Standing.QUARANTINED, owner)
            return [DeviceJoined(device_id=device_id, product_id=product_id)] if waits else []
        case _ if product_id in device.removed_from and device.product_id != product_id:
            return [DeviceDenied(device_id=device_id, product_id=product_id)]
        case _ if device.product_id == product_id:
            return []  # quarantined or denied there already: asking again changes nothing
        case JoinDevice() if not device.ownership.owner:
            return [DeviceJoined(device_id=device_id, product_id=product_id)]
        case QuarantineDevice() | JoinDevice():
            return [DeviceQuarantined(device_id=device_id, product_id=product_id)]
    assert_never(command)


def turn_away(device: Device, command: DeviceCommand) -> list[DeviceEvent]:
    """What is said of a device that is not in the product: already so, or unknown."""
    if isinstance(command, RemoveDevice) and command.product_id in device.removed_from:
        return []
    raise DeviceUnknown


def say(device: Device, command: Say) -> list[DeviceEvent]:
    """The product's team, or the owner: each calls the device what it likes, whoever is last."""
    if command.owner:
        if command.owner != device.ownership.owner:
            raise DeviceNotYours
    elif device.product_id is None or device.product_id != command.product_id:
        raise DeviceUnknown
    match command:
        case NameDevice(device_id=device_id, name=name):
            return [] if name == device.name else [DeviceNamed(device_id=device_id, name=name)]
        case NoteDevice(device_id=device_id, notes=notes):
            return [] if notes == device.notes else [DeviceNoted(device_id=device_id, notes=notes)]
    assert_never(command)


def own(device: Device, command: OwnershipCommand) -> list[DeviceEvent]:
    """Neither a code of a product nor a customer of it claims what the product has not taken in."""
    if isinstance(command, ClaimDevice) and (
        command.product_id is not None or is_customer(command.user_id)
    ):
        if command.product_id != device.product_id:
            raise DeviceUnknown
        if device.standing != Standing.MEMBER:
            raise DeviceNotApproved(standing=device.standing)
    return [*ownership.decide(device.ownership, command)]


def regroup(
    device: Device, command: OfProduct, groups: tuple[str, ...] | set[str]
) -> list[DeviceEvent]:
    wanted = tuple(sorted(set(groups)))
    if len(wanted) > GROUPS_PER_DEVICE_MAX:
        raise TooManyGroupsForDevice(groups=len(wanted), limit=GROUPS_PER_DEVICE_MAX)
    if wanted == device.groups:
        return []
    return [
        DeviceGrouped(device_id=command.device_id, product_id=command.product_id, groups=wanted)
    ]


def direct_firmware(device: Device, command: DirectFirmware) -> list[DeviceEvent]:
    device_id, product_id = command.device_id, command.product_id
    match command:
        case Requested(request=request) if request and request == device.last_request:
            return []
        case LockFirmware(version=version, flash=flash, version_known=known):
            if not known:
                raise VersionUnknown(version=version)
            if device.locked_version == version and not flash:
                return []
            return [
                FirmwareLocked(
                    device_id=device_id,
                    product_id=product_id,
                    version=version,
                    flash=flash,
                    request=command.request,
                )
            ]
        case UnlockFirmware():
            if device.locked_version is None:
                return []
            return [FirmwareUnlocked(device_id=device_id, product_id=product_id)]
        case RetryUpdate(stuck_version=version):
            if version is None:
                return []
            return [
                UpdateRetryAsked(
                    device_id=device_id,
                    product_id=product_id,
                    version=version,
                    request=command.request,
                )
            ]
        case FlashBinary():
            if not device.development:
                raise NotForDevelopment
            return flashed(command, product_id)
    assert_never(command)


def flash_own(device: Device, command: FlashOwnBinary) -> list[DeviceEvent]:
    """What a device in a product runs is its team's to say, whoever owns it."""
    if command.owner != device.ownership.owner:
        raise DeviceNotYours
    if command.request and command.request == device.last_request:
        return []
    if device.product_id is not None and device.standing == Standing.MEMBER:
        raise NotForDevelopment
    return flashed(command, None)


def flashed(command: FlashBinary | FlashOwnBinary, product_id: int | None) -> list[DeviceEvent]:
    if not command.online:
        raise DeviceOffline
    return [
        BinaryFlashed(
            device_id=command.device_id,
            product_id=product_id,
            sha256=command.sha256,
            size_bytes=command.size_bytes,
            request=command.request,
        )
    ]


def mark(device: Device, command: Mark) -> list[DeviceEvent]:
    device_id, product_id = command.device_id, command.product_id
    match command:
        case MarkForDevelopment() if not device.development:
            return [DevelopmentMarked(device_id=device_id, product_id=product_id)]
        case UnmarkForDevelopment() if device.development:
            return [DevelopmentUnmarked(device_id=device_id, product_id=product_id)]
        case ForceUpdates() if not device.forced:
            return [UpdatesForced(device_id=device_id, product_id=product_id)]
        case UnforceUpdates() if device.forced:
            return [UpdatesUnforced(device_id=device_id, product_id=product_id)]
        case _:
            return []


def evolve(device: Device, event: DeviceEvent) -> Device:
    match event:
        case DeviceImported(product_id=product_id) | DeviceJoined(product_id=product_id):
            return entered(device, product_id, Standing.MEMBER)
        case DeviceQuarantined(product_id=product_id):
            return entered(device, product_id, Standing.QUARANTINED)
        case DeviceDenied(product_id=product_id):
            return entered(device, product_id, Standing.DENIED)
        case DeviceRemoved(product_id=product_id):
            return Device(
                ownership=device.ownership,
                removed_from=device.removed_from | {product_id},
                billed_by=device.billed_by,
                name=device.name if device.ownership.owner else "",
                notes=device.notes if device.ownership.owner else "",
            )
        case DeviceNamed(name=name):
            return replace(device, name=name)
        case DeviceNoted(notes=notes):
            return replace(device, notes=notes)
        case DeviceGrouped(groups=groups):
            return replace(device, groups=groups)
        case FirmwareLocked(version=version, request=request):
            return replace(device, locked_version=version, last_request=request)
        case FirmwareUnlocked():
            return replace(device, locked_version=None)
        case DevelopmentMarked() | DevelopmentUnmarked():
            return replace(device, development=isinstance(event, DevelopmentMarked))
        case UpdatesForced() | UpdatesUnforced():
            return replace(device, forced=isinstance(event, UpdatesForced))
        case UpdateRetryAsked(request=request) | BinaryFlashed(request=request):
            return replace(device, last_request=request)
        case BillingStarted(product_id=product_id):
            return replace(device, billed_by=device.billed_by | {product_id})
        case DeviceClaimed() | DeviceUnclaimed():
            kept = device if device.product_id is not None else replace(device, name="", notes="")
            return replace(kept, ownership=ownership.evolve(device.ownership, event))
        case TransferRequested() | TransferWithdrawn() | TransferDeclined() | TransferAccepted():
            return replace(device, ownership=ownership.evolve(device.ownership, event))
    assert_never(event)


def entered(device: Device, product_id: int, standing: Standing) -> Device:
    """Entering another product starts anew; what the owner called the device stays with it."""
    known = device.product_id == product_id or bool(device.ownership.owner)
    turned_away = device.removed_from
    if device.product_id is not None and device.standing == Standing.DENIED:
        # Asking elsewhere in between is no way back into a product that said no.
        turned_away |= {device.product_id}
    return Device(
        ownership=device.ownership,
        product_id=product_id,
        standing=standing,
        removed_from=turned_away - {product_id},
        billed_by=device.billed_by,
        name=device.name if known else "",
        notes=device.notes if known else "",
    )


DEVICE = Decider(initial=Device(), decide=decide, evolve=evolve)
