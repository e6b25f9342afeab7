"""Reading and writing rows, as the application's role: never events, those go through the log."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import starmap, takewhile
from time import monotonic
from typing import Any, TypeVar

from psycopg import AsyncConnection, AsyncCursor, IsolationLevel
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import scalar_row
from psycopg_pool import AsyncConnectionPool

from domain.log.fleet import as_app_role

READ_CONNECTIONS_MAX = 16
WRITE_CONNECTIONS_MAX = 8
STATEMENT_TIMEOUT_S = 20
CONNECTION_WAIT_S = 5.0
CONNECT_TIMEOUT_S = 5
CHECKED_S = 1.0  # a connection that lay idle for longer may be dead, and is asked before it is used
QUERIES_KNOWN_MAX = 1_000

# What no event has recorded yet is position 0.
POSITIONS = """
    SELECT coalesce((SELECT max(notification_id) FROM fleet.tracking), 0) AS fleet,
           coalesce((SELECT max(notification_id) FROM history.tracking), 0) AS history,
           coalesce((SELECT max(notification_id) FROM access.tracking), 0) AS access,
           coalesce((SELECT max(notification_id) FROM integrations.tracking), 0) AS integrations
"""
HEAD = "SELECT coalesce(max(notification_id), 0) FROM log.fleet_events"

T = TypeVar("T")
Params = Sequence[object] | Mapping[str, object]


class Rows:
    """A connection that gives rows as the structs of those who ask."""

    def __init__(self, connection: AsyncConnection[Any]) -> None:
        self.connection = connection

    async def all(self, kind: type[T], query: str, params: Params = ()) -> list[T]:
        cursor = await self.connection.execute(query.encode(), params)
        return makes(kind, query, cursor)(await cursor.fetchall())

    async def one(self, kind: type[T], query: str, params: Params = ()) -> T | None:
        cursor = await self.connection.execute(query.encode(), params)
        made = makes(kind, query, cursor)(await cursor.fetchmany(1))
        return made[0] if made else None

    async def value(self, query: str, params: Params = ()) -> Any:
        """The only column of the first row, None if there is no row."""
        cursor = self.connection.cursor(row_factory=scalar_row)
        await cursor.execute(query.encode(), params)
        return await cursor.fetchone()

    async def do(self, query: str, params: Params = ()) -> int:
        """Run a statement; returns how many rows it was about."""
        cursor = await self.connection.execute(query.encode(), params)
        return cursor.rowcount


makers: dict[tuple[type[Any], str], Callable[[list[Any]], list[Any]]] = {}


def makes(
    kind: type[T], query: str, cursor: AsyncCursor[Any]
) -> Callable[[list[tuple[Any, ...]]], list[T]]:
    """What makes structs of a query's rows. Remembered: to look at its columns costs more than to
    read a row."""
    maker = makers.get((kind, query))
    if maker is None:
        if len(makers) >= QUERIES_KNOWN_MAX:
            makers.clear()
        names = [column.name for column in cursor.description or ()]
        maker = makers[kind, query] = maker_of(kind, names)
    return maker


def maker_of(kind: type[T], names: Sequence[str]) -> Callable[[list[tuple[Any, ...]]], list[T]]:
    """Columns that stand as the fields do are given by place, which is faster; others by name."""
    fields: Sequence[str] = getattr(kind, "__struct_fields__", ())
    alike = len([*takewhile(lambda pair: pair[0] == pair[1], zip(names, fields, strict=False))])
    if alike == len(names):
        return lambda rows: [*starmap(kind, rows)]
    others = names[alike:]
    return lambda rows: [
        kind(*row[:alike], **dict(zip(others, row[alike:], strict=True))) for row in rows
    ]


class Snapshot(Rows):
    """The read models at one moment, and the positions of the log that they reflect."""

    position: int = 0
    history_position: int = 0
    access_position: int = 0
    integrations_position: int = 0

    def as_of(self, models: Sequence[str]) -> int:
        """The position that all of these models reflect, by their names."""
        positions = {
            "fleet": self.position,
            "history": self.history_position,
            "access": self.access_position,
            "integrations": self.integrations_position,
        }
        return min(positions[model] for model in models)


class Database:
    """Two pools: one that only reads, each time one moment of the database, and one that writes."""

    def __init__(self, conninfo: str) -> None:
        self.conninfo = as_app(conninfo)
        self._reads = AsyncConnectionPool(
            self.conninfo,
            configure=only_read,
            max_size=READ_CONNECTIONS_MAX,
            **POOL,
        )
        self._writes = AsyncConnectionPool(
            self.conninfo,
            kwargs={"autocommit": True},
            max_size=WRITE_CONNECTIONS_MAX,
            **POOL,
        )

    async def open(self) -> None:
        await self._reads.open(wait=True, timeout=CONNECTION_WAIT_S)
        await self._writes.open(wait=True, timeout=CONNECTION_WAIT_S)

    async def close(self) -> None:
        await self._reads.close()
        await self._writes.close()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Rows]:
        """One moment of the database, whatever is read of it."""
        async with self._reads.connection() as connection:
            yield Rows(connection)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Snapshot]:
        """The same, with the positions that the read models are at in this moment."""
        async with self._reads.connection() as connection:
            snapshot = Snapshot(connection)
            row = await (await connection.execute(POSITIONS)).fetchone()
            assert row is not None
            snapshot.position, snapshot.history_position, snapshot.access_position = row[:3]
            snapshot.integrations_position = row[3]
            yield snapshot

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[Rows]:
        """A connection on which each statement commits by itself."""
        async with self._writes.connection() as connection:
            yield Rows(connection)

    async def head(self) -> int:
        """The last position of the log."""
        async with self.reading() as rows:
            position: int = await rows.value(HEAD)
            return position


class Pooled(AsyncConnection[Any]):
    """`used_at` is when it was last taken from the pool, in seconds of the monotonic clock."""

    used_at = 0.0


async def check_if_idle(connection: Pooled) -> None:
    """Whether the server is still there costs a way to it and back: too much for every call."""
    now = monotonic()
    if now - connection.used_at >= CHECKED_S:
        await AsyncConnectionPool.check_connection(connection)
    connection.used_at = now


POOL: dict[str, Any] = {
    "min_size": 1,
    "open": False,
    "timeout": CONNECTION_WAIT_S,
    "connection_class": Pooled,
    "check": check_if_idle,
}


async def only_read(connection: AsyncConnection[Any]) -> None:
    await connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
    await connection.set_read_only(True)


def as_app(conninfo: str) -> str:
    """The same database as the application's role, times in UTC, every statement with an end."""
    options = as_app_role(conninfo_to_dict(conninfo).get("options"))
    timeout_ms = STATEMENT_TIMEOUT_S * 1000
    return make_conninfo(
        conninfo,
        options=f"{options} -c timezone=UTC -c statement_timeout={timeout_ms}",
        connect_timeout=CONNECT_TIMEOUT_S,
    )
