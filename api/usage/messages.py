"""The outbound messages of a product, counted by integration, device or day, and batch by batch."""

from typing import Annotated, Literal

from msgspec import Meta, Struct
from msgspec.structs import astuple
from starlette.responses import Response

from api.call import Call
from api.fleet.products import product_in
from api.usage.spans import CSV, SpanWanted, as_csv
from api.views import PER_PAGE_DEFAULT, Page, PageRows, page_of
from domain.meter_names import PRODUCT

POSITION_DIGITS_MAX = 18

COLUMNS = {
    "day": ("integration_day", "day::text"),
    "integration": ("integration_day", "integration_id"),
    "device": ("device_day", "device_id"),
}
COUNTED = """
    SELECT {column} AS of, sum(messages)::bigint AS messages, min(day)::text AS first_day,
           max(day)::text AS last_day, count(*) OVER () AS total
    FROM metered.{table} WHERE meter = %(meter)s AND day >= %(start)s AND day <= %(end)s
    GROUP BY {column} ORDER BY {order} LIMIT %(rows)s OFFSET %(before)s
"""
ORDERS = {"day": "1", "integration": "2 DESC, 1", "device": "2 DESC, 1"}
BATCHES = """
    SELECT "position", batch_id, period_start::text, day::text, integration_id, messages,
           first_place, last_place
    FROM metered.batch WHERE meter = %s AND "position" < %s ORDER BY "position" DESC LIMIT %s
"""


class CountsWanted(SpanWanted, frozen=True):
    """`from` and `to` are days, both included. `format` may be `csv`."""

    by: Literal["day", "integration", "device"] = "day"


class Count(Struct, frozen=True):
    """`of` is a day, a device id or an integration id; empty are streams."""

    of: str
    messages: int
    first_day: str
    last_day: str


class CountRow(Count, frozen=True):
    total: int


class Counts(Struct, frozen=True):
    by: str
    counts: list[Count]
    meta: Page


class BatchesWanted(Struct, frozen=True):
    """`cursor` is the `next` of the page before."""

    cursor: Annotated[str, Meta(max_length=POSITION_DIGITS_MAX, pattern="^[0-9]*$")] = ""
    per_page: PageRows = PER_PAGE_DEFAULT


class Batch(Struct, frozen=True):
    """So many messages, counted by the event at `position` of the log. What they sent are device
    events with ids from `first_place` to `last_place`."""

    position: int
    batch_id: str
    period_start: str
    day: str
    integration_id: str
    messages: int
    first_place: int
    last_place: int


class Batches(Struct, frozen=True):
    batches: list[Batch]
    next: str | None


async def count_messages(
    call: Call, query: CountsWanted
) -> Annotated[Counts | Response, Counts, CSV]:
    """How many outbound messages there were, by day, integration or device."""
    table, column = COLUMNS[query.by]
    async with call.snapshot() as snapshot:
        product = await product_in(call, snapshot)
        wanted = {"meter": f"{PRODUCT}{product.product_id}", **query.parameters()}
        statement = COUNTED.format(table=table, column=column, order=ORDERS[query.by])
        found = await snapshot.all(CountRow, statement, wanted)
    rows = [astuple(one)[:-1] for one in found]
    if query.format == "csv":
        names = (query.by, *Count.__struct_fields__[1:])
        return Response(as_csv(names, rows), media_type=CSV)
    total = found[0].total if found else 0
    counts = [Count(*row) for row in rows]
    return Counts(query.by, counts, page_of(query.page, query.per_page, total))


async def list_batches(call: Call, query: BatchesWanted) -> Batches:
    """Where every counted message of the product can be found, the newest first."""
    before = int(query.cursor) if query.cursor else 2**63 - 1
    async with call.snapshot() as snapshot:
        product = await product_in(call, snapshot)
        wanted = [f"{PRODUCT}{product.product_id}", before, query.per_page + 1]
        found = await snapshot.all(Batch, BATCHES, wanted)
    shown = found[: query.per_page]
    return Batches(shown, str(shown[-1].position) if len(found) > len(shown) else None)
