"""Devices of a product, as they are and as they were: one, or a page of those looked for."""

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from api.call import Call
from api.database import Snapshot
from api.fleet.device_object import DeviceObject, Known, shown_device
from api.fleet.device_rows import COLUMNS, FROM, ShownRow
from api.fleet.groups import groups_of
from api.fleet.overview import REASONS, devices_of_reason
from api.fleet.past import AsOfWanted, catalogue_at, device_at, position_of
from api.fleet.products import product_in, product_named
from api.problem import DeviceNotFound, FieldInvalid
from api.views import PER_PAGE_DEFAULT, Page, PageNumber, PageRows, like, page_of
from domain.holders import customer_in
from domain.names import DEVICE_ID_PATTERN, NAME_CHARACTERS_MAX
from projections.fleet import ProductRow

GROUPS_CHARACTERS_MAX = 8_192  # of a comma list

IS_DEVICE_ID = re.compile(DEVICE_ID_PATTERN)

# The text after the first word of each is what makes the order whole: ties are broken by id.
ORDERS = {
    ("lastConnection", "desc"): "device.last_handshake_at DESC NULLS LAST, device.device_id",
    ("lastConnection", "asc"): "device.last_handshake_at ASC NULLS FIRST, device.device_id DESC",
    ("deviceName", "asc"): "device.name, device.device_id",
    ("deviceName", "desc"): "device.name DESC, device.device_id DESC",
    ("deviceId", "asc"): "device.device_id",
    ("deviceId", "desc"): "device.device_id DESC",
    ("firmwareVersion", "asc"): "device.running, device.device_id",
    # Development devices come first here, as the vendor's console has it.
    ("firmwareVersion", "desc"): "device.cohort_id IN (SELECT cohort_id FROM fleet.cohort WHERE"
    " product_id = %(product)s AND development) DESC,"
    " device.running DESC NULLS LAST, device.device_id DESC",
}
DEVICE = f"SELECT {COLUMNS} {FROM} WHERE device.product_id = %s AND device.device_id = %s"
# The page is found first, where it can be by an index alone, and only its rows are read.
PAGE = f"""
    SELECT {COLUMNS} {FROM} WHERE device.device_id IN (
        SELECT device.device_id FROM fleet.device AS device WHERE {{condition}}
        ORDER BY {{order}} LIMIT %(limit)s OFFSET %(offset)s
    ) ORDER BY {{order}}
"""
COUNT = "SELECT count(*) FROM fleet.device AS device"
COUNT_TALLIED = "SELECT coalesce(sum(device.devices), 0)::bigint FROM fleet.tally device"
IN_PRODUCT = "device.product_id = %(product)s"
WITH_SERIAL_NUMBER = """
    device.device_id IN (SELECT device_id FROM described.device
                         WHERE serial_number <> '' AND serial_number ILIKE %(serial_number)s)
"""
CUSTOMERS = """
    SELECT customer_id AS id, username FROM access.customer
    WHERE customer_id = ANY (%s) AND NOT erased ORDER BY created_at, customer_id
"""
COHORTS = """
    SELECT array_agg(cohort_id) FROM fleet.cohort
    WHERE product_id = %s AND (standing <> 'member' OR NOT %s::boolean)
      AND (NOT %s::boolean OR groups && %s::text[])
"""

Part = Annotated[str, Meta(max_length=NAME_CHARACTERS_MAX)]
Reason = Annotated[str, Meta(max_length=64, extra_json_schema={"enum": ["", *REASONS]})]


class CustomerNamed(Struct, frozen=True):
    id: str
    username: str


class Devices(Struct, frozen=True):
    """`customers` are those of the product whose devices are on the page."""

    devices: list[DeviceObject]
    customers: list[CustomerNamed]
    meta: Page


class DevicesWanted(Struct, frozen=True):
    """`groups` is a comma list of names; `reason` one of those that the overview counts."""

    deviceId: Part = ""
    deviceName: Part = ""
    serialNumber: Part = ""
    groups: Annotated[str, Meta(max_length=GROUPS_CHARACTERS_MAX)] = ""
    quarantined: bool = False
    online: bool | None = None
    reason: Reason = ""
    sortAttr: Literal["deviceName", "deviceId", "firmwareVersion", "lastConnection"] = (
        "lastConnection"
    )
    sortDir: Literal["asc", "desc"] = "desc"
    page: PageNumber = 1
    per_page: PageRows = PER_PAGE_DEFAULT


async def get_device(call: Call, query: AsOfWanted) -> DeviceObject:
    """A device of the product, now or as of a time or position."""
    device_id = device_id_in(call)
    if query.as_of:
        product = await product_named(call)
        position = await position_of(call, query.as_of)
        return await device_then(call, product.product_id, device_id, position)
    async with call.snapshot() as snapshot:
        product = await product_in(call, snapshot)
        row = await snapshot.one(ShownRow, DEVICE, [product.product_id, device_id])
        if row is None:
            raise DeviceNotFound
        names = await group_names(snapshot, product.product_id)
    return shown_device(row, product, names, product.facts().releases())


