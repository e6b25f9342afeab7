"""What became of deliveries, counted by integration and day."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from psycopg import AsyncConnection

from projections.deliveries.meters import columns
from projections.deliveries.results import DELIVERED, NOT_SENT, Result

# In one order, behind the meters: of two workers who count for the same, one waits.
COUNT = """
    INSERT INTO outbound.day AS known (integration_id, day, delivered, failed, not_sent)
    SELECT integration_id, %b, count(*) FILTER (WHERE is_attempt AND is_delivered),
           count(*) FILTER (WHERE is_attempt AND NOT is_delivered),
           count(*) FILTER (WHERE NOT is_attempt)
    FROM unnest(%b::text[], %b::bool[], %b::bool[])
        AS came (integration_id, is_attempt, is_delivered)
    GROUP BY integration_id ORDER BY integration_id
    ON CONFLICT (integration_id, day) DO UPDATE
    SET delivered = known.delivered + excluded.delivered, failed = known.failed + excluded.failed,
        not_sent = known.not_sent + excluded.not_sent
"""


async def count(
    connection: AsyncConnection[tuple[Any, ...]], results: Iterable[Result], now: datetime
) -> None:
    """In a transaction: attempts, and deliveries that were not sent. No answer is waited for."""
    told = [
        (one.delivery.integration_id, one.attempt is not None, one.state == DELIVERED)
        for one in results
        if one.attempt is not None or one.state == NOT_SENT
    ]
    if told:
        day = now.astimezone(UTC).date()
        await connection.execute(COUNT, [day, *columns(told)], prepare=True)
