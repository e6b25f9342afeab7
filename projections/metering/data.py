"""What devices sent, on its way into the log: a day at a time, once it is over.

A day is closed before it is summed up: whoever stores what devices send counts it for the first
day that is not closed, so that each message counts for one day, and no day changes any more.
"""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from msgspec import Struct
from psycopg import Connection
from psycopg.rows import class_row

from domain.meter import RecordData
from domain.period import period_of

DAY_SETTLES = timedelta(minutes=10)  # what came before midnight is counted a little after it

DATA_BEFORE = "SELECT before FROM usage.data_recorded"
DATA_BEGINS = """
    INSERT INTO usage.data_recorded (before, closed_before)
    SELECT first, first FROM (SELECT coalesce(min(day), %s) FROM usage.data) AS known (first)
    ON CONFLICT DO NOTHING
"""
# From then on nobody adds to the day: whoever is at it is waited for.
DATA_CLOSED = "UPDATE usage.data_recorded SET closed_before = %s"
# A device in no product is one of its owner's: of who that is when the day is counted.
DATA_OF_DAY = """
    SELECT 'product-' || product_id AS meter, (created_at AT TIME ZONE 'UTC')::date AS since,
           sum(messages)::bigint AS messages, sum(bytes)::bigint AS bytes, count(*) AS devices
    FROM usage.data JOIN fleet.product USING (product_id)
    WHERE day = %(day)s AND product_id <> 0 GROUP BY product_id, created_at
  UNION ALL
    SELECT 'user-' || user_id, (created_at AT TIME ZONE 'UTC')::date,
           sum(messages)::bigint, sum(bytes)::bigint, count(*)
    FROM usage.data JOIN fleet.device USING (device_id)
    JOIN access.account ON user_id = device.owner AND NOT erased
    WHERE day = %(day)s AND data.product_id = 0 GROUP BY user_id, created_at
    ORDER BY 1
"""
DATA_MOVED = "UPDATE usage.data_recorded SET before = %s"

Sql = Connection[tuple[Any, ...]]


class DataOfDay(Struct):
    """What the devices of a product, or of a user, sent in a day. `since` is when its periods count
    from."""

    meter: str
    since: date
    messages: int
    bytes: int
    devices: int

    def command(self, day: date) -> RecordData:
        start, end = period_of(self.since, day)
        return RecordData(
            meter=self.meter,
            period_start=start.isoformat(),
            period_end=end.isoformat(),
            day=day.isoformat(),
            messages=self.messages,
            bytes=self.bytes,
            devices=self.devices,
        )


def day_over(connection: Sql, now: datetime) -> date | None:
    """The first day that is over and not in the log; None if there is none."""
    today = (now - DAY_SETTLES).astimezone(UTC).date()
    connection.execute(DATA_BEGINS, [today])
    row = connection.execute(DATA_BEFORE).fetchone()
    assert row is not None
    day: date = row[0]
    return day if day < today else None


def close_day(connection: Sql, day: date) -> list[DataOfDay]:
    """What the devices of each product, and of each user, sent that day. Nothing is added to it."""
    connection.execute(DATA_CLOSED, [day + timedelta(days=1)])
    with connection.cursor(row_factory=class_row(DataOfDay)) as cursor:
        return cursor.execute(DATA_OF_DAY, {"day": day}).fetchall()


def move_on(connection: Sql, day: date) -> None:
    """That day is in the log."""
    connection.execute(DATA_MOVED, [day + timedelta(days=1)])
