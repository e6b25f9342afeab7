"""Positions: how far a model has come, moved on in the transaction that applied the events.

The statements are the library's (PostgresTrackingRecorder, one row per follower), so that each
event is applied exactly once: a transaction whose position is not ahead of the known one fails.
"""

from typing import Any

from psycopg import Cursor
from psycopg.sql import SQL, Composed, Identifier

from projections.trouble import Overtaken

FOLLOWED = "followed"  # the channel on which models say how far they have come

Statements = tuple[Composed, Composed]


def statements(schema: str) -> Statements:
    """What reads and what moves a position in the tracking table of a schema."""
    table = Identifier(schema, "tracking")
    read = SQL(
        "SELECT (SELECT notification_id FROM {} WHERE application_name = %s), {}::regclass::oid"
    ).format(table, f"{schema}.tracking")
    move = SQL(
        "INSERT INTO {} AS known VALUES (%s, %s)"
        " ON CONFLICT (application_name) DO UPDATE SET notification_id = excluded.notification_id"
        " WHERE known.notification_id < excluded.notification_id"
        " RETURNING tableoid, pg_notify(%s, %s)"
    ).format(table)
    return read, move


class Tracking:
    """The position of one follower."""

    def __init__(self, schema: str, name: str) -> None:
        self._name = name
        self._read, self._move = statements(schema)
        self._table: int | None = None  # another one of its name is another model of its name

    def position(self, cursor: Cursor[tuple[Any, ...]]) -> int:
        """Of the last event applied; 0 before the first."""
        row = cursor.execute(self._read, [self._name], prepare=True).fetchone()
        assert row is not None
        position: int | None = row[0]
        self._table = row[1]
        return position or 0

    def move(self, cursor: Cursor[tuple[Any, ...]], position: int) -> None:
        """Say so to whoever waits, once the transaction has committed. Raises Overtaken."""
        said = f"{self._name} {position}"
        cursor.execute(self._move, [self._name, position, FOLLOWED, said], prepare=True)
        row = cursor.fetchone()
        if row is None:
            raise Overtaken(f"{self._name} is at {position} or beyond")
        if row[0] != self._table:
            raise Overtaken(f"{self._name} was rebuilt")
