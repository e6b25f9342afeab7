"""Handshakes of one edge with a million devices in its memory, beside a bare echo on NATS.

Devices on MQTT, let in by token, each speaking again as soon as it was answered; in turns of a few
seconds the edge answers them, or the echo. The edge puts every handshake into the journal before it
answers. Client, NATS, and edge or echo share the machine, so its processors bound both.
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
from tests.bench.children import child, cpu_s, environment, own_child
from tests.bench.many import announce
from tests.bench.results import Result, Target, main
from tests.servers import NatsServer, nats_server

DEVICES, DEVICES_QUICK = 1_000_000, 1_000
CONNECTIONS, CONNECTIONS_QUICK = 100, 20
FEW_CONNECTIONS = 10  # with so few hardly anything queues: this is the latency to expect
SECONDS, SECONDS_QUICK = 3.0, 0.5
ROUNDS, ROUNDS_QUICK = 7, 1
LOAD_TIMEOUT_S = 120.0
NO_DATABASE = "host=/nonexistent"  # an edge answers without one
HELLO, ECHO = "hello", "echo"

Found = dict[str, Any]
AllFound = dict[tuple[str, int], list[Found]]


def measure(quick: bool) -> Sequence[Result]:
    devices = DEVICES_QUICK if quick else DEVICES
    many = CONNECTIONS_QUICK if quick else CONNECTIONS
    seconds = SECONDS_QUICK if quick else SECONDS
    found: AllFound = {}
    with nats_server() as server, tempfile.TemporaryDirectory() as folder:
        asyncio.run(fill(server, devices))
        told = environment(NO_DATABASE, server, Path(folder))
        with child("device_edge", told) as edge, child("tests.bench.echo", told) as echo:
            for _ in range(ROUNDS_QUICK if quick else ROUNDS):
                for connections in (many, FEW_CONNECTIONS):
                    for about, answers in ((ECHO, echo), (HELLO, edge)):
                        one = load(server, connections, seconds, about, answers.pid)
                        found.setdefault((about, connections), []).append(one)
                asyncio.run(empty_journal(server))
    target = None if quick else Target("≥", 0.5)
    return [
        beside_echo(f"handshakes, {many} devices at once", "per s", found, many, "per_s", target),
        *latencies(found, many),
        *(
            beside_echo(f"processor time of {who}", "µs a handshake", found, many, key)
            for who, key in (("edge or echo", "edge_us"), ("NATS", "nats_us"))
        ),
        beside_echo(
            f"handshakes, {FEW_CONNECTIONS} devices at once",
            "per s",
            found,
            FEW_CONNECTIONS,
            "per_s",
        ),
        *latencies(found, FEW_CONNECTIONS),
    ]


def latencies(found: AllFound, connections: int) -> list[Result]:
    at_once = f"{connections} devices at once"
    return [
        beside_echo(f"answered after, {name}, {at_once}", "ms", found, connections, key)
        for name, key in (("half of them", "p50_ms"), ("99 of 100", "p99_ms"))
    ]


def beside_echo(
    what: str,
    unit: str,
    found: AllFound,
    connections: int,
    key: str,
    target: Target | None = None,
) -> Result:
    ours, bare = found[HELLO, connections], found[ECHO, connections]
    return Result(
        what, unit, [one[key] for one in ours], [one[key] for one in bare], target, "bare NATS echo"
    )


def load(server: NatsServer, connections: int, seconds: float, about: str, answers: int) -> Found:
    """What the devices saw, and what it cost NATS and the process `answers`."""
    command = [sys.executable, "-m", "tests.bench.mqtt_load", str(server.mqtt_port)]
    options = [f"--connections={connections}", f"--seconds={seconds}", f"--about={about}"]
    spenders = {"edge_us": answers, "nats_us": own_child("nats-server")}
    with subprocess.Popen(
        [*command, *options], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True
    ) as client:
        assert client.stdout is not None
        assert client.stdout.readline() == "measuring\n"
        before = {name: cpu_s(pid) for name, pid in spenders.items()}
        output, _ = client.communicate(timeout=LOAD_TIMEOUT_S)
        spent = {name: cpu_s(pid) - before[name] for name, pid in spenders.items()}
    assert client.returncode == 0
    found: Found = json.loads(output)
    assert found["lost"] == 0, f"{found['lost']} devices were disconnected"
    assert found["answers"] > 0, "nobody was answered"
    return {**found, **{name: one / found["answers"] * 1e6 for name, one in spent.items()}}


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
