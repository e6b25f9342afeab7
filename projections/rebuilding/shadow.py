"""A second schema of a model's tables, made from the live one's: built beside it, then renamed."""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
from psycopg import Connection
from psycopg.sql import SQL, Identifier

from domain.log.fleet import APP_ROLE

STATISTICS_TARGET = 10

Sql = Connection[tuple[Any, ...]]

TABLES = """
    SELECT relname FROM pg_class
    WHERE relnamespace = %s::regnamespace AND relkind = 'r' ORDER BY relname
"""
# LIKE leaves both out: so their names are those of the live tables, and some can come later.
CONSTRAINTS = """
    SELECT format('ALTER TABLE %%I.%%I ADD CONSTRAINT %%I %%s', %(shadow)s::text, relname, conname,
                  pg_get_constraintdef(pg_constraint.oid))
    FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid
    WHERE relnamespace = %(live)s::regnamespace AND relname = %(table)s
      AND contype IN ('p', 'u') ORDER BY contype, conname
"""
INDEXES = """
    SELECT replace(pg_get_indexdef(indexrelid), format(' ON %%I.', %(live)s::text),
                   format(' ON %%I.', %(shadow)s::text))
    FROM pg_index JOIN pg_class ON pg_class.oid = indrelid
    WHERE relnamespace = %(live)s::regnamespace AND relname = %(table)s
      AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
    ORDER BY indexrelid
"""
# LIKE leaves these out, too.
OPTIONS = """
    SELECT format('ALTER TABLE %%I.%%I SET (%%s)', %(shadow)s::text, relname,
                  array_to_string(reloptions, ', '))
    FROM pg_class
    WHERE relnamespace = %(live)s::regnamespace AND relname = %(table)s AND reloptions IS NOT NULL
"""
GRANTS = """
    SELECT format('GRANT %%s ON SCHEMA %%I TO %%s', privilege_type, %(shadow)s::text,
                  CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END)
    FROM pg_namespace, aclexplode(nspacl) WHERE nspname = %(live)s AND grantee <> nspowner
    UNION ALL
    SELECT format('GRANT %%s ON %%I.%%I TO %%s', privilege_type, %(shadow)s::text, relname,
                  CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END)
    FROM pg_class, aclexplode(relacl)
    WHERE relnamespace = %(live)s::regnamespace AND relkind = 'r' AND grantee <> relowner
"""


def tables_of(connection: Sql, schema: str) -> list[str]:
    return [name for (name,) in connection.execute(TABLES, [schema]).fetchall()]


class Shadow:
    """The schema `shadow`, shaped like `live`; one table of it is `large`, and indexed last."""

    def __init__(self, connection: Sql, live: str, shadow: str, large: str) -> None:
        """`connection` may create schemas, and set the application's role."""
        self._connection = connection
        self._large = large
        self._names = {"live": live, "shadow": shadow}
        self.live = live
        self.name = shadow
        self.tables = tables_of(connection, live)

    def make(self) -> None:
        """Make it anew; what an earlier attempt left is dropped."""
        shadow = Identifier(self.name)
        with self._connection.transaction():
            self._connection.execute(SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(shadow))
            self._connection.execute(
                SQL("CREATE SCHEMA {} AUTHORIZATION {}").format(shadow, Identifier(APP_ROLE))
            )
            self._connection.execute(SQL("SET LOCAL ROLE {}").format(Identifier(APP_ROLE)))
            for table in self.tables:
                self._connection.execute(
                    SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL EXCLUDING INDEXES)").format(
                        Identifier(self.name, table), Identifier(self.live, table)
                    )
                )
                self._run(OPTIONS, table)
                self._run(CONSTRAINTS, table)
                if table != self._large:
                    self._run(INDEXES, table)
            self._run(GRANTS)

    def make_indexes(self, conninfo: str) -> None:
        """Those of the large table besides its key, as many at once as there are processors, and
        the planner's statistics. `conninfo` is that of the connection."""
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            made = [
                pool.submit(make_index, conninfo, statement)
                for statement in self._statements(INDEXES, self._large)
            ]
            for one in made:
                one.result()
        with self._connection.transaction():
            self._connection.execute(SQL("SET LOCAL ROLE {}").format(Identifier(APP_ROLE)))
            # A first idea is enough: autovacuum looks closer, once it is live.
            self._connection.execute(f"SET LOCAL default_statistics_target = {STATISTICS_TARGET}")
            for table in self.tables:
                self._connection.execute(SQL("ANALYZE {}").format(Identifier(self.name, table)))

    def drop(self) -> None:
        self._connection.execute(SQL("DROP SCHEMA {} CASCADE").format(Identifier(self.name)))

    def _run(self, query: str, table: str = "") -> None:
        for statement in self._statements(query, table):
            self._connection.execute(statement)

    def _statements(self, query: str, table: str) -> list[bytes]:
        """The statements that a query gives."""
        found = self._connection.execute(query.encode(), {**self._names, "table": table})
        return [statement.encode() for (statement,) in found.fetchall()]


def make_index(conninfo: str, statement: bytes) -> None:
    with psycopg.connect(conninfo) as connection:
        connection.execute(SQL("SET ROLE {}").format(Identifier(APP_ROLE)))
        connection.execute("SET max_parallel_maintenance_workers = 0")  # the others are at work
        connection.execute(statement)
