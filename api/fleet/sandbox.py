"""The caller's own devices, in a product or in none: listed, shown, changed, given up."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from api.call import Call
from api.calls.pings import Signal, signal
from api.database import Snapshot
from api.fleet.device_object import DeviceObject, Known, shown_device
from api.fleet.device_rows import COLUMNS, FROM, ShownRow
from api.fleet.flash import flash, flash_own
from api.problem import DeviceInNoProduct, DeviceUnrecognized, NothingToChange
from api.routing import Files
from api.views import Done, PageNumber, now
from domain.device_commands import (
    ForceUpdates,
    NameDevice,
    NoteDevice,
    ReleaseDevice,
    UnforceUpdates,
)
from domain.model import Command
from domain.names import Name, Notes
from domain.ownership import UnclaimDevice
from domain.roles import AtDevice, InProduct
from domain.targeting import Releases
from projections.fleet import ProductRow

DEVICES_LISTED_MAX = 5_000  # a bare array has no room to say that there are more

OWN = f"""
    SELECT {COLUMNS} {FROM} WHERE device.owner = %s
    ORDER BY device.last_handshake_at DESC NULLS LAST, device.device_id LIMIT %s OFFSET %s
"""
ONE = f"SELECT {COLUMNS} {FROM} WHERE device.device_id = %s"
PRODUCTS = f"""
    SELECT {", ".join(ProductRow.__struct_fields__)} FROM fleet.product WHERE product_id = ANY (%s)
"""
GROUPS = """
    SELECT product_id, key, name FROM fleet.device_group
    WHERE product_id = ANY (%s) AND NOT removed