async def device_then(call: Call, product_id: int, device_id: str, position: int) -> DeviceObject:
    row = await device_at(call, device_id, position)
    if row is None or row.product_id != product_id:
        raise DeviceNotFound
    catalogue = await catalogue_at(call, product_id, position)
    product = catalogue.product(product_id)
    if product is None:
        raise DeviceNotFound
    names = {group.key: group.name for group in catalogue.groups.values() if not group.removed}
    return shown_device(row, product, names, product.facts().releases())


async def list_devices(call: Call, query: DevicesWanted) -> Devices:
    """A page of the product's devices, those quarantined and denied included."""
    async with call.snapshot() as snapshot:
        product = await product_in(call, snapshot)
        names = await group_names(snapshot, product.product_id)
        search = await search_for(snapshot, product, names, query)
        total = await count(snapshot, search)
        limits = {"limit": query.per_page, "offset": (query.page - 1) * query.per_page}
        order = ORDERS[query.sortAttr, query.sortDir]
        page = PAGE.format(condition=search.condition, order=order)
        rows = await snapshot.all(ShownRow, page, {**search.params, **limits})
        customers = await customers_of(snapshot, rows)
    releases = product.facts().releases()
    known: Known = {}
    shown = [shown_device(row, product, names, releases, known) for row in rows]
    return Devices(shown, customers, page_of(query.page, query.per_page, total))


async def customers_of(snapshot: Snapshot, rows: Sequence[ShownRow]) -> list[CustomerNamed]:
    """The customers who own some of the devices, each once."""
    ids = {customer_in(row.owner) for row in rows if row.owner} - {""}
    return await snapshot.all(CustomerNamed, CUSTOMERS, [[*ids]]) if ids else []


class Search:
    """What is looked for, as SQL: `tallied` conditions speak only of what the tally has too."""

    def __init__(self, product_id: int) -> None:
        self.tallied = [IN_PRODUCT]
        self.others: list[str] = []
        self.params: dict[str, Any] = {"product": product_id}
        self.total: int | None = None  # where it is known already

    @property
    def condition(self) -> str:
        return " AND ".join([*self.tallied, *self.others])


async def search_for(
    snapshot: Snapshot, product: ProductRow, names: dict[str, str], query: DevicesWanted
) -> Search:
    search = Search(product.product_id)
    if query.deviceId:
        search.others.append("device.device_id LIKE %(device_id)s")
        search.params["device_id"] = like(query.deviceId.lower())
    if query.deviceName:
        search.others.append("device.name ILIKE %(name)s")
        search.params["name"] = like(query.deviceName)
    if query.serialNumber:
        search.others.append(WITH_SERIAL_NUMBER)
        search.params["serial_number"] = like(query.serialNumber)
    if query.online is not None:
        search.tallied.append("device.online = %(online_wanted)s")
        search.params["online_wanted"] = query.online
    if query.quarantined or query.groups:
        wanted = {name.strip() for name in query.groups.split(",") if name.strip()}
        keys = [key for key, name in names.items() if name in wanted]
        asked_for = [product.product_id, query.quarantined, bool(wanted), keys]
        search.tallied.append("device.cohort_id = ANY (%(in_cohorts)s::bigint[])")
        search.params["in_cohorts"] = await snapshot.value(COHORTS, asked_for) or []
    if query.reason:
        if query.reason not in REASONS:
            raise FieldInvalid(field="reason", reason=f"must be one of {', '.join(REASONS)}")
        condition, params, total = await devices_of_reason(snapshot, product, query.reason)
        if search.condition == IN_PRODUCT:
            search.total = total
        search.others.append(condition)
        search.params |= params
    return search


async def count(snapshot: Snapshot, search: Search) -> int:
    """How many devices there are: from the tally, wherever that can tell."""
    if search.total is not None:
        return search.total
    statement = COUNT if search.others else COUNT_TALLIED
    total: int = await snapshot.value(f"{statement} WHERE {search.condition}", search.params)
    return total


async def group_names(snapshot: Snapshot, product_id: int) -> dict[str, str]:
    """The names of the product's groups, by key."""
    return {group.key: group.name for group in await groups_of(snapshot, product_id)}


def device_id_in(call: Call) -> str:
    """The device id of the path, in lower case. Raises DeviceNotFound for what can be none."""
    device_id: str = call.request.path_params["device"].lower()
    if not IS_DEVICE_ID.fullmatch(device_id):
        raise DeviceNotFound
    return device_id
