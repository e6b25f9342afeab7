"""The log as people read it: what happened to a product, a device, a firmware or a group."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from api.actors import names_of
from api.call import Call
from api.database import Snapshot
from api.fleet.devices import device_id_in
from api.fleet.firmware import version_in
from api.fleet.past import POSITION_DIGITS_MAX, moment
from api.fleet.products import product_in
from api.problem import DeviceNotFound, FieldInvalid, NotFound
from api.views import stamp

PER_PAGE_DEFAULT = 50
PER_PAGE_MAX = 500
NAMES_MAX = 50
ACTOR_CHARACTERS_MAX = 256

ENTRY = """
    SELECT e.notification_id AS "position", e.recorded_at, e.originator_id AS stream,
           e.originator_version AS stream_version, e.topic AS name, e.state
"""
# The read model finds the page; the log has what the events say.
OF_PRODUCT = (
    ENTRY
    + """
    FROM history.entry h JOIN log.fleet_events e ON e.notification_id = h."position"
    WHERE h.product_id = %(product)s AND {where}
    ORDER BY h."position" {order} LIMIT %(limit)s
    """
)
OF_STREAMS = (
    ENTRY
    + """
    FROM log.fleet_events e WHERE e.originator_id = ANY (%(streams)s) AND {where}
    ORDER BY e.notification_id {order} LIMIT %(limit)s
    """
)
# What happened to the device in another product is for that one's team to see; what happened to it
# in none, what its owner called it then, and where it was, is for no team at all.
IN_PRODUCT = """
    (convert_from(e.state, 'UTF8')::json -> 'event' ->> 'product_id')::integer
"""
OF_DEVICE = OF_STREAMS.replace(
    "{where}",
    """EXISTS (SELECT FROM history.entry h WHERE h."position" = e.notification_id
               AND h.product_id = %(product)s) AND {where}""",
)
EVER_IN = f"""
    SELECT EXISTS (SELECT FROM log.fleet_events e
                   WHERE e.originator_id = ANY (%(streams)s) AND {IN_PRODUCT} = %(product)s)
"""
# In both the condition is on the same columns, by the names that each has for them.
COLUMNS_OF_PRODUCT = {"position": 'h."position"', "name": "h.name", "actor": "h.actor"}
COLUMNS_OF_STREAMS = {
    "position": "e.notification_id",
    "name": "split_part(e.topic, '.', 1)",
    "actor": "coalesce(convert_from(e.state, 'UTF8')::json ->> 'actor', '')",
}
FIRST_AT = "SELECT log.position_at(%s - interval '1 microsecond') + 1"
LAST_AT = "SELECT log.position_at(%s)"
GROUP_KEYS = """
    SELECT key FROM fleet.device_group WHERE product_id = %s AND (name = %s OR key = %s)
"""


class HistoryWanted(Struct, frozen=True, rename={"from_": "from"}):
    """`name` is a comma list of event names; `from` and `to` are times or positions, both included.

    `cursor` is the `next` of the page before.
    """

    actor: Annotated[str, Meta(max_length=ACTOR_CHARACTERS_MAX)] = ""
    name: Annotated[str, Meta(max_length=64 * NAMES_MAX)] = ""
    from_: Annotated[str, Meta(max_length=64)] = ""
    to: Annotated[str, Meta(max_length=64)] = ""
    order: Literal["asc", "desc"] = "desc"
    cursor: Annotated[str, Meta(max_length=POSITION_DIGITS_MAX, pattern="^[0-9]*$")] = ""
    per_page: Annotated[int, Meta(ge=1, le=PER_PAGE_MAX)] = PER_PAGE_DEFAULT


class Entry(Struct, frozen=True, omit_defaults=True):
    """One event in its place. `by` is what people call the actor now, where that is a person or an
    API user; `cause` is the position of the event that led to it."""

    position: int
    recorded_at: str
    stream: str
    stream_version: int
    name: str
    format: int
    event: Any
    actor: str = ""
    by: str = ""
    origin: str = ""
    request: str = ""
    cause: int | None = None


class History(Struct, frozen=True):
    """A page of events; `next` is the cursor of the page after it, null where there is none."""

    events: list[Entry]
    next: str | None


class StoredEntry(Struct, frozen=True):
    position: int
    recorded_at: datetime
    stream: str
    stream_version: int
    name: str
    state: bytes


class Said(Struct, frozen=True):
    """The state of a stored event; the event itself is passed on as it stands."""

    event: msgspec.Raw
    actor: str = ""
    origin: str = ""
    request: str = ""
    cause: int | None = None


decode = msgspec.json.Decoder(Said).decode


async def history_of_product(call: Call, query: HistoryWanted) -> History:
    """Everything about the product: its groups, its firmware and its devices included."""
    async with call.snapshot() as snapshot:
        product = await product_in(call, snapshot)
        call.position = snapshot.history_position
        params: dict[str, Any] = {"product": product.product_id}
        return await page(snapshot, OF_PRODUCT, COLUMNS_OF_PRODUCT, params, query)


async def history_of_device(call: Call, query: HistoryWanted) -> History:
    """What was intended for the device, and what it did. Its handshakes are DeviceHandshook."""
    device_id = device_id_in(call)
    async with call.snapshot() as snapshot:
        product = await product_in(call, snapshot)
        params: dict[str, Any] = {
            "streams": [f"device-{device_id}", f"session-{device_id}"],
            "product": product.product_id,
        }
        call.position = snapshot.history_position
        if not await snapshot.value(EVER_IN, params):
            raise DeviceNotFound
        return await page(snapshot, OF_DEVICE, COLUMNS_OF_STREAMS, params, query)


async def history_of_firmware(call: Call, query: HistoryWanted) -> History:
    """Everything about one version of the product's firmware."""
    version = version_in(call)
    async with call.snapshot() as snapshot:
        product = await product_in(call, snapshot)
        return await of_streams(snapshot, [f"firmware-{product.product_id}-{version}"], query)


