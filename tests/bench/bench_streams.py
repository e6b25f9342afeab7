"""Event streams of one API process, beside a bare fan-out: a queue for each stream, in Starlette.

Ours looks up tokens, reads the table, filters, counts, and can be resumed. Deliveries a second of
the serving process' own time, at a pace that both keep; then as fast as it goes. At last devices
publish on MQTT, at that pace, beside devices whose word is echoed: how long until it is heard.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import nats
import psycopg

from rollcall.state import CHECKOUT
from tests.api.said.saying import say
from tests.api.serving import TOKEN, add_token
from tests.bench.bench_api import free_port
from tests.bench.children import TICKS_PER_S, child, cpu_s, environment
from tests.bench.many import announce, device_id
from tests.bench.measure import migrated_database, server_line
from tests.bench.mqtt_load import PUBLISH, Device, Tally, packet, text
from tests.bench.results import Result, Target, main
from tests.people import id_for
from tests.servers import NatsServer, nats_server

PROMISE = "500 streams at least 0.6 of a bare fan-out; from MQTT to a stream in 100 ms"
STREAMS, STREAMS_QUICK = 500, 20
ROUNDS, ROUNDS_QUICK = 5, 1
PACED, PACED_QUICK = 100, 10  # events
PER_S = 20  # of them, which is about half of what one process keeps
FAST, FAST_QUICK = 400, 20
AT_ONCE = 20  # events stored in one transaction, where it is to go fast
SAID_MS_MAX = 100.0
DEVICES = 20
DATA = json.dumps({"rssi": -61, "up": 3600, "bat": 3.71, "fw": "1.3.0"})
OWNED = """
    INSERT INTO fleet.device (device_id, owner, facts_position, last_position)
    SELECT device_id, %s, 0, 0 FROM unnest(%s::text[]) AS device_id
"""
LOAD_TIMEOUT_S = 180.0


class Server(NamedTuple):
    """A process that serves, and how it is made to say something."""

    port: int
    pid: int
    speak: Callable[[int, int], None]  # events, and how many a second; 0 is as fast as it goes


def measure(quick: bool) -> Sequence[Result]:
    streams = STREAMS_QUICK if quick else STREAMS
    paced, fast = (PACED_QUICK, FAST_QUICK) if quick else (PACED, FAST)
    rates: dict[str, tuple[list[float], list[float]]] = {"paced": ([], []), "fast": ([], [])}
    waits: list[Mapping[str, Any]] = []
    echoes: list[Mapping[str, Any]] = []
    with world() as (conninfo, server, ours, bare):
        for _ in range(ROUNDS_QUICK if quick else ROUNDS):
            for which, found in zip((ours, bare), rates["paced"], strict=True):
                found.append(per_core(which, streams, paced))
            for which, found in zip((ours, bare), rates["fast"], strict=True):
                found.append(heard_by(which, streams, fast, 0)["per_s"])
            waits.append(said_on_mqtt(server, ours, streams, paced))
            echoes.append(echoed(server, quick))
        stands_on = server_line(conninfo)
    over = None if quick else Target("≥", 0.6)
    soon = None if quick else Target("≤", SAID_MS_MAX, "ours")
    what = f"deliveries on {streams} streams"
    return [
        stands_on,
        Result(f"{what}, {PER_S} events a second", "a core and s", *rates["paced"], over, BARE),
        Result(f"{what}, as fast as it goes", "per s", *rates["fast"], over, BARE),
        *(
            Result(
                f"from MQTT to {streams} streams, {name[:3]}",
                "ms",
                [one[name] for one in waits],
                [one[name] for one in echoes],
                soon if name == "p99_ms" else None,
                "MQTT echo, alone",
            )
            for name in ("p50_ms", "p99_ms")
        ),
    ]


BARE = "bare Starlette fan-out"


@contextmanager
def world() -> Iterator[tuple[str, NatsServer, Server, Server]]:
    with (
        tempfile.TemporaryDirectory() as folder,
        migrated_database() as conninfo,
        nats_server() as server,
    ):
        user_id = add_token(conninfo, TOKEN, "admin")
        asyncio.run(fill(server))
        with psycopg.connect(conninfo) as connection:
            connection.execute(OWNED, [user_id, [device_id(one) for one in range(DEVICES)]])
        told = environment(conninfo, server, Path(folder)) | {"ROLLCALL_DEVICE_EVENTS_PER_S": "0"}
        ports = free_port(), free_port()
        api = {**told, "ROLLCALL_HTTP_PORT": str(ports[0])}
        with (
            child("api", api) as ours,
            child("tests.bench.bare_streams", told, str(ports[1])) as bare,
            child("device_edge", told),
            child("device_edge.intake", told),
            child("tests.bench.echo", told),
        ):
            yield (
                conninfo,
                server,
                Server(ports[0], ours.pid, storing(conninfo)),
                Server(ports[1], bare.pid, asking(ports[1])),
            )


async def fill(server: NatsServer) -> None:
    connection = await nats.connect(server.url)
    await announce(connection, DEVICES)
    await connection.close()


def storing(conninfo: str) -> Callable[[int, int], None]:
    """Events of the administrator's, put into the table as the intake does."""
    event = {"device_id": "a" * 24, "user_id": id_for("admin"), "name": "said", "data": DATA}

    def speak(events: int, per_s: int) -> None:
        many = 1 if per_s else AT_ONCE
        for _ in range(0, events, many):
            say(conninfo, *[event] * many)
            if per_s:
                time.sleep(1 / per_s)

    return speak


