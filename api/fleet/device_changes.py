"""Changing devices: one by what is intended with it, many by their groups, and sending one away."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from api.call import Call
from api.calls.pings import Signal, signal
from api.database import Snapshot
from api.fleet.devices import device_id_in
from api.fleet.flash import flash
from api.fleet.groups import groups_of, keys_of
from api.fleet.products import product_named
from api.problem import DeviceNotFound, FieldInvalid, NothingToChange
from api.routing import Files
from api.streams import execute_many
from api.views import Done, now
from domain.device_commands import (
    DenyDevice,
    ForceUpdates,
    GroupDevice,
    LockFirmware,
    MarkForDevelopment,
    NameDevice,
    NoteDevice,
    RegroupDevice,
    RemoveDevice,
    RetryUpdate,
    UnforceUpdates,
    UnlockFirmware,
    UnmarkForDevelopment,
)
from domain.firmware import FirmwareDeleted
from domain.group import GroupRemoved
from domain.model import Command, Event
from domain.names import (
    GROUPS_PER_DEVICE_MAX,
    DeviceId,
    GroupName,
    Name,
    Notes,
    Version,
)

BATCH_DEVICES_MAX = 5_000
BATCH_BYTES_MAX = 512 * 1024

FIRMWARE_EXISTS = """
    SELECT count(*) FROM fleet.firmware
    WHERE product_id = %s AND version = %s AND NOT deleted
