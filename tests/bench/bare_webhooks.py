"""The two ends of a webhook without anything between them.

`python -m tests.bench.bare_webhooks receive` answers every request with ok, at a free port that it
prints. `… send URL N C` posts N requests with the client that deliveries use, in C bare loops at
once, and prints how long that took.
"""

import asyncio
import sys
import time
from collections.abc import Iterator
from typing import Any

import aiohttp
import uvloop

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
HEADERS = {
    "User-Agent": "bare",
    "Accept": "*/*",
    "Content-Type": "application/x-www-form-urlencoded",
    "webhook-id": "0123456789abcdef01234567_123456",
    "webhook-timestamp": "1700000000",
    "webhook-signature": "v1,MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
}
BODY = (
    b"event=temp&data=21.5&coreid=e00fce681234567890abcdef"
    b"&published_at=2026-11-21T12%3A00%3A00.000Z"
)


class Answering(asyncio.Protocol):
    """Requests may come in pieces; they carry a Content-Length, and come one at a time."""

    def __init__(self) -> None:
        self._held = b""

    def connection_made(self, transport: Any) -> None:
        self._transport: asyncio.Transport = transport

    def data_received(self, data: bytes) -> None:
        held = self._held = self._held + data
        end = held.find(b"\r\n\r\n")
        if end < 0:
            return
        at = held.lower().find(b"content-length: ", 0, end) + len(b"content-length: ")
        length = int(held[at : held.index(b"\r", at)])
        if len(held) >= end + 4 + length:
            self._held = b""
            self._transport.write(ANSWER)


async def receive() -> None:
    server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def send(url: str, count: int, loops: int) -> None:
    connector = aiohttp.TCPConnector(limit=loops)
    async with aiohttp.ClientSession(connector=connector) as session:
        left = iter(range(count))
        began = time.perf_counter()
        await asyncio.gather(*(post(session, url, left) for _ in range(loops)))
        print(time.perf_counter() - began)


async def post(session: aiohttp.ClientSession, url: str, left: Iterator[int]) -> None:
    for _ in left:
        async with session.post(url, data=BODY, headers=HEADERS) as response:
            assert response.status == 200
            await response.read()


if __name__ == "__main__":
    what, *more = sys.argv[1:]
    uvloop.run(receive() if what == "receive" else send(more[0], int(more[1]), int(more[2])))
