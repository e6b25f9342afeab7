"""Whether two schemas hold the same rows: a hash of each table that no order of rows changes."""

from collections.abc import Iterable
from typing import Any

from msgspec import Struct
from psycopg import Connection
from psycopg.sql import SQL, Identifier

DIFFERENCES_MAX = 10  # rows shown of each table and side

HASH = """
    SELECT count(*), lpad(to_hex(coalesce(bit_xor(hashtextextended(t::text, 1)), 0)), 16, '0')
        || lpad(to_hex(mod(coalesce(sum(hashtextextended(t::text, 2)::numeric), 0),
                           9223372036854775807)::bigint), 16, '0')
    FROM {} AS t
"""
ONLY_IN = "SELECT t::text FROM (SELECT * FROM {} EXCEPT SELECT * FROM {}) AS t ORDER BY 1 LIMIT %s"


class TableHash(Struct, frozen=True):
    """Equal for equal sets of rows, and for no others that chance brings about."""

    rows: int
    hash: str

    def __str__(self) -> str:
        return f"{self.rows:>12,} rows  {self.hash}"


def hashes(
    connection: Connection[tuple[Any, ...]], schema: str, tables: Iterable[str]
) -> dict[str, TableHash]:
    """Of each of the tables, as the connection's transaction sees them."""
    found = {}
    for table in tables:
        row = connection.execute(SQL(HASH).format(Identifier(schema, table))).fetchone()
        assert row is not None
        found[table] = TableHash(*row)
    return found


def differences(
    connection: Connection[tuple[Any, ...]], one: str, other: str, tables: Iterable[str]
) -> list[str]:
    """A few of the rows that only one of the two has, in words."""
    found = []
    for table in tables:
        for here, there in ((one, other), (other, one)):
            query = SQL(ONLY_IN).format(Identifier(here, table), Identifier(there, table))
            rows = connection.execute(query, [DIFFERENCES_MAX]).fetchall()
            found += [f"only in {here}.{table}: {row}" for (row,) in rows]
    return found