"""
STUCK = "SELECT stuck_version FROM fleet.device WHERE product_id = %s AND device_id = %s"
STANDS_IN = "SELECT count(*) FROM fleet.device WHERE product_id = %s AND device_id = %s"

Names = Annotated[list[GroupName], Meta(max_length=GROUPS_PER_DEVICE_MAX)]


class DeviceChange(Struct, frozen=True):
    """Any of these at once: all are done, or none.

    `desired_firmware_version` locks the device to a version, and null unlocks it; `flash` with it
    offers that version now, if the device is online. `groups` are all that it is in from here on.
    `signal` has it blink, 1, or stop, 0; it is sent alone.
    """

    name: Name | UnsetType = UNSET
    notes: Notes | UnsetType | None = UNSET
    development: bool | UnsetType = UNSET
    desired_firmware_version: Version | UnsetType | None = UNSET
    flash: bool = False
    groups: Names | UnsetType = UNSET
    firmware_updates_forced: bool | UnsetType = UNSET
    signal: Signal | UnsetType = UNSET


class DeviceChanged(Struct, frozen=True, kw_only=True):
    """What was changed, as it was sent; or, for a flash, that it is under way."""

    id: str
    ok: bool = True
    updated_at: str
    name: str | UnsetType = UNSET
    notes: str | UnsetType | None = UNSET
    development: bool | UnsetType = UNSET
    desired_firmware_version: int | UnsetType | None = UNSET
    groups: list[str] | UnsetType = UNSET
    firmware_updates_forced: bool | UnsetType = UNSET
    status: str | UnsetType = UNSET
    connected: bool | UnsetType = UNSET
    signaling: bool | UnsetType = UNSET


class GroupNames(Struct, frozen=True):
    add: Names = []
    remove: Names = []


class DevicesChange(Struct, frozen=True):
    """Put devices into groups, and take them out of others: all of them, or none."""

    action: Literal["groups"]
    devices: Annotated[list[DeviceId], Meta(min_length=1, max_length=BATCH_DEVICES_MAX)]
    metadata: GroupNames


class Removal(Struct, frozen=True):
    """With `deny`, a device that asks for the product is told no from here on."""

    deny: bool = False


class Retried(Struct, frozen=True):
    id: str
    retried_firmware_version: int | None
    updated_at: str
    ok: bool = True


async def change_device(call: Call, body: DeviceChange, files: Files) -> DeviceChanged:
    """Change a device; or, sent a file, flash it with that binary."""
    product = await product_named(call)
    device_id = device_id_in(call)
    if files:
        status = await flash(call, product, device_id, files)
        return DeviceChanged(id=device_id, updated_at=now(), status=status)
    changed = {
        field: value
        for field in DeviceChange.__struct_fields__
        if field != "flash" and (value := getattr(body, field)) is not UNSET
    }
    if not changed:
        fields = [field for field in DeviceChange.__struct_fields__ if field != "flash"]
        raise NothingToChange(fields=", ".join([*fields, "or a file to flash"]))
    if body.signal is not UNSET:
        on = await signal(call, body.signal, changed)
        return DeviceChanged(id=device_id, updated_at=now(), connected=True, signaling=on)
    keys: tuple[str, ...] = ()
    if body.groups is not UNSET:
        await must_stand_in(call, product.product_id, device_id)
        keys = tuple((await keys_of(call, product.product_id, body.groups)).values())

    async def look(snapshot: Snapshot) -> Sequence[Command]:
        known = True
        if isinstance(body.desired_firmware_version, int):
            asked_for = [product.product_id, body.desired_firmware_version]
            known = bool(await snapshot.value(FIRMWARE_EXISTS, asked_for))
        return intents(call, product.product_id, device_id, body, keys, version_known=known)

    watched = watched_by(body)
    if watched:
        await call.decide(product.product_id, watched, look)
    else:
        commands = intents(call, product.product_id, device_id, body, keys, version_known=True)
        await call.carry_out(*commands)
    return DeviceChanged(id=device_id, updated_at=now(), **changed)


def watched_by(wanted: DeviceChange) -> list[type[Event]]:
    """What in other streams the change depends on."""
    watched: list[type[Event]] = []
    if isinstance(wanted.desired_firmware_version, int):
        watched.append(FirmwareDeleted)
    if wanted.groups is not UNSET:
        watched.append(GroupRemoved)
    return watched


def intents(
    call: Call,
    product_id: int,
    device_id: str,
    wanted: DeviceChange,
    keys: tuple[str, ...],
    *,
    version_known: bool,
) -> list[Command]:
    """The commands that a change means, in the order in which they make sense."""
    device: dict[str, Any] = {"product_id": product_id, "device_id": device_id}
    commands: list[Command] = []
    if wanted.name is not UNSET:
        commands.append(NameDevice(**device, name=wanted.name))
    if wanted.notes is not UNSET:
        commands.append(NoteDevice(**device, notes=wanted.notes or ""))
    if wanted.groups is not UNSET:
        commands.append(GroupDevice(**device, groups=keys))
    if wanted.development is not UNSET:
        marks = MarkForDevelopment if wanted.development else UnmarkForDevelopment
        commands.append(marks(**device))
    if wanted.firmware_updates_forced is not UNSET:
        forces = ForceUpdates if wanted.firmware_updates_forced else UnforceUpdates
        commands.append(forces(**device))
    if wanted.desired_firmware_version is None:
        commands.append(UnlockFirmware(**device))
    elif wanted.desired_firmware_version is not UNSET:
        lock = LockFirmware(
            **device,
            version=wanted.desired_firmware_version,
            flash=wanted.flash,
            version_known=version_known,
            request=call.command,
        )
        commands.append(lock)
    return commands


async def must_stand_in(call: Call, product_id: int, device_id: str) -> None:
    """Before groups are created for a device, there must be one. Raises DeviceNotFound."""
    async with call.cloud.database.reading() as rows:
        if not await rows.value(STANDS_IN, [product_id, device_id]):
            raise DeviceNotFound


async def change_devices(call: Call, body: DevicesChange) -> Done:
    """Put many devices into groups, and take them out of others: all of them, or none."""
    product = await product_named(call)
    product_id = product.product_id
    both = set(body.metadata.add) & set(body.metadata.remove)
    if both:
        reason = f"add and remove both name {', '.join(sorted(both))}"
        raise FieldInvalid(field="metadata", reason=reason)
    if not body.metadata.add and not body.metadata.remove:
        raise NothingToChange(fields="metadata.add, metadata.remove")
    add = tuple((await keys_of(call, product_id, body.metadata.add)).values())
    async with call.cloud.database.reading() as rows:
        removed = set(body.metadata.remove)
        groups = await groups_of(rows, product_id)
    remove = tuple(group.key for group in groups if group.name in removed)
    commands = [
        RegroupDevice(product_id=product_id, device_id=device_id, add=add, remove=remove)
        for device_id in dict.fromkeys(body.devices)
    ]
    position = await call.in_thread(execute_many, call.cloud.fleet, commands, call.provenance)
    if position is not None:
        call.wrote(position)
    return Done()


async def remove_device(call: Call, body: Removal) -> None:
    """Take a device out of the product, or deny it the product."""
    product = await product_named(call)
    device: dict[str, Any] = {"product_id": product.product_id, "device_id": device_id_in(call)}
    await call.carry_out(DenyDevice(**device) if body.deny else RemoveDevice(**device))


async def retry_update(call: Call) -> Retried:
    """Have a stuck device offered again what it is stuck at."""
    product = await product_named(call)
    device_id = device_id_in(call)
    async with call.snapshot() as snapshot:
        stuck_version = await snapshot.value(STUCK, [product.product_id, device_id])
    command = RetryUpdate(
        product_id=product.product_id,
        device_id=device_id,
        stuck_version=stuck_version,
        request=call.command,
    )
    await call.carry_out(command)
    return Retried(device_id, stuck_version, now())
