"""Whether two schemas hold the same rows: a hash of each table that no order of rows changes."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct
from psycopg import Connection
from psycopg.sql import SQL, Identifier

DIFFERENCES_MAX = 10  # rows shown of each table and side

HASH = """
    SELECT count(*), lpad(to_hex(coalesce(bit_xor(hashtextextended(t::text, 1)), 0)), 16, '0')
        || lpad(to_hex(mod(coalesce(sum(hashtextextended(t::text, 2)::numeric), 0),
                           9223372036854775807)::bigint), 16, '0')
    FROM {} AS t WHERE NOT coalesce({}, false)
"""
ONLY_IN = """
    SELECT t::text FROM (SELECT * FROM {} EXCEPT SELECT * FROM {}) AS t
    WHERE NOT coalesce({}, false) ORDER BY 1 LIMIT %s
"""

# By table, a condition on rows that one of two schemas need not have, and the instant it speaks of.
But = Mapping[str, tuple[str, datetime]]


class TableHash(Struct, frozen=True):
    """Equal for equal sets of rows, and for no others that chance brings about."""

    rows: int
    hash: str

    def __str__(self) -> str:
        return f"{self.rows:>12,} rows  {self.hash}"


def hashes(
    connection: Connection[tuple[Any, ...]], schema: str, tables: Iterable[str], but: But
) -> dict[str, TableHash]:
    """Of each of the tables, as the connection's transaction sees them."""
    found = {}
    for table in tables:
        condition, instants = left_out(but, table)
        query = SQL(HASH).format(Identifier(schema, table), condition)
        row = connection.execute(query, instants).fetchone()
        assert row is not None
        found[table] = TableHash(*row)
    return found


def differences(
    connection: Connection[tuple[Any, ...]], one: str, other: str, tables: Iterable[str], but: But
) -> list[str]:
    """A few of the rows that only one of the two has, in words."""
    found = []
    for table in tables:
        condition, instants = left_out(but, table)
        for here, there in ((one, other), (other, one)):
            names = Identifier(here, table), Identifier(there, table)
            query = SQL(ONLY_IN).format(*names, condition)
            rows = connection.execute(query, [*instants, DIFFERENCES_MAX]).fetchall()
            found += [f"only in {here}.{table}: {row}" for (row,) in rows]
    return found


def left_out(but: But, table: str) -> tuple[SQL, list[datetime]]:
    """The condition, and its parameters."""
    if table not in but:
        return SQL("false"), []
    condition, instant = but[table]
    return SQL(condition), [instant]
