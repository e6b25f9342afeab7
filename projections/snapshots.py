"""Reading several tables of a model as of one position, also while it is being swapped."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from psycopg import Connection

from projections.running import lock_key


def swap_key(schema: str) -> int:
    """The advisory lock that a swap of the schema takes, and that who must not see one shares."""
    return lock_key(f"swap {schema}")


@contextmanager
def snapshot(connection: Connection[tuple[Any, ...]], schema: str) -> Iterator[None]:
    """A transaction in which every statement sees the tables of the same moment.

    Names are looked up anew by each statement, so a swap in between would show empty tables: rows
    written after the snapshot. Taken before the transaction, because the first statement of that
    takes its snapshot.
    """
    key = swap_key(schema)
    connection.execute("SELECT pg_advisory_lock_shared(%s)", [key])
    try:
        with connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield
    finally:
        if not connection.closed:
            connection.execute("SELECT pg_advisory_unlock_shared(%s)", [key])
