"""The fleet's tables built from nothing, a part of the devices in each of several processes."""

import gc
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any

import psycopg
from psycopg import Connection, Cursor

from projections.fleet.model import FleetModel, Part, Shared
from projections.following import Model, Page
from projections.running import follower_conninfo

PAGE_EVENTS = 5_000
ROWS_HELD_MAX = 200_000  # devices in memory, of all parts together, about 1 KB each
PARTS_MAX = 4
PART_EVENTS_MIN = 100_000  # a process of its own takes as long to start as some of these


def apply_all(
    connection: Connection[tuple[Any, ...]],
    cursor: Cursor[tuple[Any, ...]],
    model: Model,
    position: int,
    until: int,
) -> int:
    """Apply the events after one position up to exactly another; returns that."""
    while position < until:
        # There are hardly any gaps between positions: no need to look where a page ends.
        page = Page(position, min(position + model.page_events_max, until))
        with connection.transaction():
            model.apply(cursor, page)
        position = page.until
    return position


def build_fleet(conninfo: str, schema: str, until: int) -> None:
    """Fill the empty tables of a schema with what the events up to that position lead to."""
    parts = min(os.cpu_count() or 1, PARTS_MAX, 1 + until // PART_EVENTS_MIN)
    ours, *others = [Part(number, parts) for number in range(parts)]
    with ProcessPoolExecutor(parts, mp_context=get_context("spawn")) as pool:
        # The pool starts a process with the first that is asked of it; alone we need none.
        built = [pool.submit(build_part, conninfo, schema, until, part) for part in others]
        shared = [in_this_process(conninfo, schema, until, ours)]
        shared += [one.result() for one in built]
    with connected(conninfo) as connection, connection.cursor(binary=True) as cursor:
        model = FleetModel(schema)
        with connection.transaction():
            for one in shared:
                model.write_shared(cursor, one)


def build_part(conninfo: str, schema: str, until: int, part: Part) -> Shared:
    """Write the rows of a part of the devices; what is left to write is returned."""
    model = FleetModel(
        schema,
        page_events_max=PAGE_EVENTS * part.of,
        rows_held_max=ROWS_HELD_MAX // part.of,
        writes_behind=True,
        part=part,
    )
    with (
        connected(conninfo) as connection,
        connection.cursor(binary=True) as cursor,
        without_gc(),
    ):
        apply_all(connection, cursor, model, 0, until)
        with connection.transaction():
            model.flush(cursor)
    return model.shared


in_this_process = build_part


def connected(conninfo: str) -> Connection[tuple[Any, ...]]:
    return psycopg.connect(follower_conninfo(conninfo, "rebuild"), autocommit=True)


@contextmanager
def without_gc() -> Iterator[None]:
    """Rows and events hold no cycles: looking for some among millions only takes time."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()