async def history_of_group(call: Call, query: HistoryWanted) -> History:
    """Everything about a group, and about groups of the same name before it."""
    async with call.snapshot() as snapshot:
        product = await product_in(call, snapshot)
        name = call.part("group")
        cursor = await snapshot.connection.execute(
            GROUP_KEYS.encode(), [product.product_id, name, name]
        )
        keys = [key for (key,) in await cursor.fetchall()]
        if not keys:
            raise NotFound(what="Group")
        streams = [f"group-{product.product_id}-{key}" for key in keys]
        return await of_streams(snapshot, streams, query)


async def of_streams(snapshot: Snapshot, streams: list[str], query: HistoryWanted) -> History:
    return await page(snapshot, OF_STREAMS, COLUMNS_OF_STREAMS, {"streams": streams}, query)


async def page(
    snapshot: Snapshot,
    template: str,
    columns: dict[str, str],
    params: dict[str, Any],
    query: HistoryWanted,
) -> History:
    """One more event than a page is read, so that it shows whether more follow."""
    where, values = await conditions(snapshot, columns, query)
    statement = template.format(where=" AND ".join(where), order=query.order.upper())
    found = await snapshot.all(
        StoredEntry, statement, {**params, **values, "limit": query.per_page + 1}
    )
    shown = [shown_entry(entry) for entry in found[: query.per_page]]
    named = await names_of(snapshot, (entry.actor for entry in shown))
    shown = [replace(entry, by=named.get(entry.actor, "")) for entry in shown]
    more = len(found) > query.per_page
    return History(shown, str(shown[-1].position) if more else None)


async def conditions(
    snapshot: Snapshot, columns: dict[str, str], query: HistoryWanted
) -> tuple[list[str], dict[str, Any]]:
    """What the query asks for, as SQL."""
    where = ["true"]
    params: dict[str, Any] = {}
    if query.cursor:
        beyond = "<" if query.order == "desc" else ">"
        where.append(f"{columns['position']} {beyond} %(cursor)s")
        params["cursor"] = int(query.cursor)
    if query.from_:
        where.append(f"{columns['position']} >= %(from)s")
        params["from"] = await position_at(snapshot, FIRST_AT, query.from_, "from")
    if query.to:
        where.append(f"{columns['position']} <= %(to)s")
        params["to"] = await position_at(snapshot, LAST_AT, query.to, "to")
    if query.name:
        names = [name.strip() for name in query.name.split(",")]
        if len(names) > NAMES_MAX:
            raise FieldInvalid(field="name", reason=f"more than {NAMES_MAX} names")
        where.append(f"{columns['name']} = ANY (%(names)s)")
        params["names"] = names
    if query.actor:
        where.append(f"{columns['actor']} = %(actor)s")
        params["actor"] = query.actor
    return where, params


async def position_at(snapshot: Snapshot, statement: str, given: str, field: str) -> int:
    """The position that a bound means, given as such or as a time."""
    if given.isascii() and given.isdigit():
        return int(given[:POSITION_DIGITS_MAX])
    position: int = await snapshot.value(statement, [moment(given, field)])
    return position


def shown_entry(stored: StoredEntry) -> Entry:
    said = decode(stored.state)
    name, _, number = stored.name.partition(".")
    return Entry(
        position=stored.position,
        recorded_at=stamp(stored.recorded_at),
        stream=stored.stream,
        stream_version=stored.stream_version,
        name=name,
        format=int(number or 1),
        event=said.event,
        actor=said.actor,
        origin=said.origin,
        request=said.request,
        cause=said.cause,
    )
