"""Following the log: how fast the fleet's read models take it in, how soon an event can be read.

The reference is the library's ProjectionRunner on the same log, keeping a device table of seven
columns by one upsert an event, in a transaction with its position. Ours keeps all of model `fleet`.
"""

import threading
import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from multiprocessing import get_context
from multiprocessing.synchronize import Event as Flag
from statistics import quantiles

import psycopg
from eventsourcing.persistence import StoredEvent
from psycopg.sql import SQL, Identifier

from domain.log.fleet import Fleet, as_app_role
from projections.fleet.model import FleetModel
from projections.following import Follower
from projections.rebuilding.shadow import tables_of
from projections.running import Runner, follower_conninfo
from projections.tracking import FOLLOWED
from tests.bench.history import EVENTS_PER_DEVICE, fill, of_devices, of_product, stored
from tests.bench.librarys_view import librarys_rate
from tests.bench.measure import interleaved, migrated_database, server_line, timed_rate
from tests.bench.results import Result, Target, main

PROMISE = "the log followed into read models"
DEVICES, DEVICES_QUICK = 20_000, 500
LIBRARY_S, LIBRARY_S_QUICK = 3.0, 0.5
ROUNDS, ROUNDS_QUICK = 5, 1
OVER_LIBRARY = 40.0
EVENTS_A_SECOND = 5_000
LIVE_S, LIVE_S_QUICK = 20.0, 1.0
BEATS_A_SECOND = 100
P99_MS_MAX = 25.0
READY_TIMEOUT_S = 60.0
TOGETHER = 1_000  # devices that are updated at the same time


def measure(quick: bool) -> Sequence[Result]:
    library_s = LIBRARY_S_QUICK if quick else LIBRARY_S
    with migrated_database() as conninfo:
        fleet = Fleet(conninfo)
        last = fill(fleet, DEVICES_QUICK if quick else DEVICES)
        fleet.close()
        found = interleaved(
            {
                "ours": lambda: follow(conninfo, last),
                "library": lambda: librarys_rate(conninfo, library_s, synchronous=True),
                "asynchronous": lambda: librarys_rate(conninfo, library_s, synchronous=False),
            },
            ROUNDS_QUICK if quick else ROUNDS,
        )
        stands_on = server_line(conninfo)
    return [
        stands_on,
        Result(
            "model fleet follows",
            "events/s",
            found["ours"],
            found["library"],
            Target("≥", OVER_LIBRARY),
            "the library's runner, one device table",
        ),
        Result(
            "model fleet follows",
            "events/s",
            found["ours"],
            found["asynchronous"],
            None,
            "the same, without waiting for the disk as ours does not",
        ),
        *live(LIVE_S_QUICK if quick else LIVE_S),
    ]


def follow(conninfo: str, last: int) -> float:
    """From nothing to the end of the log, as the process does it, page by page."""
    with psycopg.connect(conninfo, autocommit=True) as owner:
        for table in tables_of(owner, "fleet"):
            owner.execute(SQL("TRUNCATE {}").format(Identifier("fleet", table)))
    follower = Follower(FleetModel())
    with psycopg.connect(follower_conninfo(conninfo, "fleet"), autocommit=True) as connection:
        follower.begin(connection)

        def work() -> None:
            while follower.step(connection):
                pass

        return timed_rate(last, work)


def live(seconds: float) -> list[Result]:
    """How long after its commit an event can be read, while a steady stream of them is appended."""
    with migrated_database() as conninfo:
        fleet = Fleet(conninfo)
        fleet.recorder.insert_events(list(stored(of_product())))
        with following(conninfo), Readable(conninfo) as readable:
            committed = append_steadily(fleet, seconds)
            last = committed[-1][0]
            readable.wait(last)
        fleet.close()
    lags_ms = [(readable.when(position) - at) * 1_000 for position, at in committed]
    offered = last / (committed[-1][1] - committed[0][1])
    cuts = quantiles(lags_ms, n=100)
    at_rate = f"at {EVENTS_A_SECOND:,} events/s"
    return [
        Result(f"offered, of {EVENTS_A_SECOND:,}", "events/s", [offered]),
        Result(f"commit to readable, median, {at_rate}", "ms", [cuts[49]]),
        Result(
            f"commit to readable, p99, {at_rate}",
            "ms",
            [cuts[98]],
            (),
            Target("≤", P99_MS_MAX, on="ours"),
        ),
    ]


def append_steadily(fleet: Fleet, seconds: float) -> list[tuple[int, float]]:
    """Batches on the beat, as the journal brings them; the last position and instant of each."""
    size = EVENTS_A_SECOND // BEATS_A_SECOND
    wanted = int(seconds * BEATS_A_SECOND)
    devices = wanted * size // EVENTS_PER_DEVICE + TOGETHER
    events = stored(of_devices(devices, TOGETHER))
    batches: list[list[StoredEvent]] = [list(islice(events, size)) for _ in range(wanted)]
    committed: list[tuple[int, float]] = []
    began = time.perf_counter()
    for beat, batch in enumerate(batches):
        time.sleep(max(0.0, began + beat / BEATS_A_SECOND - time.perf_counter()))
        positions = fleet.recorder.insert_events(batch)
        assert positions
        committed.append((positions[-1], time.perf_counter()))
    return committed


@contextmanager
def following(conninfo: str) -> Iterator[None]:
    """Model `fleet`, followed by a process of its own."""
    fresh = get_context("spawn")
    ready, stop = fresh.Event(), fresh.Event()
    process = fresh.Process(target=follow_until, args=(conninfo, ready, stop))
    process.start()
    assert ready.wait(READY_TIMEOUT_S)
    try:
        yield
    finally:
        stop.set()
        process.join()


def follow_until(conninfo: str, ready: Flag, stop: Flag) -> None:
    runner = Runner(Follower(FleetModel()), conninfo, died=stop.set)
    runner.start()
    assert runner.ready.wait(READY_TIMEOUT_S)
    ready.set()
    stop.wait()
    runner.stop()
    runner.join()


class Readable:
    """Listens to how far model `fleet` says that it has come, and notes when."""

    def __init__(self, conninfo: str) -> None:
        self._connection = psycopg.connect(conninfo, autocommit=True, options=as_app_role(None))
        self._connection.execute(SQL("LISTEN {}").format(Identifier(FOLLOWED)))
        self._positions: list[int] = []
        self._instants: list[float] = []
        self._stopping = False
        self._thread = threading.Thread(target=self._listen)

    def __enter__(self) -> "Readable":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stopping = True
        self._thread.join()
        self._connection.close()

    def _listen(self) -> None:
        while not self._stopping:
            for said in self._connection.notifies(timeout=0.1):
                model, _, position = said.payload.partition(" ")
                if model == "fleet":
                    self._instants.append(time.perf_counter())
                    self._positions.append(int(position))

    def wait(self, position: int) -> None:
        end = time.monotonic() + READY_TIMEOUT_S
        while not self._positions or self._positions[-1] < position:
            assert time.monotonic() < end, "the model does not keep up"
            time.sleep(0.01)

    def when(self, position: int) -> float:
        return self._instants[bisect_left(self._positions, position)]


if __name__ == "__main__":
    main("follow", PROMISE, measure)
