"""Vitals: how devices are, as they last said and as they said over time; and asking them anew."""

import csv
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct
from starlette.responses import Response

from api.call import Call
from api.calls.asked import Asked, ThingUnknown, answer_of, device_asked
from api.calls.pings import PING_TIMEOUT_S
from api.fleet.past import moment
from api.problem import FieldInvalid, NotFound
from api.views import Done, stamp
from domain.published import VITALS
from domain.roles import AtDevice, InProduct

KEPT = timedelta(days=31)  # longer than device events are, unless somebody wants it otherwise
ROWS_MAX = 5_000
DEPTH_MAX = 16  # of what becomes columns
CSV = "text/csv"

# The name is spelled out: so that the index of vitals alone is seen to fit.
SAID = f"""
    SELECT published_at, data FROM telemetry.device_event
    WHERE device_id = %(device)s AND name = '{VITALS}'
      AND (%(product)s::integer IS NULL OR product_id = %(product)s)
"""
LAST = SAID + " ORDER BY published_at DESC LIMIT 1"
BETWEEN = (
    SAID
    + """
      AND published_at >= %(start)s AND published_at < %(end)s
    ORDER BY published_at DESC LIMIT %(limit)s
    """
)

Date = Annotated[str, Meta(max_length=64)]


class Said(Struct, frozen=True):
    published_at: datetime
    data: str | None


class Vitals(Struct, frozen=True):
    """`payload` is as the device said it; null where that was no JSON."""

    updated_at: str
    deviceID: str
    payload: Any


class LastVitals(Struct, frozen=True):
    diagnostics: Vitals


class VitalsHistory(Struct, frozen=True):
    """The newest first."""

    diagnostics: list[Vitals]


class VitalsWanted(Struct, frozen=True):
    """Times: `start_date` is included, `end_date` is not. The last month, unless said."""

    start_date: Date = ""
    end_date: Date = ""


class DatesWrong(Struct, frozen=True):
    """As clients of these routes expect it, and as all errors are."""

    description: str
    error_description: str
    field: str
    ok: bool = False
    error: str = "bad_request"


async def last_vitals(call: Call) -> LastVitals:
    """How the device was when it last said so."""
    asked = await device_asked(call)
    async with call.cloud.database.reading() as rows:
        said = await rows.one(Said, LAST, seen(call, asked))
    if said is None:
        raise NotFound(what="Device vitals")
    return LastVitals(shown(asked, said))


async def vitals_history(
    call: Call, query: VitalsWanted
) -> Annotated[VitalsHistory | Response, VitalsHistory, CSV]:
    """How the device was over time; as CSV where `Accept` asks for it."""
    asked = await device_asked(call)
    try:
        start, end = dates(query)
    except FieldInvalid as invalid:
        wrong = DatesWrong(str(invalid), str(invalid), invalid.field)
        return Response(msgspec.json.encode(wrong), 400, media_type="application/json")
    wanted = {**seen(call, asked), "start": start, "end": end, "limit": ROWS_MAX}
    async with call.cloud.database.reading() as rows:
        said = await rows.all(Said, BETWEEN, wanted)
    vitals = [shown(asked, one) for one in said]
    if CSV in call.request.headers.get("accept", ""):
        return Response(as_csv(vitals), media_type=CSV)
    return VitalsHistory(vitals)


async def update_vitals(call: Call) -> Done:
    """Ask the device to say how it is: an event of it follows."""
    asked = await device_asked(call)
    try:
        await answer_of(call, asked, "vitals", timeout_s=PING_TIMEOUT_S)
    except ThingUnknown:
        raise NotFound(what="Device vitals") from None
    return Done()


def seen(call: Call, asked: Asked) -> dict[str, Any]:
    """What a device said in another product is for that one's team; its owner sees all of it."""
    place, product_id = call.place, None
    if isinstance(place, InProduct):
        product_id = place.product_id
    elif isinstance(place, AtDevice) and place.product and place.owner != call.caller.user_id:
        product_id = place.product.product_id
    return {"device": asked.device_id, "product": product_id}


def dates(query: VitalsWanted) -> tuple[datetime, datetime]:
    """Raises FieldInvalid."""
    now = datetime.now(UTC)
    end = day(query.end_date, "end_date") if query.end_date else now
    start = day(query.start_date, "start_date") if query.start_date else now - KEPT
    if end < start:
        raise FieldInvalid(field="end_date", reason="lies before start_date")
    return start, end


def day(given: str, field: str) -> datetime:
    try:
        return moment(given, field)
    except FieldInvalid:
        reason = "expected a time such as 2030-01-31T12:00:00Z"
        raise FieldInvalid(field=field, reason=reason) from None


def shown(asked: Asked, said: Said) -> Vitals:
    try:
        payload = msgspec.json.decode(said.data or "null")
    except (msgspec.DecodeError, RecursionError):
        payload = None
    return Vitals(stamp(said.published_at), asked.device_id, payload)


def as_csv(vitals: Sequence[Vitals]) -> str:
    """A row for each, a column for every value that any of them has, named by the way to it."""
    flat = [dict(values((), one.payload)) for one in vitals]
    columns = sorted({column for one in flat for column in one})
    text = StringIO()
    table = csv.writer(text)
    table.writerow(["updated_at", "deviceID", *columns])
    for one, found in zip(vitals, flat, strict=True):
        cells = [found.get(column, "") for column in columns]
        table.writerow([one.updated_at, one.deviceID, *cells])
    return text.getvalue()


def values(way: tuple[str, ...], payload: Any) -> Iterator[tuple[str, Any]]:
    """Every value, by the way to it: `device.power.source`."""
    if isinstance(payload, dict) and len(way) < DEPTH_MAX:
        for key, value in payload.items():
            yield from values((*way, key), value)
    elif isinstance(payload, dict | list):
        yield ".".join(way), msgspec.json.encode(payload).decode()
    elif payload is not None:
        yield ".".join(way), payload
