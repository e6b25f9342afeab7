"""Appending one event at a time, a commit each, from 1, 16 and 64 callers at once.

The references: the library's own recorder on its own table, and bare INSERTs into a table of the
same columns and indexes, each caller on a connection of its own.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import psycopg

from domain.log.fleet import Fleet
from tests.bench.logs import (
    LibrarysOwn,
    fresh,
    fresh_stored,
    insert_bare,
    librarys_own,
    make_bare,
)
from tests.bench.measure import Step, Variant, interleaved, migrated_database, rate, server_line
from tests.bench.results import Result, Target, main

PROMISE = "appends of one event, acknowledged after their commit"
CALLERS = (1, 16, 64)
SECONDS, SECONDS_QUICK = 1.5, 0.2
ROUNDS, ROUNDS_QUICK = 7, 1
OVER_LIBRARY = {16: 8.0, 64: 15.0}
OVER_BARE = {16: 0.9}


def measure(quick: bool) -> Sequence[Result]:
    seconds = SECONDS_QUICK if quick else SECONDS
    with migrated_database() as conninfo, ways(conninfo) as steps:
        variants: dict[str, Variant] = {
            name: lambda one=one: rate(one, seconds)  # type: ignore[misc]
            for name, one in steps.items()
        }
        for variant in steps.values():
            rate(variant, SECONDS_QUICK)  # connections made, statements prepared
        found = interleaved(variants, ROUNDS_QUICK if quick else ROUNDS)
        return [server_line(conninfo), *lines(found)]


@contextmanager
def ways(conninfo: str) -> Iterator[dict[str, list[Step]]]:
    """What each caller repeats, by the way it is done and how many callers there are."""
    make_bare(conninfo)
    with ExitStack() as opened:
        fleet = Fleet(conninfo)
        opened.callback(fleet.close)
        library = opened.enter_context(librarys_own(conninfo, CALLERS[-1]))
        bare = [
            opened.enter_context(psycopg.connect(conninfo, autocommit=True))
            for _ in range(CALLERS[-1])
        ]
        steps: dict[str, list[Step]] = {}
        for callers in CALLERS:
            steps[f"bare {callers}"] = [into_bare(one) for one in bare[:callers]]
            steps[f"library {callers}"] = [into_library(library)] * callers
            steps[f"recorder {callers}"] = [into_recorder(fleet)] * callers
            steps[f"fleet {callers}"] = [into_fleet(fleet)] * callers
        yield steps


def into_bare(connection: psycopg.Connection) -> Step:
    cursor = connection.cursor()

    def step() -> int:
        insert_bare(cursor, fresh_stored())
        return 1

    return step


def into_library(library: LibrarysOwn) -> Step:
    def step() -> int:
        library.recorder.insert_events([fresh_stored()])
        return 1

    return step


def into_recorder(fleet: Fleet) -> Step:
    def step() -> int:
        fleet.recorder.insert_events([fresh_stored()])
        return 1

    return step


def into_fleet(fleet: Fleet) -> Step:
    def step() -> int:
        fleet.events.put([fresh()])
        return 1

    return step


def lines(found: dict[str, list[float]]) -> Iterator[Result]:
    for callers in CALLERS:
        many = f"{callers} caller{'s' if callers > 1 else ''}"
        ours = found[f"recorder {callers}"]
        yield Result(
            f"recorder, {many}",
            "events/s",
            ours,
            found[f"library {callers}"],
            Target("≥", OVER_LIBRARY[callers]) if callers in OVER_LIBRARY else None,
            "the library's recorder",
        )
        yield Result(
            f"recorder, {many}",
            "events/s",
            ours,
            found[f"bare {callers}"],
            Target("≥", OVER_BARE[callers]) if callers in OVER_BARE else None,
            "bare INSERT, autocommit",
        )
        yield Result(
            f"event store of the fleet, {many}",
            "events/s",
            found[f"fleet {callers}"],
            found[f"library {callers}"],
            None,
            "the library's recorder",
        )


if __name__ == "__main__":
    main("append", PROMISE, measure)
