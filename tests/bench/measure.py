"""How numbers are taken: the ways to do one thing in turn, round after round, on one server."""

import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from statistics import median

import psycopg

from migrations import migrate
from tests.bench.results import Result
from tests.servers import DURABLE, database, postgres_server

Step = Callable[[], int]  # does a little, and says how many events that were
Variant = Callable[[], float]  # one round of it: events a second

FSYNCS = 200
PAGE_BYTES = 8_192


def interleaved(variants: Mapping[str, Variant], rounds: int) -> dict[str, list[float]]:
    """The number of every variant in every round: what slows the machine slows all of them."""
    found: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(rounds):
        for name, variant in variants.items():
            found[name].append(variant())
    return found


def rate(steps: Sequence[Step], seconds: float) -> float:
    """Events a second, of as many threads as there are steps, each repeating its own."""
    start = threading.Barrier(len(steps) + 1)
    counts = [0] * len(steps)

    def repeat(caller: int, step: Step) -> None:
        start.wait()
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            counts[caller] += step()

    threads = [threading.Thread(target=repeat, args=one) for one in enumerate(steps)]
    for thread in threads:
        thread.start()
    start.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.perf_counter() - began)


def timed_rate(events: int, work: Callable[[], object]) -> float:
    """Events a second, where it is known how many there are."""
    began = time.perf_counter()
    work()
    return events / (time.perf_counter() - began)


@contextmanager
def migrated_database() -> Iterator[str]:
    """A migrated database of a PostgreSQL that keeps its promises, as in production."""
    with postgres_server(DURABLE) as server, database(server) as conninfo:
        migrate(conninfo)
        yield conninfo


def server_line(conninfo: str) -> Result:
    """What the numbers stand on: the server, and how long its disk takes to hold on to a page."""
    with psycopg.connect(conninfo) as connection:
        version = connection.execute("SHOW server_version").fetchone()
        fsync = connection.execute("SHOW fsync").fetchone()
        commit = connection.execute("SHOW synchronous_commit").fetchone()
    assert version
    assert fsync
    assert commit
    what = f"PostgreSQL {version[0]}, fsync {fsync[0]}, synchronous_commit {commit[0]}: fdatasync"
    return Result(what, "µs", [fdatasync_us()])


def fdatasync_us() -> float:
    """The median over many pages, where the servers' folders are."""
    took: list[float] = []
    with tempfile.TemporaryFile(dir="/tmp") as file:
        for _ in range(FSYNCS):
            file.write(bytes(PAGE_BYTES))
            file.flush()
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append((time.perf_counter() - began) * 1e6)
    return median(took)
