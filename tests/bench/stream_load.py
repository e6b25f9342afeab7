"""`python -m tests.bench.stream_load`: whoever listens to event streams, each on a connection.

Says "open" when all streams are; then counts events until there are enough on all of them, and
prints one JSON object. Data that is a time, in nanoseconds of the monotonic clock, is a latency.
"""

import argparse
import asyncio
import json
import re
import sys
import time
from math import ceil

import uvloop

EVENT = b"\nevent: said\n"
SAID_AT = re.compile(rb'"data":"(\d{9,})"')
OPENING_MAX = 50
TIMEOUT_S = 120.0


class Tally:
    def __init__(self, wanted: int) -> None:
        self.wanted = wanted
        self.heard = 0
        self.began = 0.0
        self.waits_ms: list[float] = []
        self.done = asyncio.get_running_loop().create_future()


class Ear(asyncio.Protocol):
    def __init__(self, asked: bytes, tally: Tally) -> None:
        self._asked = asked
        self._tally = tally
        self._rest = b""
        self.open = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self.transport = transport
        transport.write(self._asked)

    def data_received(self, data: bytes) -> None:
        if not self.open.done():
            if b":ok" in data:
                self.open.set_result(None)
            assert b" 200 " in data or b"HTTP/" not in data, data
        read, tally = self._rest + data, self._tally
        count = read.count(EVENT)
        for said in SAID_AT.finditer(read):
            tally.waits_ms.append((time.monotonic_ns() - int(said[1])) / 1e6)
        end = read.rfind(b"\n\n")
        self._rest = read[end + 1 :] if end >= 0 else read
        if end >= 0 and count:
            count -= self._rest.count(EVENT)
        elif end < 0:
            count = 0
        if count:
            tally.began = tally.began or time.perf_counter()
            tally.heard += count
            if tally.heard >= tally.wanted and not tally.done.done():
                tally.done.set_result(None)


async def listen(port: int, token: str, streams: int, events: int) -> dict[str, float]:
    loop, tally = asyncio.get_running_loop(), Tally(streams * events)
    head = "GET /v1/devices/events HTTP/1.1\r\nHost: bench\r\n"
    asked = f"{head}Authorization: Bearer {token}\r\n\r\n".encode()
    room = asyncio.Semaphore(OPENING_MAX)

    async def opened() -> Ear:
        async with room:
            ear = Ear(asked, tally)
            await loop.create_connection(lambda: ear, "127.0.0.1", port)
            await ear.open
            return ear

    ears = await asyncio.gather(*(opened() for _ in range(streams)))
    print("open", flush=True)
    async with asyncio.timeout(TIMEOUT_S):
        await tally.done
    took_s = time.perf_counter() - tally.began
    for ear in ears:
        ear.transport.close()
    waits_ms = sorted(tally.waits_ms)

    def share(part: float) -> float:
        return waits_ms[ceil(len(waits_ms) * part) - 1] if waits_ms else float("nan")

    found = {"p50_ms": share(0.5), "p99_ms": share(0.99)} if waits_ms else {}
    return {"heard": tally.heard, "took_s": took_s, **found}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.stream_load")
    parser.add_argument("port", type=int)
    parser.add_argument("token")
    parser.add_argument("--streams", type=int, required=True)
    parser.add_argument("--events", type=int, required=True, help="on each")
    wanted = parser.parse_args()
    found = uvloop.run(listen(wanted.port, wanted.token, wanted.streams, wanted.events))
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
