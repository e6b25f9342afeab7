"""What the story reads from the log itself; and, at its end, the one hand laid on it."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

# A name stands in the log with the number of its format behind a dot.
ENTRIES = """
    SELECT "position", stream, split_part(name, '.', 1) AS name, event, actor, cause FROM log.entry
"""
AT = f'{ENTRIES} WHERE "position" = %(position)s'
EVENTS = f"""{ENTRIES}
    WHERE split_part(name, '.', 1) = %(name)s AND "position" > %(after)s AND event @> %(having)s
"""
OF_DEVICE = " AND stream = ANY (%(streams)s)"
IN_ORDER = ' ORDER BY "position"'
HEAD = "SELECT coalesce(max(notification_id), 0) FROM log.fleet_events"
STATE = "SELECT state FROM log.fleet_events WHERE notification_id = %s"
# The triggers that keep the log from change are passed by in this session alone, as only a
# superuser may; this is the forger whom the audit must find.
PAST_TRIGGERS = "SET LOCAL session_replication_role = replica"
FORGE = "UPDATE log.fleet_events SET state = %s WHERE notification_id = %s"


class Entry(Struct, frozen=True):
    """One event where it stands."""

    position: int
    stream: str
    name: str
    event: dict[str, Any]
    actor: str | None
    cause: int | None

    def __str__(self) -> str:
        return f"{self.name} at position {self.position}"


class Log:
    """The log, by a connection of the database's superuser."""

    def __init__(self, connection: AsyncConnection[Any]) -> None:
        self._connection = connection

    @classmethod
    async def open(cls, conninfo: str) -> "Log":
        return cls(await AsyncConnection.connect(conninfo, autocommit=True))

    async def close(self) -> None:
        await self._connection.close()

    async def events(self, name: str, *, after: int = 0, **having: Any) -> Sequence[Entry]:
        """The events of that name whose fields have these values, in order."""
        params: dict[str, Any] = {"name": name, "after": after, "having": Jsonb(having)}
        query = EVENTS
        if device_id := having.get("device_id"):
            # Events of one device are found by their streams; others by reading the whole log.
            params["streams"] = [f"device-{device_id}", f"session-{device_id}"]
            query += OF_DEVICE
        return await self._entries(query + IN_ORDER, params)

    async def entry(self, position: int) -> Entry:
        """The event at a position, which is there."""
        return (await self._entries(AT, {"position": position}))[0]

    async def head(self) -> int:
        return int(await self._value(HEAD))

    async def state(self, position: int) -> bytes:
        """The bytes of the event at a position, which is there."""
        return bytes(await self._value(STATE, [position]))

    async def forge(self, position: int, state: bytes) -> None:
        """Put other bytes in the event's place."""
        async with self._connection.transaction():
            await self._connection.execute(PAST_TRIGGERS)
            await self._connection.execute(FORGE, [state, position])

    async def _entries(self, query: str, params: dict[str, Any]) -> Sequence[Entry]:
        async with self._connection.cursor(row_factory=class_row(Entry)) as cursor:
            await cursor.execute(query, params)
            return await cursor.fetchall()

    async def _value(self, query: str, params: Sequence[Any] = ()) -> Any:
        row = await (await self._connection.execute(query, params)).fetchone()
        assert row is not None
        return row[0]
