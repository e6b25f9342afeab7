"""Handshakes on their way into the log: said to an edge, stored by the journal's worker.

First at a steady rate that is to be kept up, seen at how old each was when the log had it. Then as
fast as the worker can, from a journal that has filled meanwhile, beside COPY of the same events.
Each handshake that was answered must be in the log exactly once.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import nats
import psycopg

from device_edge.streams import JOURNAL, last_sequence_of, make_stream
from domain.subjects import JOURNAL_STREAM
from rollcall.state import CHECKOUT
from tests.bench.children import child, cpu_s, environment, own_child
from tests.bench.many import announce
from tests.bench.measure import migrated_database, server_line
from tests.bench.raw_copy import copy_again
from tests.bench.results import Result, Target, main
from tests.bench.whole import wait_until_readable
from tests.servers import NatsServer, nats_server

PROMISE = "handshakes into the log as fast as they come, at least 5,000 a second"

DEVICES, DEVICES_QUICK = 100_000, 1_000
RATE, RATE_QUICK = 5_500, 500  # hellos a second
KEPT_UP = 5_000
SECONDS, SECONDS_QUICK = 20.0, 1.0
BACKLOG, BACKLOG_QUICK = 100_000, 1_000  # handshakes
EVENTS_A_COMMIT = 2_000  # about what the worker stores at once
LOAD_TIMEOUT_S = 300.0
STORED_TIMEOUT_S = 120.0
POLL_S = 0.02

STORED = "SELECT count(*) FROM log.fleet_events WHERE topic LIKE 'DeviceHandshook.%'"
CHECKPOINT = "SELECT coalesce((SELECT sequence FROM edge.checkpoint WHERE reader = 'journal'), 0)"
HEAD = "SELECT coalesce(max(notification_id), 0) FROM log.fleet_events"
# How old each was when the log had it, in seconds: half of them, 99 of 100, all of them at most.
AGES = """
    SELECT count(*), extract(epoch FROM max(recorded_at) - min((event ->> 'at')::timestamptz)),
           percentile_cont(ARRAY[0.5, 0.99, 1]) WITHIN GROUP (
               ORDER BY extract(epoch FROM recorded_at - (event ->> 'at')::timestamptz))
    FROM log.entry WHERE name LIKE 'DeviceHandshook.%%' AND position > %s
"""
TWICE = """
    SELECT count(*) - count(DISTINCT (stream, event ->> 'at')) FROM log.entry
    WHERE name LIKE 'DeviceHandshook.%'
"""
NOT_DENSE = """
    SELECT count(*) FROM (
        SELECT FROM log.fleet_events GROUP BY originator_id
        HAVING max(originator_version) <> count(*)) AS holes