"""


class OwnDevicesWanted(Struct, frozen=True):
    page: PageNumber = 1
    per_page: Annotated[int, Meta(ge=1, le=DEVICES_LISTED_MAX)] = DEVICES_LISTED_MAX


class GroupName(Struct, frozen=True):
    product_id: int
    key: str
    name: str


class OwnDeviceChange(Struct, frozen=True):
    """Any of these at once: all are done, or none. `signal` has it blink, 1, or stop, 0; it is sent
    alone."""

    name: Name | UnsetType = UNSET
    notes: Notes | UnsetType | None = UNSET
    firmware_updates_forced: bool | UnsetType = UNSET
    signal: Signal | UnsetType = UNSET


class OwnDeviceChanged(Struct, frozen=True, kw_only=True):
    """What was changed, as it was sent; or, for a flash, that it is under way."""

    id: str
    ok: bool = True
    updated_at: str
    name: str | UnsetType = UNSET
    notes: str | UnsetType | None = UNSET
    firmware_updates_forced: bool | UnsetType = UNSET
    status: str | UnsetType = UNSET
    connected: bool | UnsetType = UNSET
    signaling: bool | UnsetType = UNSET


def device_in(call: Call) -> AtDevice:
    """The device that the path names, by id, or by name if it is the caller's: who may do this with
    it has been let through. Only where the route is about one device and no product."""
    assert isinstance(call.place, AtDevice)
    return call.place


async def list_own_devices(call: Call, query: OwnDevicesWanted) -> list[DeviceObject]:
    """The devices that the caller has claimed, the one that shook hands last first."""
    # One more than is shown tells whether there are more.
    page = [call.caller.holder, query.per_page + 1, (query.page - 1) * query.per_page]
    async with call.snapshot() as snapshot:
        rows = await snapshot.all(ShownRow, OWN, page)
        if len(rows) > query.per_page:
            after = f"{call.request.url.path}?page={query.page + 1}&per_page={query.per_page}"
            call.headers["Link"] = f'<{after}>; rel="next"'
        return await shown(snapshot, rows[: query.per_page])


async def get_own_device(call: Call) -> DeviceObject:
    """A device that the caller has claimed, or that is in a product of theirs."""
    async with call.snapshot() as snapshot:
        row = await snapshot.one(ShownRow, ONE, [device_in(call).device_id])
        if row is None:
            raise DeviceUnrecognized
        (device,) = await shown(snapshot, [row])
    return device


async def shown(snapshot: Snapshot, rows: Iterable[ShownRow]) -> list[DeviceObject]:
    """Devices of any products, and of none."""
    rows = list(rows)
    product_ids = list({row.product_id for row in rows} - {None})
    products: dict[int | None, ProductRow] = {}
    names: dict[int | None, dict[str, str]] = {}
    if product_ids:
        for product in await snapshot.all(ProductRow, PRODUCTS, [product_ids]):
            products[product.product_id] = product
        for group in await snapshot.all(GroupName, GROUPS, [product_ids]):
            names.setdefault(group.product_id, {})[group.key] = group.name
    releases = {product_id: row.facts().releases() for product_id, row in products.items()}
    nothing: Mapping[str, str] = {}
    known: Known = {}
    return [
        shown_device(
            row,
            products.get(row.product_id),
            names.get(row.product_id, nothing),
            releases.get(row.product_id, Releases()),
            known,
        )
        for row in rows
    ]


async def change_own_device(call: Call, body: OwnDeviceChange, files: Files) -> OwnDeviceChanged:
    """Change a device; or, sent a file, flash it with that binary."""
    device = device_in(call)
    if files:
        if device.product is None:
            status = await flash_own(call, device.device_id, device.owner, files)
        else:
            status = await flash(
                call, await product_of(device.product, call), device.device_id, files
            )
        return OwnDeviceChanged(id=device.device_id, updated_at=now(), status=status)
    fields = OwnDeviceChange.__struct_fields__
    changed = {field: value for field in fields if (value := getattr(body, field)) is not UNSET}
    if not changed:
        raise NothingToChange(fields=", ".join([*fields, "or a file to flash"]))
    if body.signal is not UNSET:
        on = await signal(call, body.signal, changed)
        return OwnDeviceChanged(id=device.device_id, updated_at=now(), connected=True, signaling=on)
    await call.carry_out(*intents(call, body))
    return OwnDeviceChanged(id=device.device_id, updated_at=now(), **changed)


def intents(call: Call, wanted: OwnDeviceChange) -> list[Command]:
    """The commands that a change means: of the owner, or of the product's team."""
    device = device_in(call)
    said: dict[str, Any] = {"device_id": device.device_id}
    if device.owner and (device.owner == call.caller.holder or device.product is None):
        said["owner"] = device.owner  # an administrator speaks for the owner
    elif device.product is not None:
        said["product_id"] = device.product.product_id
    commands: list[Command] = []
    if wanted.name is not UNSET:
        commands.append(NameDevice(**said, name=wanted.name))
    if wanted.notes is not UNSET:
        commands.append(NoteDevice(**said, notes=wanted.notes or ""))
    if wanted.firmware_updates_forced is not UNSET:
        if device.product is None:
            raise DeviceInNoProduct(why="there are no updates to force")
        forces = ForceUpdates if wanted.firmware_updates_forced else UnforceUpdates
        product_id = device.product.product_id
        commands.append(forces(device_id=device.device_id, product_id=product_id))
    return commands


async def product_of(place: InProduct, call: Call) -> ProductRow:
    """The product that the device is in. Raises DeviceInNoProduct if it retires just now."""
    async with call.snapshot() as snapshot:
        product = await snapshot.one(ProductRow, PRODUCTS, [[place.product_id]])
    if product is None:
        raise DeviceInNoProduct(why="its product is no more")
    return product


async def unclaim_device(call: Call) -> Done:
    """Give a device up; or, for the team of its product, have it be nobody's. It stays there."""
    device = device_in(call)
    if device.product is None or (device.owner and device.owner == call.caller.holder):
        await call.carry_out(UnclaimDevice(device_id=device.device_id, user_id=device.owner))
    else:
        product_id = device.product.product_id
        await call.carry_out(ReleaseDevice(device_id=device.device_id, product_id=product_id))
    return Done()


async def remove_owner(call: Call) -> Done:
    """Have a device of the product be nobody's, whoever has claimed it. It stays in the product."""
    device_id = call.part("device").lower()
    await call.carry_out(ReleaseDevice(device_id=device_id, product_id=call.product_id))
    return Done()
