"""Appending a thousand events at a time, a commit each, as imports and the journal do.

The references: the same bytes by a bare binary COPY into a table of the same columns and indexes,
and the library's own recorder on its own table.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import psycopg
from eventsourcing.persistence import StoredEvent

from domain.log.copy import to_copy
from domain.log.fleet import Fleet
from tests.bench.logs import COPY, fresh_stored, librarys_own, make_bare
from tests.bench.measure import Variant, interleaved, migrated_database, server_line, timed_rate
from tests.bench.results import Result, Target, main

PROMISE = "appends of 1,000 events at a time"
BATCH_EVENTS = 1_000
BATCHES, BATCHES_QUICK = 40, 2
ROUNDS, ROUNDS_QUICK = 7, 1
OVER_BARE = 0.7

Append = Callable[[list[StoredEvent]], object]


def measure(quick: bool) -> Sequence[Result]:
    batches = BATCHES_QUICK if quick else BATCHES
    with migrated_database() as conninfo, ways(conninfo) as appends:
        for append in appends.values():
            one_round(append, 2)  # connections made, statements prepared
        variants: dict[str, Variant] = {
            name: lambda append=append: one_round(append, batches)  # type: ignore[misc]
            for name, append in appends.items()
        }
        found = interleaved(variants, ROUNDS_QUICK if quick else ROUNDS)
        return [
            server_line(conninfo),
            Result(
                "recorder, 1,000 a batch",
                "events/s",
                found["ours"],
                found["bare"],
                Target("≥", OVER_BARE),
                "bare binary COPY, encoding included",
            ),
            Result(
                "recorder, 1,000 a batch",
                "events/s",
                found["ours"],
                found["library"],
                None,
                "the library's recorder",
            ),
        ]


def one_round(append: Append, batches: int) -> float:
    """The events are made before the clock runs; encoding them for the wire is part of it."""
    made = [[fresh_stored() for _ in range(BATCH_EVENTS)] for _ in range(batches)]

    def work() -> None:
        for events in made:
            append(events)

    return timed_rate(batches * BATCH_EVENTS, work)


@contextmanager
def ways(conninfo: str) -> Iterator[dict[str, Append]]:
    make_bare(conninfo)
    with ExitStack() as opened:
        fleet = Fleet(conninfo)
        opened.callback(fleet.close)
        library = opened.enter_context(librarys_own(conninfo, 1))
        connection = opened.enter_context(psycopg.connect(conninfo))

        def bare(events: list[StoredEvent]) -> None:
            with connection.transaction(), connection.cursor().copy(COPY) as copy:
                copy.write(to_copy(events))

        yield {
            "bare": bare,
            "ours": fleet.recorder.insert_events,
            "library": library.recorder.insert_events,
        }


if __name__ == "__main__":
    main("bulk", PROMISE, measure)
