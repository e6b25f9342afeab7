"""Removes what nobody needs any more of what was sent and used: some at a time, oldest first."""

from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection

ATTEMPTS_KEPT = timedelta(days=30)
DAYS_KEPT = timedelta(days=30)
DELIVERIES_KEPT = timedelta(days=90)
REPLAYS_KEPT = timedelta(days=90)
DATA_KEPT = timedelta(days=100)  # of each device: three periods, and some days
FAILURES_KEPT = timedelta(days=1)
TIDIED_AT_ONCE = 5_000

ATTEMPTS = """
    DELETE FROM outbound.attempt WHERE attempt_id IN (
        SELECT attempt_id FROM (
            SELECT attempt_id, at FROM outbound.attempt ORDER BY attempt_id LIMIT %(rows)s
        ) oldest WHERE at < %(before)s
    )
"""
# What is not in the log yet must be counted first; what waits or is parked is not over.
DELIVERIES = """
    DELETE FROM outbound.delivery WHERE delivery_id IN (
        SELECT delivery_id FROM outbound.delivery
        WHERE (state IN ('not_sent', 'cancelled') OR batch_id IS NOT NULL)
          AND settled_at < %(before)s
        ORDER BY settled_at LIMIT %(rows)s
    )
"""
DAYS = """
    DELETE FROM outbound.day WHERE ctid = ANY (ARRAY (
        SELECT ctid FROM outbound.day WHERE day < (%(before)s AT TIME ZONE 'UTC')::date
        ORDER BY day LIMIT %(rows)s
    ))
"""
# The last one of an integration stays: the next one's number follows it.
REPLAYS = """
    DELETE FROM outbound.replay WHERE (integration_id, replay) IN (
        SELECT integration_id, early.replay
        FROM outbound.replay early JOIN outbound.replay later USING (integration_id)
        WHERE later.replay > early.replay AND early.asked_at < %(before)s LIMIT %(rows)s
    )
"""
DATA = """
    DELETE FROM usage.data WHERE ctid = ANY (ARRAY (
        SELECT ctid FROM usage.data WHERE day < (%(before)s AT TIME ZONE 'UTC')::date
        ORDER BY day LIMIT %(rows)s
    )) AND day < (SELECT before FROM usage.data_recorded)
"""
CIRCUITS = """
    DELETE FROM outbound.circuit WHERE host IN (
        SELECT host FROM outbound.circuit
        WHERE failed_at < %(before)s AND coalesce(open_until, failed_at) < %(before)s
        ORDER BY host LIMIT %(rows)s FOR UPDATE SKIP LOCKED
    )
"""
CANCEL_ORPHANS = """
    UPDATE outbound.delivery SET state = 'cancelled', reason = 'the integration was removed',
                                 settled_at = %(now)s
    WHERE delivery_id IN (
        SELECT delivery_id FROM outbound.delivery
        LEFT JOIN integrations.integration USING (integration_id)
        WHERE state = 'parked' AND integration.integration_id IS NULL LIMIT %(rows)s
    )
"""
# From one integration to the next, whatever the number of its lanes. One in which something waits
# is left to the worker who finds that it goes nowhere.
LANES = """
    WITH RECURSIVE known AS (
        (SELECT integration_id FROM outbound.lane ORDER BY integration_id LIMIT 1)
        UNION ALL
        SELECT (SELECT integration_id FROM outbound.lane
                WHERE lane.integration_id > known.integration_id
                ORDER BY integration_id LIMIT 1)
        FROM known WHERE integration_id IS NOT NULL
    )
    DELETE FROM outbound.lane WHERE (integration_id, device_id) IN (
        SELECT lane.integration_id, lane.device_id
        FROM known LEFT JOIN integrations.integration USING (integration_id)
        JOIN outbound.lane ON lane.integration_id = known.integration_id
        WHERE integration.integration_id IS NULL AND due_at IS NULL AND lease_id IS NULL
        ORDER BY 1, 2 LIMIT %(rows)s FOR UPDATE OF lane SKIP LOCKED
    )
"""
KEPT = {
    ATTEMPTS: ATTEMPTS_KEPT,
    DELIVERIES: DELIVERIES_KEPT,
    DAYS: DAYS_KEPT,
    REPLAYS: REPLAYS_KEPT,
    DATA: DATA_KEPT,
    CIRCUITS: FAILURES_KEPT,
    CANCEL_ORPHANS: timedelta(),
    LANES: timedelta(),
}


def tidy(connection: Connection[tuple[Any, ...]], now: datetime) -> bool:
    """Remove some of what nobody needs any more; whether that was all of it."""
    removed = [
        connection.execute(
            statement.encode(), {"before": now - kept, "now": now, "rows": TIDIED_AT_ONCE}
        ).rowcount
        for statement, kept in KEPT.items()
    ]
    return all(count < TIDIED_AT_ONCE for count in removed)
