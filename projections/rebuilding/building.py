"""The fleet's tables built from nothing, a part of the devices in each of several processes."""

import gc
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from multiprocessing import get_context
from typing import Any

import psycopg
from psycopg import Connection, Cursor

from projections.fleet.model import SHARES, FleetModel, Part, Shared
from projections.following import Model, Page
from projections.running import follower_conninfo

PAGE_EVENTS = 5_000  # of a part; it skips those of others
ROWS_HELD_MAX = 200_000  # devices in memory, of all parts together, about 1 KB each
PARTS_MAX = 4
START_EVENTS = 100_000  # what a part applies while the process of another one starts


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
    ours, *others = parts_of(until)
    with ProcessPoolExecutor(1 + len(others), mp_context=get_context("spawn")) as pool:
        # The pool starts a process with the first that is asked of it; alone we need none.
        built = [pool.submit(build_part, conninfo, schema, until, part) for part in others]
        shared = [in_this_process(conninfo, schema, until, ours)]
        shared += [one.result() for one in built]
    with connected(conninfo) as connection, connection.cursor(binary=True) as cursor:
        model = FleetModel(schema)
        with connection.transaction():
            for one in shared:
                model.write_shared(cursor, one)


def parts_of(until: int) -> list[Part]:
    """One part for every processor, if it is worth a process. The first is built by this one, and
    is larger by what it can apply until the others have started."""
    parts = min(os.cpu_count() or 1, PARTS_MAX, 1 + until // (2 * START_EVENTS))
    ahead = SHARES * START_EVENTS // until if parts > 1 else 0
    other = (SHARES - ahead) // parts
    first = SHARES - other * (parts - 1)
    return [Part(*ends) for ends in pairwise([0, *range(first, SHARES + 1, other)])]


def build_part(conninfo: str, schema: str, until: int, part: Part) -> Shared:
    """Write the rows of a part of the devices; what is left to write is returned."""
    share = (part.end - part.first) / SHARES
    model = FleetModel(
        schema,
        page_events_max=int(PAGE_EVENTS / share),
        rows_held_max=int(ROWS_HELD_MAX * share),
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
