"""The reference for whatever ends in the log: the same rows by one binary COPY after another.

Into a table of the log's own columns and indexes, on the same server, without a trigger, and
without anybody who reads along.
"""

import time

import psycopg
from psycopg import Connection

from domain.log.copy import SIGNATURE, TRAILER

ROWS_A_COPY = 10_000
COLUMNS = "originator_id, originator_version, topic, state"
MAKE = """
    DROP TABLE IF EXISTS bench_raw;
    CREATE TABLE bench_raw (LIKE log.fleet_events INCLUDING DEFAULTS INCLUDING IDENTITY
                            INCLUDING CONSTRAINTS INCLUDING INDEXES INCLUDING STORAGE);
"""
OUT = f"""
    COPY (SELECT {COLUMNS} FROM log.fleet_events
          WHERE notification_id > %s AND notification_id <= %s ORDER BY notification_id)
    TO STDOUT (FORMAT BINARY)
"""
IN = f"COPY bench_raw ({COLUMNS}) FROM STDIN (FORMAT BINARY)"


def copy_again(conninfo: str, after: int, until: int, rows_a_copy: int = ROWS_A_COPY) -> float:
    """Seconds to COPY the log's events between those positions, a commit for each so many rows."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(MAKE)
        bodies = [
            copied_out(connection, start, min(start + rows_a_copy, until))
            for start in range(after, until, rows_a_copy)
        ]
        began = time.perf_counter()
        for body in bodies:
            with connection.cursor().copy(IN) as copy:
                copy.write(body)
        took_s = time.perf_counter() - began
        assert rows_of(connection) == until - after
        connection.execute("DROP TABLE bench_raw")
    return took_s


def copied_out(connection: Connection[tuple[object, ...]], after: int, until: int) -> bytes:
    with connection.cursor().copy(OUT, [after, until]) as copy:
        body = b"".join(copy)
    assert body.startswith(SIGNATURE)
    assert body.endswith(TRAILER)
    return body


def rows_of(connection: Connection[tuple[object, ...]]) -> object:
    row = connection.execute("SELECT count(*) FROM bench_raw").fetchone()
    assert row is not None
    return row[0]
