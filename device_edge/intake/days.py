"""A partition a day: made ahead, and dropped when its time is over."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from psycopg import AsyncConnection
from psycopg.sql import SQL, Identifier, Literal

DAYS_AHEAD = 2
DROPPED_AT_ONCE_MAX = 10  # each needs a lock on the whole table for a moment
PREFIX = "device_event_"
DAY_FORMAT = "%Y%m%d"
PARTITIONS = (
    "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
    " WHERE i.inhparent = 'telemetry.device_event'::regclass ORDER BY c.relname"
)

Connection = AsyncConnection[tuple[Any, ...]]


class Days:
    """The partitions that are there, as this one worker knows them."""

    def __init__(self) -> None:
        self._made: set[date] = set()

    async def keep_up(self, connection: Connection, today: date, days_kept: int) -> Sequence[date]:
        """Make the days ahead, drop those past their keeping. Gives those left, oldest first."""
        rows = await (await connection.execute(PARTITIONS)).fetchall()
        self._made = {day_of(name) for (name,) in rows}
        for ahead in range(DAYS_AHEAD + 1):
            await self.make(connection, today + timedelta(days=ahead))
        over = sorted(day for day in self._made if day < today - timedelta(days=days_kept))
        for day in over[:DROPPED_AT_ONCE_MAX]:
            await connection.execute(SQL("DROP TABLE {}").format(table_of(day)))
            self._made.remove(day)
        return sorted(self._made)

    async def make(self, connection: Connection, day: date) -> None:
        """Make the day's partition, unless it is there."""
        if day in self._made:
            return
        await connection.execute(
            SQL(
                "CREATE TABLE IF NOT EXISTS {} PARTITION OF telemetry.device_event"
                " FOR VALUES FROM ({}) TO ({})"
            ).format(table_of(day), midnight(day), midnight(day + timedelta(days=1)))
        )
        self._made.add(day)


def table_of(day: date) -> Identifier:
    return Identifier("telemetry", f"{PREFIX}{day:{DAY_FORMAT}}")


def day_of(name: str) -> date:
    return datetime.strptime(name.removeprefix(PREFIX), DAY_FORMAT).replace(tzinfo=UTC).date()


def midnight(day: date) -> Literal:
    return Literal(datetime(day.year, day.month, day.day, tzinfo=UTC).isoformat())
