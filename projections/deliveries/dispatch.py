"""Makes deliveries of device events: a page of events meets all integrations in one statement."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString

from psycopg import Connection

from domain.published import BY_CLOUD, CHANNEL
from projections.deliveries.tidying import tidy

PAGE_EVENTS_MAX = 2_000
DELIVERIES_CHANNEL = "outbound"  # where it is said that something waits
TIDY_EVERY = timedelta(minutes=10)
EXPIRE_EVERY = timedelta(seconds=5)

# The events of a place and up, and whom they concern. What deliveries say back triggers none: it is
# the cloud's own, and not made from the log. Everything else is somebody's.
MATCHED: LiteralString = """
    SELECT event.id AS place, event.published_at, event.device_id, integration.integration_id,
           'product-' || event.product_id AS meter
    FROM event JOIN integrations.integration USING (product_id)
    WHERE NOT integration.disabled AND starts_with(event.name, integration.event_prefix)
  UNION ALL
    SELECT event.id, event.published_at, event.device_id, integration.integration_id,
           'user-' || event.user_id
    FROM event JOIN integrations.integration USING (user_id)
    WHERE NOT integration.disabled AND starts_with(event.name, integration.event_prefix)
      AND (integration.device_id IS NULL OR integration.device_id = event.device_id)
  UNION ALL
    SELECT event.id, event.published_at, event.device_id, integration.integration_id,
           'product-' || event.product_id
    FROM event JOIN fleet.product USING (product_id)
    JOIN integrations.integration
      ON integration.organization_id = substring(product.owner FROM '^organization:(.*)')
    WHERE NOT integration.disabled AND starts_with(event.name, integration.event_prefix)
"""
TRIGGERS: LiteralString = '(publisher IS DISTINCT FROM %(cloud)s OR "position" IS NOT NULL)'
# Locks every lane that it adds to, so that a worker leaving one sees what was added, or is seen.
WAKE: LiteralString = """
    INSERT INTO outbound.lane AS known (integration_id, device_id, due_at)
    SELECT DISTINCT integration_id, device_id, %(now)s FROM made ORDER BY 1, 2
    ON CONFLICT (integration_id, device_id) DO UPDATE SET due_at = excluded.due_at
    WHERE known.due_at IS NULL
"""
PLACE = "SELECT place FROM outbound.dispatched"
MOVE = "UPDATE outbound.dispatched SET place = %s WHERE place < %s"
UNTIL = """
    SELECT max(id) FROM (
        SELECT id FROM telemetry.device_event WHERE id > %s ORDER BY id LIMIT %s
    ) page
"""
DISPATCH: LiteralString = f"""
    WITH event AS MATERIALIZED (
        SELECT id, published_at, device_id, product_id, user_id, name
        FROM telemetry.device_event WHERE id > %(after)s AND id <= %(until)s AND {TRIGGERS}
    ), matched AS ({MATCHED}), made AS (
        INSERT INTO outbound.delivery
            (place, published_at, integration_id, device_id, meter, since)
        SELECT place, published_at, integration_id, device_id, meter, %(now)s
        FROM matched ORDER BY place, integration_id
        RETURNING integration_id, device_id
    ), woken AS ({WAKE} RETURNING 1)
    SELECT pg_notify(%(channel)s, '') FROM woken LIMIT 1
"""
# What streams took and did not hold on to.
EXPIRE = "SELECT usage.expire()"


class Dispatch:
    """The task of making deliveries of what was said, in order, each of them once."""

    name = "dispatch"
    channel = CHANNEL
    rest_s = 0.01

    def __init__(
        self,
        *,
        now: Callable[[], datetime] | None = None,
        page_events_max: int = PAGE_EVENTS_MAX,
    ) -> None:
        self._now = now or (lambda: datetime.now(UTC))
        self._events_max = page_events_max
        self._place = 0
        self._tidy_at = self._now() + TIDY_EVERY
        self._expire_at = self._now()

    def begin(self, connection: Connection[tuple[Any, ...]]) -> None:
        row = connection.execute(PLACE).fetchone()
        assert row is not None
        self._place = row[0]

    def step(self, connection: Connection[tuple[Any, ...]]) -> bool:
        now = self._now()
        if now >= self._expire_at:
            connection.execute(EXPIRE)
            self._expire_at = now + EXPIRE_EVERY
        if now >= self._tidy_at and tidy(connection, now):
            self._tidy_at = now + TIDY_EVERY
        found = connection.execute(UNTIL, [self._place, self._events_max], prepare=True).fetchone()
        assert found is not None
        until: int | None = found[0]
        if until is None:
            return False
        with connection.transaction():
            # First of all: if another one was faster, it is seen here.
            if connection.execute(MOVE, [until, until], prepare=True).rowcount:
                told = {"after": self._place, "until": until, "now": now, "cloud": BY_CLOUD}
                connection.execute(DISPATCH, {**told, "channel": DELIVERIES_CHANNEL}, prepare=True)
        self._place = until
        return True