def asking(port: int) -> Callable[[int, int], None]:
    def speak(events: int, per_s: int) -> None:
        wanted = {"events": events, "per_s": per_s, "data": DATA}
        url = f"http://127.0.0.1:{port}/say"
        httpx.post(url, json=wanted, timeout=LOAD_TIMEOUT_S, trust_env=False)

    return speak


def per_core(server: Server, streams: int, events: int) -> float:
    """Deliveries by a second of its processor time."""
    found = heard_by(server, streams, events, PER_S)
    return float(found["heard"] / max(found["cpu_s"], 1 / TICKS_PER_S))


def heard_by(server: Server, streams: int, events: int, per_s: int) -> dict[str, Any]:
    with listeners(server.port, streams, events) as listening:
        before = cpu_s(server.pid)
        server.speak(events, per_s)
        found = end_of(listening)
        found["cpu_s"] = cpu_s(server.pid) - before
    return {**found, "per_s": found["heard"] / found["took_s"]}


@contextmanager
def listeners(port: int, streams: int, events: int) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "tests.bench.stream_load", str(port), TOKEN]
    options = [f"--streams={streams}", f"--events={events}"]
    with subprocess.Popen(
        [*command, *options], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True
    ) as listening:
        assert listening.stdout is not None
        assert listening.stdout.readline() == "open\n"
        yield listening


def end_of(listening: "subprocess.Popen[str]") -> dict[str, Any]:
    assert listening.stdout is not None
    found: dict[str, Any] = json.loads(listening.stdout.read())
    assert listening.wait(LOAD_TIMEOUT_S) == 0
    return found


def said_on_mqtt(server: NatsServer, ours: Server, streams: int, events: int) -> Mapping[str, Any]:
    with listeners(ours.port, streams, events) as listening:
        speaking = threading.Thread(target=lambda: asyncio.run(publish(server.mqtt_port, events)))
        speaking.start()
        found = end_of(listening)
        speaking.join()
    return found


async def publish(port: int, events: int) -> None:
    """Devices that say what time it is, one after the other."""
    loop, tally = asyncio.get_running_loop(), Tally()
    devices = [Device(device_id(number), tally, about="time") for number in range(DEVICES)]
    for device in devices:
        await loop.create_connection(partial(one_of, device), "127.0.0.1", port)
        await device.subscribed
    for number in range(events):
        index = number % DEVICES
        said = {"name": "said", "data": str(time.monotonic_ns())}
        topic = text(f"d/{device_id(index)}/up/events")
        devices[index].transport.write(packet(PUBLISH, topic + json.dumps(said).encode()))
        await asyncio.sleep(1 / PER_S)
    tally.stopping = True
    for device in devices:
        device.transport.close()


def one_of(device: Device) -> Device:
    return device


def echoed(server: NatsServer, quick: bool) -> Mapping[str, Any]:
    """As long as a word takes from a device to NATS, to somebody, and back."""
    command = [sys.executable, "-m", "tests.bench.mqtt_load", str(server.mqtt_port)]
    options = ["--connections=1", f"--seconds={0.5 if quick else 2}", "--about=echo"]
    done = subprocess.run(
        [*command, *options],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        text=True,
        timeout=LOAD_TIMEOUT_S,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.partition("\n")[2])
    return found


if __name__ == "__main__":
    main("streams", PROMISE, measure)
