"""Handshakes of one edge with a million devices in its memory, beside a bare echo on NATS.

Devices on MQTT, let in by token, each saying hello again as soon as it was answered. The edge puts
every handshake into the journal before it answers; the echo answers at once. Client, NATS, and edge
or echo share the machine, so both are bound by its processors.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nats

from device_edge.streams import JOURNAL, make_stream
from domain.subjects import JOURNAL_STREAM
from rollcall.state import CHECKOUT
from tests.bench.children import child, cpu_s, environment
from tests.bench.many import announce
from tests.bench.results import Result, Target, main
from tests.servers import NatsServer, nats_server

DEVICES, DEVICES_QUICK = 1_000_000, 1_000
CONNECTIONS, CONNECTIONS_QUICK = 100, 10
FEW_CONNECTIONS = 10  # with so few nothing queues: this is the latency to expect
SECONDS, SECONDS_QUICK = 8.0, 0.5
ROUNDS, ROUNDS_QUICK = 3, 1
LOAD_TIMEOUT_S = 120.0
NO_DATABASE = "host=/nonexistent"  # an edge answers without one

Found = dict[str, Any]


def measure(quick: bool) -> Sequence[Result]:
    devices = DEVICES_QUICK if quick else DEVICES
    many = CONNECTIONS_QUICK if quick else CONNECTIONS
    seconds = SECONDS_QUICK if quick else SECONDS
    found: dict[tuple[str, int], list[Found]] = {}
    with nats_server() as server, tempfile.TemporaryDirectory() as folder:
        asyncio.run(fill(server, devices))
        told = environment(NO_DATABASE, server, Path(folder))
        for _ in range(ROUNDS_QUICK if quick else ROUNDS):
            for module in ("tests.bench.echo", "device_edge"):
                with child(module, told) as process:
                    for connections in (many, FEW_CONNECTIONS):
                        one = load(server, connections, seconds, process.pid)
                        found.setdefault((module, connections), []).append(one)
                asyncio.run(empty_journal(server))
    return [*lines(found, many, quick), *latencies(found, FEW_CONNECTIONS)]


def lines(found: dict[tuple[str, int], list[Found]], connections: int, quick: bool) -> list[Result]:
    ours, bare = found["device_edge", connections], found["tests.bench.echo", connections]
    return [
        Result(
            f"handshakes, {connections} devices at once",
            "per s",
            [one["per_s"] for one in ours],
            [one["per_s"] for one in bare],
            None if quick else Target("≥", 0.5),
            "bare NATS echo",
        ),
        *latencies(found, connections),
        *(
            Result(
                f"processor time of {who}",
                "µs a handshake",
                [one[key] for one in ours],
                [one[key] for one in bare],
                None,
                "bare NATS echo",
            )
            for who, key in (("the edge", "edge_us"), ("the client", "client_us"))
        ),
    ]


def latencies(found: dict[tuple[str, int], list[Found]], connections: int) -> list[Result]:
    ours, bare = found["device_edge", connections], found["tests.bench.echo", connections]
    return [
        Result(
            f"answered after, {name}, {connections} devices at once",
            "ms",
            [one[key] for one in ours],
            [one[key] for one in bare],
            None,
            "bare NATS echo",
        )
        for name, key in (("half of them", "p50_ms"), ("99 of 100", "p99_ms"))
    ]


def load(server: NatsServer, connections: int, seconds: float, edge: int) -> Found:
    """What the devices saw, and what it cost the process that answered them."""
    command = [sys.executable, "-m", "tests.bench.mqtt_load", str(server.mqtt_port)]
    options = [f"--connections={connections}", f"--seconds={seconds}"]
    with subprocess.Popen(
        [*command, *options], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True
    ) as client:
        assert client.stdout is not None
        assert client.stdout.readline() == "measuring\n"
        before = cpu_s(edge)
        output, _ = client.communicate(timeout=LOAD_TIMEOUT_S)
        spent_s = cpu_s(edge) - before
    assert client.returncode == 0
    found: Found = json.loads(output)
    assert found["lost"] == 0, f"{found['lost']} devices were disconnected"
    assert found["answers"] > 0, "nobody was answered"
    found["edge_us"] = spent_s / found["answers"] * 1e6
    found["client_us"] = found["own_cpu_s"] / found["answers"] * 1e6
    return found


async def fill(server: NatsServer, devices: int) -> None:
    connection = await nats.connect(server.url)
    await make_stream(connection, JOURNAL)
    await announce(connection, devices)
    await connection.close()


async def empty_journal(server: NatsServer) -> None:
    """Its worker does not run here, and it would be full after a while."""
    connection = await nats.connect(server.url)
    await connection.jetstream().purge_stream(JOURNAL_STREAM)
    await connection.close()


if __name__ == "__main__":
    main(
        "handshake",
        "an edge of a million devices answers at least half as many as a bare echo",
        measure,
    )
