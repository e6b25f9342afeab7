"""Following in the test's own thread: a model is taken to the end of the log, and looked at."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import Connection
from psycopg.rows import dict_row

from projections.following import Follower, Model
from projections.running import Task, follower_conninfo

STEPS_MAX = 100_000


@contextmanager
def connected(conninfo: str, name: str = "test") -> Iterator[Connection[tuple[Any, ...]]]:
    """A connection as a follower has it."""
    with psycopg.connect(follower_conninfo(conninfo, name), autocommit=True) as connection:
        yield connection


def follow(conninfo: str, *models: Model) -> None:
    """Until there is nothing more to follow."""
    for model in models:
        run(conninfo, Follower(model))


def run(conninfo: str, task: Task) -> None:
    with connected(conninfo, task.name) as connection:
        task.begin(connection)
        for _ in range(STEPS_MAX):
            if not task.step(connection):
                return
    raise AssertionError(f"{task.name} does not come to an end")


def query(conninfo: str, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        found: Sequence[tuple[Any, ...]] = connection.execute(sql.encode(), parameters).fetchall()
    return list(found)


def rows_of(conninfo: str, table: str) -> list[dict[str, Any]]:
    """Every row of a table, in the order of its text."""
    with (
        psycopg.connect(conninfo, autocommit=True) as connection,
        connection.cursor(row_factory=dict_row) as cursor,
    ):
        cursor.execute(f"SELECT * FROM {table} AS t ORDER BY t::text".encode())
        return cursor.fetchall()
