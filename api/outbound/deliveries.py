"""Deliveries to an integration, and attempts at them: found, and looked into."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct
from msgspec.structs import asdict

from api.call import Call
from api.database import Rows
from api.outbound import owned
from api.outbound.attempts import (
    AttemptObject,
    AttemptRow,
    attempts_of,
    attempts_where,
    shown_attempt,
)
from api.problem import NotFound
from api.views import PER_PAGE_DEFAULT, stamp, stamp_or_none
from domain.names import NAME_CHARACTERS_MAX

PER_PAGE_MAX = 200
TEXT_CHARACTERS_MAX = 200
CURSOR_PATTERN = r"^(\d{1,18}(\.\d{1,9})?)?$(?!\n)"

COLUMNS = """
    d.delivery_id, d.integration_id, d.place, d.device_id, d.replay, d.state, d.attempts, d.since,
    d.settled_at,
    d.reason, d.published_at, e.name, e.data
"""
# The day is named too: the events of one day stand together.
FROM = """
    FROM outbound.delivery d
    LEFT JOIN telemetry.device_event e ON e.id = d.place AND e.published_at = d.published_at
    WHERE d.integration_id = %(integration)s
"""
ONE = f"SELECT {COLUMNS} {FROM} AND d.delivery_id = %(delivery)s"
PAGE = f"""
    SELECT {COLUMNS} {FROM} AND {{conditions}}
    ORDER BY d.place DESC, d.replay DESC LIMIT %(limit)s
"""
CONDITIONS = {
    "state": "d.state = %(state)s",
    "device_id": "d.device_id = %(device_id)s",
    "event": "starts_with(e.name, %(event)s)",
    "from_": "d.published_at >= %(from_)s",
    "to": "d.published_at < %(to)s",
    "place": "(d.place, d.replay) < (%(place)s, %(replay)s)",
}

State = Literal["waiting", "delivered", "parked", "not_sent", "cancelled"]
PageRows = Annotated[int, Meta(ge=1, le=PER_PAGE_MAX)]
SomeDevice = Annotated[str, Meta(max_length=NAME_CHARACTERS_MAX)]
Cursor = Annotated[str, Meta(pattern=CURSOR_PATTERN)]
Text = Annotated[str, Meta(max_length=TEXT_CHARACTERS_MAX)]
Time = Annotated[datetime, Meta(tz=True)]


class DeliveryRow(Struct, frozen=True):
    """One delivery with its device event; `name` is None where that is no longer kept."""

    delivery_id: int
    integration_id: str
    place: int
    device_id: str
    replay: int
    state: str
    attempts: int
    since: datetime
    settled_at: datetime | None
    reason: str
    published_at: datetime
    name: str | None
    data: str | None


class DeliveryObject(Struct, frozen=True):
    """One device event on its way. `replay` says the manieth sending of it this is, 0 the first;
    `reason` what went wrong last. A delivery is tried for a day from `since` on, then parked."""

    id: str
    event_id: str
    event: str | None
    data: str | None
    device_id: str
    published_at: str
    replay: int
    state: str
    attempts: int
    since: str
    settled_at: str | None
    reason: str


class Deliveries(Struct, frozen=True):
    """A page, the newest event first; `next` is the cursor of the one after it."""

    deliveries: list[DeliveryObject]
    next: str | None


class OneDelivery(Struct, frozen=True):
    delivery: DeliveryObject
    attempts: list[AttemptObject]


class Attempts(Struct, frozen=True):
    """A page, the newest first; `next` is the cursor of the one after it."""

    attempts: list[AttemptObject]
    next: str | None


class DeliveriesWanted(Struct, frozen=True, rename={"from_": "from"}):
    """`from` and `to` are times of publication, `event` is how names begin."""

    state: State | None = None
    device_id: SomeDevice = ""
    event: Text = ""
    from_: Time | None = None
    to: Time | None = None
    cursor: Cursor = ""
    per_page: PageRows = PER_PAGE_DEFAULT


class AttemptsWanted(Struct, frozen=True, rename={"from_": "from"}):
    """`from` and `to` are times of the attempts; `text` is looked for in errors and answers."""

    delivered: bool | None = None
    status: int | None = None
    device_id: SomeDevice = ""
    text: Text = ""
    from_: Time | None = None
    to: Time | None = None
    cursor: Cursor = ""
    per_page: PageRows = PER_PAGE_DEFAULT


async def list_deliveries(call: Call, query: DeliveriesWanted) -> Deliveries:
    """Deliveries to an integration, those found by a filter, the newest event first."""
    async with call.snapshot() as snapshot:
        row = await owned.row_named(call, snapshot)
        params = {**asdict(query), **place_in(query.cursor), "integration": row.integration_id}
        conditions = [sql for name, sql in CONDITIONS.items() if params.get(name) not in (None, "")]
        page = PAGE.replace("{conditions}", " AND ".join([*conditions, "true"]))
        found = await snapshot.all(DeliveryRow, page, {**params, "limit": query.per_page + 1})
    last = found[query.per_page - 1] if len(found) > query.per_page else None
    return Deliveries(
        [shown_delivery(one) for one in found[: query.per_page]],
        f"{last.place}.{last.replay}" if last else None,
    )


async def get_delivery(call: Call) -> OneDelivery:
    """A delivery, with all attempts that are kept, the first one first."""
    async with call.snapshot() as snapshot:
        found = await delivery_named(call, snapshot)
        attempts = await attempts_of(snapshot, found.delivery_id)
    return OneDelivery(shown_delivery(found), attempts)


async def delivery_named(call: Call, rows: Rows) -> DeliveryRow:
    """The delivery that the path names, to the integration that it names. Raises NotFound."""
    row = await owned.row_named(call, rows)
    wanted = {"integration": row.integration_id, "delivery": call.number("delivery")}
    found = await rows.one(DeliveryRow, ONE, wanted)
    if found is None:
        raise NotFound(what="Delivery")
    return found


async def list_attempts(call: Call, query: AttemptsWanted) -> Attempts:
    """Attempts to deliver to an integration, those found by a filter, the newest first."""
    async with call.snapshot() as snapshot:
        row = await owned.row_named(call, snapshot)
        params = {**asdict(query), "integration": row.integration_id}
        params |= {"place": place_in(query.cursor).get("place"), "limit": query.per_page + 1}
        found = await attempts_where(snapshot, params)
    return Attempts(shown_page(found, query.per_page), next_attempts(found, query.per_page))


def place_in(cursor: str) -> Mapping[str, int]:
    """What a page goes on after; nothing for the first."""
    place, _, replayed = cursor.partition(".")
    return {"place": int(place), "replay": int(replayed or 0)} if place else {}


def shown_page(found: Sequence[AttemptRow], rows: int) -> list[AttemptObject]:
    return [shown_attempt(one) for one in found[:rows]]


def next_attempts(found: Sequence[AttemptRow], rows: int) -> str | None:
    return str(found[rows - 1].attempt_id) if len(found) > rows else None


def shown_delivery(row: DeliveryRow) -> DeliveryObject:
    return DeliveryObject(
        id=str(row.delivery_id),
        event_id=str(row.place),
        event=row.name,
        data=row.data,
        device_id=row.device_id,
        published_at=stamp(row.published_at),
        replay=row.replay,
        state=row.state,
        attempts=row.attempts,
        since=stamp(row.since),
        settled_at=stamp_or_none(row.settled_at),
        reason=row.reason,
    )
