"""What people do to deliveries: send what was given up once more, or a range of history again.

Each function is a transaction of its own on a connection that writes, and wakes the workers.
"""

from datetime import datetime
from typing import Any, LiteralString, NamedTuple

from msgspec import Struct
from psycopg import AsyncConnection

from domain.published import BY_CLOUD
from projections.deliveries.dispatch import DELIVERIES_CHANNEL, TRIGGERS, WAKE

RETRIED_MAX = 1_000
REPLAYED_MAX = 10_000

RETRY: LiteralString = f"""
    WITH made AS (
        UPDATE outbound.delivery SET state = 'waiting', since = %(now)s, settled_at = NULL
        WHERE integration_id = %(integration)s AND delivery_id = ANY(%(deliveries)s::int8[])
          AND state IN ('parked', 'not_sent')
        RETURNING integration_id, device_id
    ), woken AS ({WAKE} RETURNING 1)
    SELECT count(*) FROM made
"""
OLDEST_PARKED = """
    SELECT delivery_id FROM outbound.delivery
    WHERE integration_id = %s AND state = 'parked' ORDER BY delivery_id LIMIT %s
"""
# Two replays of one integration are told apart by their numbers; one that is asked for again, with
# the same request, was made.
IN_TURN = "SELECT pg_advisory_xact_lock(hashtextextended('replay ' || %s, 0))"
MATCHING: LiteralString = f"""
      AND event.id > %(after)s AND event.id <= %(until)s
      AND event.published_at >= %(since)s AND event.published_at < %(before)s AND {TRIGGERS}
      AND starts_with(event.name, ours.event_prefix)
"""
REPLAY: LiteralString = f"""
    WITH ours AS MATERIALIZED (
        SELECT * FROM integrations.integration WHERE integration_id = %(integration)s
    ), matched AS (
        SELECT event.id AS place, event.published_at, event.device_id,
               'product-' || event.product_id AS meter
        FROM ours JOIN telemetry.device_event event ON event.product_id = ours.product_id
        WHERE true {MATCHING}
      UNION ALL
        SELECT event.id, event.published_at, event.device_id, 'user-' || event.user_id
        FROM ours JOIN telemetry.device_event event ON event.user_id = ours.user_id
        WHERE (ours.device_id IS NULL OR ours.device_id = event.device_id) {MATCHING}
      UNION ALL
        SELECT event.id, event.published_at, event.device_id, 'product-' || event.product_id
        FROM ours JOIN fleet.product ON product.owner = 'organization:' || ours.organization_id
        JOIN telemetry.device_event event ON event.product_id = product.product_id
        WHERE true {MATCHING}
      ORDER BY place LIMIT %(limit)s
    ), replay AS (
        SELECT coalesce(max(replay), 0) + 1 AS number FROM outbound.replay
        WHERE integration_id = %(integration)s
    ), made AS (
        INSERT INTO outbound.delivery
            (place, published_at, integration_id, device_id, replay, meter, since)
        SELECT place, published_at, %(integration)s, device_id, number, meter, %(now)s
        FROM matched, replay ORDER BY place
        RETURNING place, integration_id, device_id
    ), woken AS ({WAKE} RETURNING 1)
    INSERT INTO outbound.replay
        (integration_id, replay, request, deliveries, last_place, asked_at)
    SELECT %(integration)s, number, %(request)s, (SELECT count(*) FROM made),
           (SELECT max(place) FROM made), %(now)s
    FROM replay RETURNING deliveries, last_place
"""
REPLAYED = """
    SELECT deliveries, last_place FROM outbound.replay WHERE integration_id = %s AND request = %s
"""

Connection = AsyncConnection[Any]


class Range(Struct, frozen=True):
    """A part of history: places behind `after`, up to `until`, that were published in `since` or
    later, and earlier than `before`."""

    since: datetime
    before: datetime
    after: int = 0
    until: int = (1 << 63) - 1


class Replayed(NamedTuple):
    """How many deliveries were made, and of the last of them the place; None if there is none. If
    there are as many as the limit, there may be more behind that place."""

    deliveries: int
    last_place: int | None


async def retry(
    connection: Connection, integration_id: str, delivery_ids: list[int], now: datetime
) -> int:
    """Try those of them that are parked, or were not sent, for a day again. How many they are."""
    told = {"integration": integration_id, "deliveries": delivery_ids, "now": now}
    async with connection.transaction():
        row = await (await connection.execute(RETRY, told)).fetchone()
        await connection.execute(f"NOTIFY {DELIVERIES_CHANNEL}".encode())
    assert row is not None
    count: int = row[0]
    return count


async def retry_parked(
    connection: Connection, integration_id: str, now: datetime, limit: int = RETRIED_MAX
) -> int:
    """Try the oldest that are parked again. How many: fewer than the limit if those were all."""
    found = await connection.execute(OLDEST_PARKED, [integration_id, limit])
    oldest = [delivery_id for (delivery_id,) in await found.fetchall()]
    return await retry(connection, integration_id, oldest, now) if oldest else 0


async def replay(
    connection: Connection,
    integration_id: str,
    history: Range,
    now: datetime,
    *,
    request: str,
    limit: int = REPLAYED_MAX,
) -> Replayed:
    """Deliver again what the integration, as it is now, would have been sent of that part of
    history: each as a new delivery, with an id of its own, behind what waits already. Asked for
    again with the same `request`, nothing more is done."""
    told = {
        **{name: getattr(history, name) for name in history.__struct_fields__},
        "integration": integration_id,
        "now": now,
        "request": request,
        "limit": limit,
        "cloud": BY_CLOUD,
    }
    async with connection.transaction():
        await connection.execute(IN_TURN, [integration_id])
        before = await connection.execute(REPLAYED, [integration_id, request])
        if row := await before.fetchone():
            return Replayed(*row)
        row = await (await connection.execute(REPLAY, told)).fetchone()
        await connection.execute(f"NOTIFY {DELIVERIES_CHANNEL}".encode())
    assert row is not None
    return Replayed(*row)
