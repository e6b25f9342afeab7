"""Makes a read model again from the log, beside the live one, compares the two, and swaps them.

Readers notice nothing: the live tables serve until both schemas are renamed in one transaction.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple

import psycopg
from psycopg import Connection
from psycopg.errors import LockNotAvailable
from psycopg.sql import SQL, Identifier

from domain.log.seals import Seals
from projections.access.model import AccessModel
from projections.described import DescribedModel
from projections.fleet.model import FleetModel
from projections.following import Model
from projections.history import HistoryModel
from projections.housekeeping import forgotten_of
from projections.integrations.model import IntegrationsModel
from projections.metering.model import MeteredModel
from projections.rebuilding.building import apply_all, build_fleet
from projections.rebuilding.comparison import TableHash, differences, hashes
from projections.rebuilding.shadow import Shadow
from projections.running import follower_conninfo, lock_key
from projections.snapshots import snapshot, swap_key
from projections.tracking import Tracking

LOCK_WAIT_MS = 100  # shorter than a deadlock takes to be found: we give way, readers never
LOCK_RETRY_S = 0.1
LOCK_ATTEMPTS_MAX = 600
TRACKING = "tracking"
POSITION_MAX = 2**63 - 1

Sql = Connection[tuple[Any, ...]]
Say = Callable[[str], None]


class Recipe(NamedTuple):
    """How a model is built in another schema, which of its tables is large, what builds most of it.

    `first` makes the tables of a schema say what the log says up to a position, from nothing.
    """

    build: Callable[[str, Seals | None], Model]
    large: str
    first: Callable[[str, str, int], None] | None = None


def access_in(schema: str, seals: Seals | None) -> AccessModel:
    assert seals is not None
    return AccessModel(seals, schema)


RECIPES = {
    "fleet": Recipe(lambda schema, _: FleetModel(schema), "device", build_fleet),
    "history": Recipe(lambda schema, _: HistoryModel(schema), "entry"),
    "described": Recipe(lambda schema, _: DescribedModel(schema), "device"),
    "access": Recipe(access_in, "token"),
    "metered": Recipe(lambda schema, _: MeteredModel(schema), "device_day"),
    "integrations": Recipe(lambda schema, _: IntegrationsModel(schema), "integration"),
}
OF_SEALED = ("access",)  # what these are made of is sealed


class Busy(Exception):
    """Somebody else is rebuilding this model, or holds its tables for too long."""


class Differs(Exception):
    """The rebuilt model is not what the live one is; it was not swapped in."""


def rebuild(
    conninfo: str, name: str, *, accept: bool, say: Say, seals: Seals | None = None
) -> None:
    """Rebuild a model of RECIPES. `conninfo` is the database owner's.

    A model OF_SEALED needs the seals. Raises Differs unless the result is the same as the live
    model, or `accept` is given; Busy.
    """
    with (
        psycopg.connect(conninfo, autocommit=True) as owner,
        psycopg.connect(follower_conninfo(conninfo, f"rebuild {name}"), autocommit=True) as app,
    ):
        if owner.execute("SELECT pg_try_advisory_lock(%s)", [rebuild_key(name)]).fetchone() != (
            True,
        ):
            raise Busy(f"{name} is being rebuilt by somebody else")
        Rebuild(conninfo, owner, app, name, say, seals).run(accept=accept)


def rebuild_key(name: str) -> int:
    return lock_key(f"rebuild {name}")


class Rebuild:
    """One rebuild. `owner` makes and renames schemas; `app` fills tables, as followers do."""

    def __init__(
        self, conninfo: str, owner: Sql, app: Sql, name: str, say: Say, seals: Seals | None
    ) -> None:
        recipe = RECIPES[name]
        self._conninfo = conninfo
        self._first = recipe.first
        self._owner, self._app, self._say = owner, app, say
        self._live = Tracking(name, name)
        self._shadow = Shadow(owner, name, f"{name}_rebuilt", recipe.large)
        self._model = recipe.build(self._shadow.name, seals)
        self._tables = [table for table in self._shadow.tables if table != TRACKING]
        self._position = 0

    def run(self, *, accept: bool) -> None:
        self._build()
        same = self._compare()
        if not same and not accept:
            self._shadow.drop()
            raise Differs("the rebuilt model differs from the live one; --accept swaps it in")
        self._swap()

    def _build(self) -> None:
        """From the first event to where the live model is."""
        self._shadow.make()
        started_at = time.monotonic()
        until = self._live_position()
        if self._first is None:
            self._catch_up(until)
        else:
            self._first(self._conninfo, self._shadow.name, until)
            self._position = until
        self._shadow.make_indexes(self._conninfo)
        took_s = time.monotonic() - started_at
        self._say(
            f"{self._model.name}: built up to position {self._position:,} in {took_s:.1f} s"
            f" ({self._position / took_s:,.0f} positions a second)"
        )

    def _catch_up(self, until: int) -> None:
        """To exactly that position."""
        with self._app.cursor(binary=True) as cursor:
            self._position = apply_all(self._app, cursor, self._model, self._position, until)

    def _live_position(self) -> int:
        with self._owner.cursor(binary=True) as cursor:
            return self._live.position(cursor)

    def _compare(self) -> bool:
        """At the same position of both; says what each is, and where they differ."""
        # What was, or now may be, forgotten for good says nothing of the rest.
        but = forgotten_of(self._shadow.live, datetime.now(UTC))
        with snapshot(self._owner, self._shadow.live):
            position = self._live_position()
            live = hashes(self._owner, self._shadow.live, self._tables, but)
        self._catch_up(position)
        rebuilt = hashes(self._app, self._shadow.name, self._tables, but)
        self._say(f"at position {position:,}:")
        for table in self._tables:
            self._say_table(table, live[table], rebuilt[table])
        differing = [table for table in self._tables if live[table] != rebuilt[table]]
        if differing:
            with self._held_still():
                for line in differences(
                    self._owner, self._shadow.live, self._shadow.name, differing, but
                ):
                    self._say(f"  {line}")
        return not differing

    def _say_table(self, table: str, live: TableHash, rebuilt: TableHash) -> None:
        self._say(f"  {table:14} live    {live}")
        verdict = "the same" if live == rebuilt else "DIFFERENT"
        self._say(f"  {'':14} rebuilt {rebuilt}  {verdict}")

    def _swap(self) -> None:
        live, shadow = self._shadow.live, self._shadow.name
        old = f"{live}_replaced"
        self._owner.execute(SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(Identifier(old)))
        self._catch_up(self._live_position())
        with self._alone(), self._held_still():
            execute = self._owner.execute
            # A follower that waits for this row has to look again, and then finds the new one.
            execute(
                SQL("UPDATE {} SET notification_id = %s").format(Identifier(live, TRACKING)),
                [POSITION_MAX],
            )
            execute(
                SQL("INSERT INTO {} VALUES (%s, %s)").format(Identifier(shadow, TRACKING)),
                [self._model.name, self._position],
            )
            rename = SQL("ALTER SCHEMA {} RENAME TO {}")
            execute(rename.format(Identifier(live), Identifier(old)))
            execute(rename.format(Identifier(shadow), Identifier(live)))
        self._say(f"{live}: swapped at position {self._position:,}")
        self._drop(old)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody is in the middle of reading several tables as of one moment."""
        key = [swap_key(self._shadow.live)]
        for _ in range(LOCK_ATTEMPTS_MAX):
            # Not waiting in line: that would hold up those who share the lock.
            if self._owner.execute("SELECT pg_try_advisory_lock(%s)", key).fetchone() == (True,):
                break
            time.sleep(LOCK_RETRY_S)
        else:
            raise Busy(f"snapshots of {self._shadow.live} are being read all the time")
        try:
            yield
        finally:
            self._owner.execute("SELECT pg_advisory_unlock(%s)", key)

    @contextmanager
    def _held_still(self) -> Iterator[None]:
        """A transaction in which both models stand at the same position, and stay there."""
        with self._owner.transaction(), self._owner.cursor(binary=True) as cursor:
            tracking = Identifier(self._shadow.live, TRACKING)
            cursor.execute(SQL("SELECT FROM {} FOR UPDATE").format(tracking))
            self._catch_up(self._live.position(cursor))
            yield

    def _drop(self, schema: str) -> None:
        """Table by table, giving way to whoever still reads one."""
        for table in self._shadow.tables:
            drop = SQL("DROP TABLE {}").format(Identifier(schema, table))
            for attempt in range(LOCK_ATTEMPTS_MAX):
                try:
                    with self._owner.transaction():
                        self._owner.execute(f"SET LOCAL lock_timeout = {LOCK_WAIT_MS}")
                        self._owner.execute(drop)
                    break
                except LockNotAvailable:
                    if attempt == LOCK_ATTEMPTS_MAX - 1:
                        raise
                    time.sleep(LOCK_RETRY_S)
        self._owner.execute(SQL("DROP SCHEMA {}").format(Identifier(schema)))
