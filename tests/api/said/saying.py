"""Device events stored as the intake stores them."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
from psycopg import sql

from domain.published import CHANNEL
from projections.device_events.telemetry import LAST

DAY = """
    CREATE TABLE IF NOT EXISTS telemetry.{name}
    PARTITION OF telemetry.device_event FOR VALUES FROM ({start}) TO ({end})
"""
SAY = """
    INSERT INTO telemetry.device_event
        (device_id, product_id, user_id, name, data, ttl, published_at, version, publisher)
    VALUES (%(device_id)s, %(product_id)s, %(user_id)s, %(name)s, %(data)s, %(ttl)s,
            %(published_at)s, %(version)s, %(publisher)s)
"""
NOBODY: dict[str, Any] = dict.fromkeys(
    ("product_id", "user_id", "data", "version", "publisher"), None
)


def say(database: str, *events: dict[str, Any]) -> int:
    """Store events in one transaction and say so; returns the place of the last one."""
    with psycopg.connect(database) as connection:
        moment = datetime.now(UTC)
        make_day(connection, moment.date())
        whole = [{**NOBODY, "ttl": 60, "published_at": moment, **event} for event in events]
        with connection.cursor() as cursor:
            cursor.executemany(SAY, whole)
        return told(connection)


def make_day(connection: psycopg.Connection[Any], day: date) -> None:
    start, end = (
        sql.Literal(datetime(at.year, at.month, at.day, tzinfo=UTC))
        for at in (day, day + timedelta(days=1))
    )
    name = sql.Identifier(f"device_event_{day:%Y%m%d}")
    connection.execute(sql.SQL(DAY).format(name=name, start=start, end=end))


def told(connection: psycopg.Connection[Any]) -> int:
    row = connection.execute(LAST).fetchone()
    assert row is not None
    connection.execute("SELECT pg_notify(%s, %s)", [CHANNEL, str(row[0])])
    place: int = row[0]
    return place
