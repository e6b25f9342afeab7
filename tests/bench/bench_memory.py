"""What a device costs an edge in memory, how fast it is found, and how soon an edge serves.

The references: the same facts in a plain dict of the device's id to its decoded facts, and a bare
client that reads the same stream and keeps nothing.
"""

import asyncio
import gc
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context
from os import getpid
from pathlib import Path

import nats
import uvloop
from nats.aio.msg import Msg

from device_edge.known import Known, decode_device
from domain.facts import DeviceFacts
from domain.subjects import FACTS_HEAD, FACTS_STREAM, FACTS_SUBJECTS, facts_of_device
from tests.bench.children import child, environment, memory_bytes
from tests.bench.many import announce, device_facts, device_id
from tests.bench.results import Result, Target, main
from tests.servers import NatsServer, nats_server

MILLION = 1_000_000
FLEETS = (100_000, MILLION)
FLEETS_QUICK = (20_000,)
LOOKUPS = 100_000
ROUNDS = 5
READ_TIMEOUT_S = 120.0
NO_DATABASE = "host=/nonexistent"  # an edge answers without one


def measure(quick: bool) -> Sequence[Result]:
    results: list[Result] = []
    nothing, _ = edge_with(0)
    for devices in FLEETS_QUICK if quick else FLEETS:
        grown, (ours_s, bare_s) = edge_with(devices)
        known, edge_ns = alone(found_in_known, devices)
        plain, plain_ns = alone(found_in_plain, devices)
        size = f"{devices:,} devices"
        results += [
            Result(
                f"memory of an edge, {size}",
                "bytes a device",
                [(grown - nothing) / devices],
                [plain / devices],
                # With fewer, what an edge needs to read at all weighs too much.
                Target("≤", 150, on="ours") if devices >= MILLION else None,
                "dict of id to facts",
            ),
            Result(f"of it the facts themselves, {size}", "bytes a device", [known / devices]),
            Result(f"facts found, {size}", "ns", edge_ns, plain_ns, None, "dict of id to facts"),
            Result(
                f"edge started and serving, {size}", "s", [ours_s], [bare_s], None, "bare reading"
            ),
        ]
    return results


def edge_with(devices: int) -> tuple[int, tuple[float, float]]:
    """Its memory, and how long it took from its start, beside reading the stream and no more."""
    with nats_server() as server, tempfile.TemporaryDirectory() as folder:
        asyncio.run(fill(server, devices))
        bare_s = uvloop.run(read(server.url))
        began = time.perf_counter()
        with child("device_edge", environment(NO_DATABASE, server, Path(folder))) as edge:
            ours_s = time.perf_counter() - began
            return memory_bytes(edge.pid), (ours_s, bare_s)


async def fill(server: NatsServer, devices: int) -> None:
    connection = await nats.connect(server.url)
    await announce(connection, devices)
    await connection.close()


async def read(url: str) -> float:
    """Seconds, for a client of the same library."""
    connection = await nats.connect(url)
    ended = asyncio.Event()

    async def take(message: Msg) -> None:
        if message.subject == FACTS_HEAD:
            ended.set()

    began = time.perf_counter()
    await connection.jetstream().subscribe(
        FACTS_SUBJECTS,
        stream=FACTS_STREAM,
        ordered_consumer=True,
        cb=take,
        pending_msgs_limit=-1,
        pending_bytes_limit=-1,
    )
    async with asyncio.timeout(READ_TIMEOUT_S):
        await ended.wait()
    took_s = time.perf_counter() - began
    await connection.close()
    return took_s


def alone(
    measured: Callable[[int], tuple[int, list[float]]], devices: int
) -> tuple[int, list[float]]:
    """In a process of its own: memory that something else left free would hide what this takes."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
        return fresh.submit(measured, devices).result()


def found_in_known(devices: int) -> tuple[int, list[float]]:
    """What the edge's own structure takes in this process, and its look-ups."""
    gc.collect()
    before = memory_bytes(getpid())
    known = Known()
    batch = known.batch()
    for number, fact in enumerate(islice(device_facts(), devices)):
        batch.put(facts_of_device(device_id(number)), fact)
    known.apply(batch, devices, anew=True)
    del batch
    gc.collect()
    took = memory_bytes(getpid()) - before
    wanted = sample(devices)
    return took, [timed(lambda: [known.facts_of(one) for one in wanted]) for _ in range(ROUNDS)]


def found_in_plain(devices: int) -> tuple[int, list[float]]:
    gc.collect()
    before = memory_bytes(getpid())
    plain: dict[str, DeviceFacts] = {}
    for number, fact in enumerate(islice(device_facts(), devices)):
        plain[device_id(number)] = decode_device(fact)
    gc.collect()
    took = memory_bytes(getpid()) - before
    wanted = sample(devices)
    return took, [timed(lambda: [plain[one] for one in wanted]) for _ in range(ROUNDS)]


def sample(devices: int) -> list[str]:
    chance = random.Random(7)
    return [device_id(chance.randrange(devices)) for _ in range(LOOKUPS)]


def timed(look_up: Callable[[], object]) -> float:
    """Nanoseconds a look-up."""
    began = time.perf_counter()
    look_up()
    return (time.perf_counter() - began) / LOOKUPS * 1e9


if __name__ == "__main__":
    main("memory", "a million devices in an edge at no more than 150 bytes each", measure)