"""


class World(NamedTuple):
    """The servers, and what our processes are told about them."""

    conninfo: str
    server: NatsServer
    told: Mapping[str, str]


class Kept(NamedTuple):
    """How a steady rate was borne: ages of half of them, of 99 of 100, of the oldest."""

    handshakes: int
    per_s: float
    ages_s: Sequence[float]
    spent_us: Mapping[str, float]  # processor time a handshake, by process


def measure(quick: bool) -> Sequence[Result]:
    rate, seconds = (RATE_QUICK, SECONDS_QUICK) if quick else (RATE, SECONDS)
    devices, backlog = (DEVICES_QUICK, BACKLOG_QUICK) if quick else (DEVICES, BACKLOG)
    with world(devices) as ours, child("device_edge", ours.told) as edge:
        with child("device_edge.journal", ours.told) as worker:
            # Once through the fleet, so that nobody's handshake is the first of all any more.
            answered = say_hello(ours, devices, rate, devices / rate)
            wait_until_stored(ours)
            pids = pids_of(edge=edge.pid, worker=worker.pid)
            alone = keep_up(ours, pids, devices, rate, seconds)
        with (
            child("projections", ours.told) as followers,
            child("device_edge.journal", ours.told) as worker,
        ):
            wait_until_readable(ours.conninfo, value(ours, HEAD))
            pids = pids_of(edge=edge.pid, worker=worker.pid, followers=followers.pid)
            whole = keep_up(ours, pids, devices, rate, seconds)
        answered += alone.handshakes + whole.handshakes
        answered += say_hello(ours, devices, rate, backlog / rate)
        backlog_line = caught_up(ours)
        check_exactly_once(ours, answered)
        stands_on = server_line(ours.conninfo)
    target = None if quick else Target("≥", KEPT_UP, on="ours")
    return [
        stands_on,
        *kept_up(f"{rate:,} a second offered", alone, target),
        *kept_up(f"{rate:,} a second offered, all followers running", whole, None),
        backlog_line,
    ]


@contextmanager
def world(devices: int) -> Iterator[World]:
    with (
        tempfile.TemporaryDirectory() as folder,
        migrated_database() as conninfo,
        nats_server() as server,
    ):
        asyncio.run(fill(server, devices))
        yield World(conninfo, server, environment(conninfo, server, Path(folder)))


async def fill(server: NatsServer, devices: int) -> None:
    connection = await nats.connect(server.url)
    await make_stream(connection, JOURNAL)
    await announce(connection, devices)
    await connection.close()


def pids_of(**ours: int) -> Mapping[str, int]:
    """Our processes by name, and the servers."""
    return {**ours, "PostgreSQL": own_child("postgres"), "NATS": own_child("nats-server")}


def spent_s(pids: Mapping[str, int]) -> dict[str, float]:
    return {name: cpu_s(pid, children=name == "PostgreSQL") for name, pid in pids.items()}


def keep_up(ours: World, pids: Mapping[str, int], devices: int, rate: int, seconds: float) -> Kept:
    """A steady rate of hellos, until the log has all of them."""
    position, before = value(ours, HEAD), spent_s(pids)
    answered = say_hello(ours, devices, rate, seconds)
    wait_until_stored(ours)
    after = spent_s(pids)
    with psycopg.connect(ours.conninfo) as connection:
        row = connection.execute(AGES, [position]).fetchone()
    assert row is not None
    count, took_s, ages_s = row
    assert count == answered, f"{answered} were answered, {count} are in the log"
    spent_us = {name: (after[name] - before[name]) / count * 1e6 for name in pids}
    return Kept(count, count / float(took_s), ages_s, spent_us)


def kept_up(where: str, kept: Kept, target: Target | None) -> list[Result]:
    half, most, at_most = (age_s * 1e3 for age_s in kept.ages_s)
    return [
        Result(f"into the log, {where}", "handshakes/s", [kept.per_s], target=target),
        Result("of these, half there after", "ms", [half]),
        Result("of these, 99 of 100 there after", "ms", [most]),
        Result("of these, the last there after", "ms", [at_most]),
        *(
            Result(f"processor time of {name}", "µs a handshake", [used])
            for name, used in kept.spent_us.items()
        ),
    ]


def caught_up(ours: World) -> Result:
    """How fast the worker takes what has gathered while it was away; its start is part of it."""
    position = value(ours, HEAD)
    with child("device_edge.journal", ours.told):
        began = time.perf_counter()
        wait_until_stored(ours)
        took_s = time.perf_counter() - began
    events = value(ours, HEAD) - position
    reference_s = copy_again(ours.conninfo, position, position + events, EVENTS_A_COMMIT)
    return Result(
        f"a backlog of {events:,} into the log",
        "handshakes/s",
        [events / took_s],
        [events / reference_s],
        compared_with="bare COPY of the same events",
    )


def say_hello(ours: World, devices: int, rate: int, seconds: float) -> int:
    """How many were answered: all of them."""
    command = [sys.executable, "-m", "tests.bench.nats_load", ours.server.url]
    options = [f"--devices={devices}", f"--rate={rate}", f"--seconds={seconds}"]
    done = subprocess.run(
        [*command, *options],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        text=True,
        timeout=LOAD_TIMEOUT_S,
        check=True,
    )
    found = json.loads(done.stdout)
    assert not found["errors"], found["errors"]
    assert found["answers"] == found["said"], found
    return int(found["answers"])


def check_exactly_once(ours: World, answered: int) -> None:
    """Every handshake that was answered is in the log, none of them twice, no stream has a hole."""
    assert value(ours, STORED) == answered, "not as many in the log as were answered"
    assert value(ours, TWICE) == 0, "a handshake is in the log twice"
    assert value(ours, NOT_DENSE) == 0, "a stream has a hole"


def value(ours: World, query: str) -> int:
    with psycopg.connect(ours.conninfo) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return int(row[0])


def wait_until_stored(ours: World) -> None:
    """Until the worker has stored everything that is in the journal now."""
    last = asyncio.run(journaled(ours.server))
    end = time.monotonic() + STORED_TIMEOUT_S
    while value(ours, CHECKPOINT) < last:
        assert time.monotonic() < end, "the log does not get there"
        time.sleep(POLL_S)


async def journaled(server: NatsServer) -> int:
    connection = await nats.connect(server.url)
    last = await last_sequence_of(connection, JOURNAL_STREAM)
    await connection.close()
    return last


if __name__ == "__main__":
    main("journal", PROMISE, measure)
