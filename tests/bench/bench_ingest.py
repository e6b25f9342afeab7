"""Device events from MQTT into the table, beside the least that gets events from NATS into one.

Ours: devices on MQTT, each with some messages under way and the next when one is acknowledged,
which is when it is stored; the intake checks them, looks up whose they are, counts what was used.
The reference has none of that, and no MQTT. In turns, on the same servers, which share the machine
with the clients.
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

from rollcall.state import CHECKOUT
from tests.bench import bare_ingest
from tests.bench.children import child, cpu_s, environment, own_child
from tests.bench.many import PRODUCT, announce, device_id
from tests.bench.measure import migrated_database, server_line
from tests.bench.results import Result, Target, main
from tests.servers import NatsServer, nats_server

PROMISE = "from MQTT to the table at least 0.6 of what goes from bare NATS into one"

CONNECTIONS, WINDOW = 100, 40  # together less than NATS queues before it stores
EVENTS, EVENTS_QUICK = 100_000, 2_000
IN_ARRAY = 10
ROUNDS, ROUNDS_QUICK = 5, 1
LOAD_TIMEOUT_S = 300.0

MEMBERS = """
    WITH cohort AS (
        INSERT INTO fleet.cohort VALUES (1, %(product)s, 'member', '{}', NULL, false)
    )
    INSERT INTO fleet.device (device_id, product_id, cohort_id, running, facts_position,
                              last_position)
    SELECT device_id, %(product)s, 1, 2, 0, 0 FROM unnest(%(devices)s::text[]) AS device_id
"""
STORED = """
    SELECT (SELECT count(*) FROM telemetry.device_event WHERE version = 2),
           (SELECT sum(messages) FROM usage.data), (SELECT count(*) FROM bare.event)
"""


class World(NamedTuple):
    """The servers, and the processes of ours and the servers' that work."""

    conninfo: str
    server: NatsServer
    pids: Mapping[str, int]


def measure(quick: bool) -> Sequence[Result]:
    events = EVENTS_QUICK if quick else EVENTS
    few = events // 4  # messages: with ten events each that is more of these
    rounds = ROUNDS_QUICK if quick else ROUNDS
    single: list[float] = []
    arrays: list[float] = []
    bare: list[float] = []
    used: list[Mapping[str, float]] = []
    with world() as ours:
        for _ in range(rounds):
            before = spent_s(ours)
            single.append(events / said_s(ours, events, 1))
            after = spent_s(ours)
            used.append({name: (after[name] - before[name]) / events * 1e6 for name in ours.pids})
            arrays.append(few * IN_ARRAY / said_s(ours, few, IN_ARRAY))
            bare.append(events / bare_s(ours, events))
        check(ours, rounds * events, rounds * few)
        stands_on = server_line(ours.conninfo)
        names = [*ours.pids]
    of_bare, of_single = (None, None) if quick else (Target("≥", 0.6), Target("≥", 4))
    what = "events, MQTT to table"
    return [
        stands_on,
        Result(what, "per s", single, bare, of_bare, "bare NATS to COPY"),
        Result(
            f"{what}, {IN_ARRAY} a message", "per s", arrays, single, of_single, "one a message"
        ),
        *(
            Result(f"processor time of {name}", "µs an event", [one[name] for one in used])
            for name in names
        ),
    ]


@contextmanager
def world() -> Iterator[World]:
    with (
        tempfile.TemporaryDirectory() as folder,
        migrated_database() as conninfo,
        nats_server() as server,
    ):
        asyncio.run(fill(server))
        devices = [device_id(number) for number in range(CONNECTIONS)]
        with psycopg.connect(conninfo) as connection:
            connection.execute(MEMBERS, {"product": PRODUCT, "devices": devices})
            connection.execute(bare_ingest.TABLES)
        told = environment(conninfo, server, Path(folder)) | {"ROLLCALL_DEVICE_EVENTS_PER_S": "0"}
        with child("device_edge", told), child("device_edge.intake", told) as intake:
            servers = {"PostgreSQL": own_child("postgres"), "NATS": own_child("nats-server")}
            yield World(conninfo, server, {"the intake": intake.pid, **servers})


async def fill(server: NatsServer) -> None:
    connection = await nats.connect(server.url)
    await announce(connection, CONNECTIONS)
    await connection.close()


def spent_s(ours: World) -> dict[str, float]:
    return {name: cpu_s(pid, children=name == "PostgreSQL") for name, pid in ours.pids.items()}


def said_s(ours: World, messages: int, events: int) -> float:
    """How long it takes until all of so many messages are stored and acknowledged."""
    command = [sys.executable, "-m", "tests.bench.event_load", str(ours.server.mqtt_port)]
    options = {
        "connections": CONNECTIONS,
        "window": WINDOW,
        "messages": messages,
        "events": events,
    }
    done = subprocess.run(
        [*command, *(f"--{name}={value}" for name, value in options.items())],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        text=True,
        timeout=LOAD_TIMEOUT_S,
        check=True,
    )
    found = json.loads(done.stdout)
    assert (found["refused"], found["lost"]) == (0, 0), found
    return float(found["took_s"])


def bare_s(ours: World, events: int) -> float:
    """How long the reference takes, from its first event to the commit of its last."""
    asyncio.run(bare_ingest.make(ours.server.url))
    command = [sys.executable, "-m", "tests.bench.bare_ingest"]
    said = [ours.server.url, str(events)]
    with subprocess.Popen(
        [*command, "store", *said, ours.conninfo], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True
    ) as storing:
        assert storing.stdout is not None
        assert storing.stdout.readline() == "ready\n"
        with subprocess.Popen(
            [*command, "publish", *said], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True
        ) as publishing:
            assert publishing.stdout is not None
            assert publishing.stdout.readline() == "ready\n"
            began = time.perf_counter()
            storing.wait(LOAD_TIMEOUT_S)
            took_s = time.perf_counter() - began
            publishing.wait(LOAD_TIMEOUT_S)
    assert (storing.returncode, publishing.returncode) == (0, 0)
    return took_s


def check(ours: World, said: int, arrays: int) -> None:
    """Every event is in the table once, as its product's; every message is counted once."""
    with psycopg.connect(ours.conninfo) as connection:
        found = connection.execute(STORED).fetchone()
    assert found == (said + arrays * IN_ARRAY, said + arrays, said), found


if __name__ == "__main__":
    main("ingest", PROMISE, measure)
