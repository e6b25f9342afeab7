"""Another master key in the place of the one there was: everything that was wrapped under that one
is wrapped under the other, all of it in one transaction.

What people's keys have sealed stays as it is, and so do the digests: those keys only change their
wrapping. Whoever reads meanwhile is not held up; whoever makes a key or destroys one waits for the
last step of it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any, NamedTuple

import psycopg
from psycopg import Connection
from psycopg.sql import SQL, Identifier

from domain.log.master_keys import MasterKey, MasterKeyWrong

ROWS_AT_ONCE = 5_000  # in memory
LOCK = 5_094_161_530_722_817  # an advisory lock: one rotation at a time

MARK = "SELECT mark FROM secrets.master_key"
SET_MARK = "UPDATE secrets.master_key SET mark = %s"
STAGE = "CREATE TEMP TABLE {stage} (name text, former bytea, wrapped bytea) ON COMMIT DROP"
# Those that are not staged yet: the first time all of them, then what was made since.
READ = """
    SELECT {name}, wrapped FROM {table} WHERE wrapped IS NOT NULL
      AND NOT EXISTS (SELECT FROM {stage} AS staged WHERE staged.name = {table}.{name})
"""
COPY = "COPY {stage} FROM STDIN (FORMAT BINARY)"
INDEX = "CREATE INDEX ON {stage} (name)"
# A key that was destroyed meanwhile stays destroyed.
REPLACE = """
    UPDATE {table} SET wrapped = staged.wrapped FROM {stage} AS staged
    WHERE staged.name = {table}.{name} AND staged.former = {table}.wrapped
"""
LEFT = "SELECT count(*) FROM {table} WHERE wrapped IS NOT NULL"

Sql = Connection[tuple[Any, ...]]


class Wrapped(NamedTuple):
    """A table whose column `wrapped` holds keys, wrapped under the master key by their name."""

    table: str
    name: str


# Every table of schema `secrets` that has such a column; a test sees to that.
WRAPPED = (Wrapped("person_key", "person_id"), Wrapped("own_key", "name"))


class RotationUnderWay(Exception):
    """Somebody else is changing the master key at this moment."""

    def __str__(self) -> str:
        return str(self.__doc__)


class NotSealed(Exception):
    """Nothing is sealed in this database yet."""

    def __str__(self) -> str:
        return str(self.__doc__)


@contextmanager
def alone(conninfo: str) -> Iterator[Sql]:
    """A connection of the only one who changes the master key. Raises RotationUnderWay."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        if connection.execute("SELECT pg_try_advisory_lock(%s)", [LOCK]).fetchone() != (True,):
            raise RotationUnderWay
        try:
            yield connection
        finally:
            if not connection.closed:
                # The server notices only a moment later that we are gone.
                connection.execute("SELECT pg_advisory_unlock(%s)", [LOCK])


def is_sealed_under(connection: Sql, key: bytes) -> bool:
    """Whether it is this master key that is in effect."""
    return connection.execute(MARK).fetchone() == (MasterKey(key).mark,)


def rewrap(connection: Sql, former: bytes, following: bytes) -> int:
    """Have another master key be in effect; returns how many keys are wrapped under it then.

    `connection` is the database owner's, from `alone`. Raises MasterKeyWrong or NotSealed.
    """
    before, after = MasterKey(former), MasterKey(following)
    with connection.transaction():
        mark = connection.execute(MARK).fetchone()
        if mark is None:
            raise NotSealed
        if mark != (before.mark,):
            raise MasterKeyWrong
        for one in WRAPPED:
            connection.execute(formatted(STAGE, one))
            stage(connection, one, before, after)
            connection.execute(formatted(INDEX, one))
            connection.execute(formatted("ANALYZE {stage}", one))
        for one in WRAPPED:
            # From here on no key is made or destroyed until we are done.
            connection.execute(formatted("LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE", one))
            stage(connection, one, before, after)
        keys = sum(replace(connection, one) for one in WRAPPED)
        connection.execute(SET_MARK, [after.mark])
    return keys


def stage(connection: Sql, one: Wrapped, before: MasterKey, after: MasterKey) -> None:
    """Wrap what is not staged yet, a part of it at once."""
    with connection.cursor(f"keys_{next(NUMBERS)}", binary=True) as keys:
        keys.execute(formatted(READ, one))
        while rows := keys.fetchmany(ROWS_AT_ONCE):
            with connection.cursor() as cursor, cursor.copy(formatted(COPY, one)) as copy:
                copy.set_types(["text", "bytea", "bytea"])
                for name, wrapped in rows:
                    copy.write_row((name, wrapped, after.wrap(name, before.unwrap(name, wrapped))))


NUMBERS = count()  # for cursors: two of a transaction have two names


def replace(connection: Sql, one: Wrapped) -> int:
    replaced = connection.execute(formatted(REPLACE, one)).rowcount
    assert connection.execute(formatted(LEFT, one)).fetchone() == (replaced,)
    return replaced


def formatted(query: str, one: Wrapped) -> Any:
    return SQL(query).format(
        table=Identifier("secrets", one.table),
        name=Identifier(one.name),
        stage=Identifier(f"rewrapped_{one.table}"),
    )
