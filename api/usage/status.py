"""How much a product, or a user's sandbox, has used in its billing period, and when that ends."""

from collections.abc import Sequence
from datetime import UTC, date, datetime

from msgspec import Struct
from msgspec.structs import replace

from api.call import Call
from api.database import Rows
from api.fleet.products import ProductsWanted, product_in, seen_by
from api.views import Page, page_of, stamp_or_none
from domain.meter_names import PRODUCT, USER, product_of, user_of
from domain.period import Period, period_of

# Every reader of one moment sees the counts of one moment.
OF_PRODUCTS = """
    SELECT product.product_id, product.name, (product.created_at AT TIME ZONE 'UTC')::date AS since,
           (SELECT coalesce(sum(devices), 0)::bigint FROM fleet.tally
            JOIN fleet.cohort USING (cohort_id)
            WHERE tally.product_id = product.product_id AND standing = 'member') AS devices,
           1 + (SELECT count(*) FROM access.member
                WHERE team = product.product_id::text AND state = 'member') AS team_members
    FROM fleet.product WHERE product.product_id = ANY (%s) AND NOT retired
    ORDER BY product.product_id
"""
OF_USER = "SELECT (created_at AT TIME ZONE 'UTC')::date FROM access.account WHERE user_id = %s"
METERED = """
    SELECT asked.meter, coalesce(counting.counted, 0) AS messages, allowance.limit_messages,
           period.messages AS recorded, period.warned_percent, period.reached_at
    FROM unnest(%s::text[], %s::date[]) AS asked (meter, period_start)
    LEFT JOIN usage.meter AS counting USING (meter, period_start)
    LEFT JOIN metered.period USING (meter, period_start)
    LEFT JOIN metered.allowance USING (meter)
"""
# Whole days as they are in the log, and what each device sent since.
DATA = """
    WITH asked AS (
        SELECT meter, product_id, user_id, starts, ends,
               greatest(starts, (SELECT max(day) + 1 FROM metered.data_day
                                 WHERE data_day.meter = named.meter)) AS since
        FROM unnest(%s::text[], %s::integer[], %s::text[], %s::date[], %s::date[])
            AS named (meter, product_id, user_id, starts, ends)
    )
    SELECT meter, sum(messages)::bigint AS messages, sum(bytes)::bigint AS bytes FROM (
        SELECT meter, messages, bytes FROM asked JOIN metered.data_day USING (meter)
        WHERE day >= starts AND day < ends
      UNION ALL
        SELECT meter, messages, bytes FROM asked JOIN usage.data USING (product_id)
        WHERE day >= since AND day < ends
      UNION ALL
        SELECT meter, messages, bytes FROM asked JOIN fleet.device ON device.owner = asked.user_id
        CROSS JOIN generate_series(since, ends - 1, '1 day') AS one (day)
        JOIN usage.data ON data.day = one.day::date AND data.device_id = device.device_id
                       AND data.product_id = 0
    ) AS sent GROUP BY meter
"""
VISIBLE = """
    SELECT array_agg(product_id ORDER BY product_id), max(total) FROM (
        SELECT product_id, count(*) OVER () AS total FROM fleet.product
        WHERE NOT retired AND (%(everything)s OR product_id = ANY (%(product_ids)s)
                               OR owner = ANY (%(owners)s))
        ORDER BY product_id LIMIT %(rows)s OFFSET %(before)s
    ) AS page
"""


class Outbound(Struct, frozen=True):
    """Outbound messages of the period: `used` as of now, of them `recorded` in the log. `limit` and
    `remaining` are null where there is none. `warned_percent` is what somebody was told of last."""

    used: int
    recorded: int
    limit: int | None
    remaining: int | None
    warned_percent: int | None
    limit_reached_at: str | None


class Data(Struct, frozen=True):
    """What devices sent in the period."""

    messages: int
    bytes: int


class UsageObject(Struct, frozen=True):
    """`period_start` is a day, and `renews_on` the first one of the next period."""

    product_id: int | None
    name: str | None
    period_start: str
    renews_on: str
    outbound_messages: Outbound
    data: Data
    devices: int | None = None
    team_members: int | None = None


