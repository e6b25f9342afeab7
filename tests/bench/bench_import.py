"""A million device ids, posted as one file to a running cloud, until every read model shows them.

The cloud is the whole of `rollcall up` with an edge: while the import goes on, the devices are
announced to NATS and the edge takes them into its memory. The reference is one bare COPY of the
very events that the import left in the log, on the same server.
"""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from random import Random
from statistics import median
from typing import Any, NamedTuple

import nats
from nats.aio.client import Client

from domain.subjects import FACTS_HEAD, FACTS_STREAM, FLEET_STREAM, down, up
from tests.bench.children import cpu_s, memory_bytes
from tests.bench.measure import server_line
from tests.bench.raw_copy import copy_again
from tests.bench.results import Result, Target, main
from tests.bench.whole import wait_until_readable
from tests.cloud import Cloud, cloud

PROMISE = "a million ids imported through HTTP, read models included"
MILLION, MILLION_QUICK = 1_000_000, 20_000
SOME, SOME_QUICK = 100_000, 10_000
SOME_TIMES, SOME_TIMES_QUICK = 3, 1
COPIES, COPIES_QUICK = 3, 1
OVER_COPY = 12.0
LARGE_OVER_SMALL = 1.3
MEMORY_MB_MAX = 400.0
PLATFORM = 6
HTTP_TIMEOUT_S = 600.0
FOLLOWED_TIMEOUT_S = 600.0
POLL_S = 0.02
ANSWER_TIMEOUT_S = 10.0
PROCESSES = ("api", "projections", "edge-1", "nats", "postgres")
EVERYTHING = "all of these"


class Imported(NamedTuple):
    """Seconds from the request to the reply, to the read models, to NATS, to the edge's memory."""

    ids: int
    position: int
    replied_s: float
    readable_s: float
    announced_s: float
    known_s: float


def measure(quick: bool) -> Sequence[Result]:
    some, times = (SOME_QUICK, SOME_TIMES_QUICK) if quick else (SOME, SOME_TIMES)
    million = MILLION_QUICK if quick else MILLION
    with cloud() as ours:
        chance = Random(94)
        product = new_product(ours)
        began = spent(ours)
        small = [import_file(ours, product, ids(chance, some)) for _ in range(times)]
        before = spent(ours)
        large = import_file(ours, product, ids(chance, million))
        after = spent(ours)
        memory = {name: memory_mb(ours, name) for name in ("api", "projections", "edge-1")}
        conninfo = ours.status["database"]
        copies_s = [
            copy_again(conninfo, large.position - million, large.position, million)
            for _ in range(COPIES_QUICK if quick else COPIES)
        ]
        stands_on = server_line(conninfo)
    times_s = [large.readable_s] * len(copies_s)
    each = median(one.readable_s / some * 1e6 for one in small)
    return [
        stands_on,
        Result(
            f"{million:,} ids until readable",
            "s",
            times_s,
            copies_s,
            Target("≤", OVER_COPY),
            "bare COPY of the same events",
        ),
        Result(
            f"an id of {million:,}",
            "µs",
            [large.readable_s / million * 1e6],
            [each],
            Target("≤", LARGE_OVER_SMALL),
            f"an id of {some:,}",
        ),
        Result("of it until the reply", "s", [large.replied_s]),
        Result("until announced to the edges", "s", [large.announced_s]),
        Result("until the edge answers by it", "s", [large.known_s]),
        Result(
            "memory of the API at its most",
            "MB",
            [memory["api"]],
            target=Target("≤", MEMORY_MB_MAX, on="ours"),
        ),
        Result("memory of the followers at their most", "MB", [memory["projections"]]),
        Result("memory of the edge at its most", "MB", [memory["edge-1"]]),
        *(
            Result(
                f"processor time of {name}",
                "µs an id",
                [(after[name] - before[name]) / million * 1e6],
                [(before[name] - began[name]) / (some * times) * 1e6],
                None,
                f"an id of {some:,}",
            )
            for name in (*PROCESSES, EVERYTHING)
        ),
    ]


def ids(chance: Random, count: int) -> bytes:
    """A file of random ids, one a line."""
    return b"".join(b"%024x\n" % chance.getrandbits(96) for _ in range(count))


def new_product(ours: Cloud) -> int:
    said = {"product": {"name": "Lamp", "platform_id": PLATFORM, "description": "A lamp"}}
    reply = ours.http.post("/v1/user/products", json=said)
    assert reply.is_success, reply.text
    product_id: int = reply.json()["product"]["id"]
    return product_id


def import_file(ours: Cloud, product: int, file: bytes) -> Imported:
    began = time.perf_counter()

    def passed_s() -> float:
        return time.perf_counter() - began

    reply = ours.http.post(
        f"/v1/products/{product}/devices",
        files={"file": ("ids.txt", file, "text/plain")},
        timeout=HTTP_TIMEOUT_S,
    )
    replied_s = passed_s()
    assert reply.is_success, reply.text[:1000]
    count = file.count(b"\n")
    said: dict[str, Any] = reply.json()
    assert said["updated"] == count, {key: said[key] for key in ("updated", "existing", "invalid")}
    wait_until_readable(ours.status["database"], said["position"])
    readable_s = passed_s()
    announced_s, known_s = asyncio.run(follow(ours, said["position"], file[:24].decode(), passed_s))
    return Imported(count, said["position"], replied_s, readable_s, announced_s, known_s)


async def follow(
    ours: Cloud, position: int, device: str, passed_s: Callable[[], float]
) -> tuple[float, float]:
    """When the announcements had come that far, and when the edge had."""
    connection = await nats.connect(ours.status["nats_url"])
    while await announced(connection) < position:
        assert passed_s() < FOLLOWED_TIMEOUT_S, "the edges are not told"
        await asyncio.sleep(POLL_S)
    announced_s = passed_s()
    while await answered(connection, device) < position:
        assert passed_s() < FOLLOWED_TIMEOUT_S, "the edge does not get there"
    known_s = passed_s()
    await fleet_events_told(connection, position, passed_s)
    await connection.close()
    return announced_s, known_s


async def announced(connection: Client) -> int:
    head = await connection.jetstream().get_last_msg(FACTS_STREAM, FACTS_HEAD)
    return int(json.loads(head.data or b"")["position"])


async def answered(connection: Client, device: str) -> int:
    """The position that a handshake is answered as of."""
    answers = await connection.subscribe(down(device, "hello"), max_msgs=1)
    await connection.publish(up(device, "hello"), b"{}")
    answer = await answers.next_msg(ANSWER_TIMEOUT_S)
    return int(json.loads(answer.data)["position"])


async def fleet_events_told(
    connection: Client, position: int, passed_s: Callable[[], float]
) -> None:
    """Until nobody works on this import any more: what comes next is measured by itself."""
    while True:
        last = await connection.jetstream().get_last_msg(FLEET_STREAM, "fleet.>")
        if json.loads(last.data or b"")[-1]["position"] >= position:
            return
        assert passed_s() < FOLLOWED_TIMEOUT_S, "the fleet's events are not told"
        await asyncio.sleep(POLL_S)


def spent(ours: Cloud) -> dict[str, float]:
    """Processor seconds of each process so far; of PostgreSQL with all that it started."""
    pids = ours.status["pids"]
    each = {name: cpu_s(pids[name], children=name == "postgres") for name in PROCESSES}
    return {**each, EVERYTHING: sum(each.values())}


def memory_mb(ours: Cloud, name: str) -> float:
    return memory_bytes(ours.status["pids"][name], "VmHWM") / 1e6


if __name__ == "__main__":
    main("import", PROMISE, measure)
