"""What the devices of a product sent, by day or device."""

from typing import Annotated, Literal

from msgspec import Struct
from msgspec.structs import astuple
from starlette.responses import Response

from api.call import Call
from api.fleet.products import product_in
from api.usage.spans import CSV, SpanWanted, as_csv
from api.views import Page, page_of
from domain.meter_names import PRODUCT

# Whole days as they are in the log, and what each device sent since.
BY_DAY = """
    SELECT day::text AS of, messages, bytes, day::text AS first_day, day::text AS last_day,
           count(*) OVER () AS total
    FROM (
        SELECT day, messages, bytes FROM metered.data_day WHERE meter = %(meter)s
      UNION ALL
        SELECT day, sum(messages)::bigint, sum(bytes)::bigint FROM usage.data
        WHERE product_id = %(product)s
          AND day > coalesce((SELECT max(day) FROM metered.data_day WHERE meter = %(meter)s),
                             '-infinity')
        GROUP BY day
    ) AS sent
    WHERE day >= %(start)s AND day <= %(end)s ORDER BY day LIMIT %(rows)s OFFSET %(before)s
"""
BY_DEVICE = """
    SELECT device_id AS of, sum(messages)::bigint AS messages, sum(bytes)::bigint AS bytes,
           min(day)::text AS first_day, max(day)::text AS last_day, count(*) OVER () AS total
    FROM usage.data WHERE product_id = %(product)s AND day >= %(start)s AND day <= %(end)s
    GROUP BY device_id ORDER BY 3 DESC, 1 LIMIT %(rows)s OFFSET %(before)s
"""
QUERIES = {"day": BY_DAY, "device": BY_DEVICE}


class DataWanted(SpanWanted, frozen=True):
    """`from` and `to` are days, both included; of devices those of the last 100 days are known.
    `format` may be `csv`."""

    by: Literal["day", "device"] = "day"


class Sent(Struct, frozen=True):
    """`of` is a day or a device id."""

    of: str
    messages: int
    bytes: int
    first_day: str
    last_day: str


class SentRow(Sent, frozen=True):
    total: int


class DataSent(Struct, frozen=True):
    by: str
    data: list[Sent]
    meta: Page


async def count_data(
    call: Call, query: DataWanted
) -> Annotated[DataSent | Response, DataSent, CSV]:
    """How many messages devices sent, and how many bytes, by day or device."""
    async with call.snapshot() as snapshot:
        product = await product_in(call, snapshot)
        meter = f"{PRODUCT}{product.product_id}"
        wanted = {"product": product.product_id, "meter": meter, **query.parameters()}
        found = await snapshot.all(SentRow, QUERIES[query.by], wanted)
    rows = [astuple(one)[:-1] for one in found]
    if query.format == "csv":
        names = (query.by, *Sent.__struct_fields__[1:])
        return Response(as_csv(names, rows), media_type=CSV)
    total = found[0].total if found else 0
    sent = [Sent(*row) for row in rows]
    return DataSent(query.by, sent, page_of(query.page, query.per_page, total))