class Usage(Struct, frozen=True):
    """Of the caller's sandbox, and of every product that they see."""

    sandbox: UsageObject | None
    products: list[UsageObject]
    meta: Page


class ProductUsed(Struct, frozen=True):
    product_id: int
    name: str
    since: date
    devices: int
    team_members: int


class Metered(Struct, frozen=True):
    meter: str
    messages: int
    limit_messages: int | None
    recorded: int | None
    warned_percent: int | None
    reached_at: datetime | None


class DataUsed(Struct, frozen=True):
    meter: str
    messages: int
    bytes: int


async def get_usage(call: Call) -> UsageObject:
    """What the product has used in its billing period."""
    async with call.snapshot() as snapshot:
        product = await product_in(call, snapshot)
        (usage,) = await usage_of_products(snapshot, [product.product_id], today())
    return usage


async def get_own_usage(call: Call, query: ProductsWanted) -> Usage:
    """What the caller's sandbox and products have used in their billing periods."""
    seen, user_id = seen_by(call.caller), call.caller.user_id
    wanted = {
        "everything": seen.everything,
        "product_ids": seen.product_ids,
        "owners": seen.owners,
        "rows": query.per_page,
        "before": (query.page - 1) * query.per_page,
    }
    async with call.snapshot() as snapshot:
        cursor = await snapshot.connection.execute(VISIBLE, wanted)
        found = await cursor.fetchone()
        product_ids, total = found or (None, None)
        products = await usage_of_products(snapshot, product_ids or [], today())
        sandbox = await usage_of_user(snapshot, user_id, today()) if user_id else None
    return Usage(sandbox, products, page_of(query.page, query.per_page, total or 0))


async def usage_of_products(rows: Rows, product_ids: Sequence[int], day: date) -> list[UsageObject]:
    """In the order of their ids."""
    products = await rows.all(ProductUsed, OF_PRODUCTS, [list(product_ids)])
    periods = {f"{PRODUCT}{one.product_id}": period_of(one.since, day) for one in products}
    used = await used_in(rows, periods)
    return [
        replace(
            used[f"{PRODUCT}{one.product_id}"],
            product_id=one.product_id,
            name=one.name,
            devices=one.devices,
            team_members=one.team_members,
        )
        for one in products
    ]


async def usage_of_user(rows: Rows, user_id: str, day: date) -> UsageObject | None:
    since = await rows.value(OF_USER, [user_id])
    if since is None:
        return None
    (used,) = (await used_in(rows, {f"{USER}{user_id}": period_of(since, day)})).values()
    return used


async def used_in(rows: Rows, periods: dict[str, Period]) -> dict[str, UsageObject]:
    """What each meter has counted in its period, and what devices sent in that."""
    meters = list(periods)
    starts, ends = ([period[at] for period in periods.values()] for at in (0, 1))
    owners = [[product_of(meter) for meter in meters], [user_of(meter) for meter in meters]]
    found = await rows.all(DataUsed, DATA, [meters, *owners, starts, ends])
    sent = {one.meter: Data(one.messages, one.bytes) for one in found}
    return {
        one.meter: UsageObject(
            product_id=None,
            name=None,
            period_start=periods[one.meter].start.isoformat(),
            renews_on=periods[one.meter].end.isoformat(),
            outbound_messages=outbound(one),
            data=sent.get(one.meter, Data(0, 0)),
        )
        for one in await rows.all(Metered, METERED, [meters, starts])
    }


def outbound(metered: Metered) -> Outbound:
    used, limit = metered.messages, metered.limit_messages
    return Outbound(
        used=used,
        recorded=metered.recorded or 0,
        limit=limit,
        remaining=None if limit is None else max(0, limit - used),
        warned_percent=metered.warned_percent,
        limit_reached_at=stamp_or_none(metered.reached_at),
    )


def today() -> date:
    return datetime.now(UTC).date()
