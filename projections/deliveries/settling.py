"""Writing down what came of deliveries: all that is known by now, in one transaction."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection

from projections.deliveries import circuits, days, leases
from projections.deliveries.meters import Meters, columns, must_be_held
from projections.deliveries.results import DELIVERED, REASON_CHARACTERS_MAX, Left, Result, excerpt

SAID_CHANNEL = "outbound_said"

UPDATE = """
    UPDATE outbound.delivery
    SET state = came.state, attempts = attempts + came.tries, reason = came.reason,
        settled_at = CASE WHEN came.state <> 'waiting' THEN %b::timestamptz END,
        period_start = came.period_start
    FROM unnest(%b::int8[], %b::text[], %b::int4[], %b::text[], %b::date[])
        AS came (delivery_id, state, tries, reason, period_start)
    WHERE delivery.delivery_id = came.delivery_id
"""
RECORD = """
    INSERT INTO outbound.attempt
        (delivery_id, integration_id, device_id, place, attempt, delivered, at, took_ms, method,
         host, request_bytes, status, error, response)
    SELECT * FROM unnest(
        %b::int8[], %b::text[], %b::text[], %b::int8[], %b::int4[], %b::bool[], %b::timestamptz[],
        %b::int4[], %b::text[], %b::text[], %b::int4[], %b::int4[], %b::text[], %b::text[])
"""
SAY = """
    WITH said AS (
        INSERT INTO outbound.said (message)
        SELECT message FROM unnest(%b::bytea[]) WITH ORDINALITY AS told (message, number)
        ORDER BY number RETURNING 1
    ) SELECT pg_notify(%b, '') FROM said LIMIT 1
"""
# Who makes deliveries locks the lane too: what it has added until now is seen by what comes next.
# Lanes are found by their names: under one lease there are a great many that were left before.
LOCK = """
    SELECT 1 FROM outbound.lane JOIN unnest(%b::text[], %b::text[])
        AS ours (integration_id, device_id) USING (integration_id, device_id)
    WHERE lease_id IS NOT DISTINCT FROM %b::uuid
    ORDER BY integration_id, device_id FOR UPDATE OF lane
"""
LEAVE = """
    UPDATE outbound.lane
    SET lease_id = NULL,
        due_at = CASE WHEN EXISTS (
            SELECT 1 FROM outbound.delivery
            WHERE delivery.integration_id = lane.integration_id
              AND delivery.device_id = lane.device_id AND delivery.state = 'waiting'
        ) THEN coalesce(ours.due_at, %b) END
    FROM unnest(%b::text[], %b::text[], %b::timestamptz[])
        AS ours (integration_id, device_id, due_at)
    WHERE lane.integration_id = ours.integration_id AND lane.device_id = ours.device_id
      AND lane.lease_id IS NOT DISTINCT FROM %b::uuid
"""

Connection = AsyncConnection[tuple[Any, ...]]


async def settle(
    connection: Connection,
    lease_id: UUID,
    meters: Meters,
    results: Sequence[Result],
    lefts: Sequence[Left],
    now: datetime,
) -> None:
    """Everything is asked at once, and then waited for. Raises LeaseLost: then nothing counts."""
    async with connection.pipeline(), connection.transaction():
        standing = await leases.stand_on(connection, lease_id)
        if lefts:
            names = columns([left.name for left in lefts])
            await connection.execute(LOCK, [*names, lease_id], prepare=True)
        if results:
            await update(connection, results, now)
        if lefts:
            due = [left.due_at for left in lefts]
            await connection.execute(LEAVE, [now, *names, due, lease_id], prepare=True)
        await circuits.learn(connection, [one.tried for one in results if one.tried], now)
        units = [one.unit for one in results if one.unit]
        units += [unit for left in lefts for unit in left.unused]
        held = await meters.settle(connection, units)
        await days.count(connection, results, now)
        await leases.must_stand(standing)
        await must_be_held(held)


async def update(connection: Connection, results: Sequence[Result], now: datetime) -> None:
    changed = columns(
        [
            (
                one.delivery.delivery_id,
                one.state,
                int(one.attempt is not None),
                excerpt(one.reason, REASON_CHARACTERS_MAX),
                one.unit.period_start if one.unit and one.state == DELIVERED else None,
            )
            for one in results
        ]
    )
    await connection.execute(UPDATE, [now, *changed], prepare=True)
    attempts = [attempt_row(one) for one in results if one.attempt]
    if attempts:
        await connection.execute(RECORD, columns(attempts), prepare=True)
    said = [one.said for one in results if one.said]
    if said:
        await connection.execute(SAY, [said, SAID_CHANNEL], prepare=True)


def attempt_row(result: Result) -> tuple[Any, ...]:
    delivery, attempt = result.delivery, result.attempt
    assert attempt is not None
    return (
        delivery.delivery_id,
        delivery.integration_id,
        delivery.device_id,
        delivery.place,
        delivery.attempts + 1,
        result.state == DELIVERED,
        attempt.at,
        attempt.took_ms,
        attempt.method,
        attempt.host,
        attempt.request_bytes,
        attempt.status,
        excerpt(attempt.error, REASON_CHARACTERS_MAX),
        excerpt(attempt.response),
    )
