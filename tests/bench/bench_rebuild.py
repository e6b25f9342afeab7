"""Making the fleet's read models again from the whole log, 100,000 devices and a million events.

The reference: reading every event of the same log in pages and decoding it, and no more.
"""

import time
from collections.abc import Sequence
from contextlib import ExitStack

import psycopg

from domain.log.fleet import Fleet
from projections.following import PAGE_EVENTS_MAX
from projections.rebuilding.rebuild import Rebuild
from projections.running import follower_conninfo
from tests.bench.bench_follow import follow
from tests.bench.history import fill
from tests.bench.measure import interleaved, migrated_database, server_line, timed_rate
from tests.bench.results import Result, Target, main

PROMISE = "model fleet rebuilt from the log"
DEVICES, DEVICES_QUICK = 100_000, 1_000
ROUNDS, ROUNDS_QUICK = 3, 1
OVER_READING = 0.5


class Timed(Rebuild):
    """Notes how long its parts took."""

    built_s = 0.0

    def _build(self) -> None:
        began = time.perf_counter()
        super()._build()
        self.built_s = time.perf_counter() - began


def measure(quick: bool) -> Sequence[Result]:
    devices = DEVICES_QUICK if quick else DEVICES
    with migrated_database() as conninfo, ExitStack() as opened:
        fleet = Fleet(conninfo)
        opened.callback(fleet.close)
        last = fill(fleet, devices)
        live = [follow(conninfo, last)]
        with psycopg.connect(conninfo, autocommit=True) as owner:
            owner.execute("VACUUM ANALYZE")
        whole: list[float] = []
        found = interleaved(
            {
                "ours": lambda: rebuild(conninfo, last, whole),
                "reading": lambda: timed_rate(last, lambda: read_and_decode(fleet, last)),
            },
            ROUNDS_QUICK if quick else ROUNDS,
        )
        stands_on = server_line(conninfo)
    size = f"{last:,} events"
    return [
        stands_on,
        Result(
            f"rebuilt, indexes included, {size}",
            "events/s",
            found["ours"],
            found["reading"],
            Target("≥", OVER_READING),
            "reading and decoding the same events",
        ),
        Result(
            f"rebuilt, compared with the live one, swapped, {size}",
            "events/s",
            whole,
            found["reading"],
            None,
            "reading and decoding the same events",
        ),
        Result(f"followed live, {size}", "events/s", live),
    ]


def rebuild(conninfo: str, last: int, whole: list[float]) -> float:
    """Refuses to swap, and so fails, if the result is not the live model to the last bit."""
    with (
        psycopg.connect(conninfo, autocommit=True) as owner,
        psycopg.connect(follower_conninfo(conninfo, "rebuild"), autocommit=True) as app,
    ):
        one = Timed(conninfo, owner, app, "fleet", lambda sentence: None, None)
        whole.append(timed_rate(last, lambda: one.run(accept=False)))
    return last / one.built_s


def read_and_decode(fleet: Fleet, last: int) -> None:
    position = 0
    event = fleet.mapper.event
    while position < last:
        for row in fleet.recorder.select_rows(position, PAGE_EVENTS_MAX):
            event(row[2], row[3])
        position = row[4]


if __name__ == "__main__":
    main("rebuild", PROMISE, measure)
