"""Callers of an HTTP API, each on a connection of its own, one request after the other.

They do the least that a caller can: it is the server's processor time that is measured.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

HEADER_END = b"\r\n\r\n"
LENGTH = b"content-length: "

Make = Callable[[], bytes]  # the next request, headers and all


class Answered(NamedTuple):
    """How many requests were answered, and in what time."""

    requests: int
    seconds: float


def request(method: str, path: str, token: str, body: bytes = b"") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n"
    if method != "GET":
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return f"{head}\r\n".encode() + body


def form(path: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Length: {len(body)}\r\n"
    return f"{head}Content-Type: application/x-www-form-urlencoded\r\n\r\n".encode() + body


def load(port: int, make: Make, callers: int, seconds: float) -> Answered:
    """So many callers for so long. Raises AssertionError at an answer that is no success."""
    return asyncio.run(_load(port, make, callers, seconds))


async def _load(port: int, make: Make, callers: int, seconds: float) -> Answered:
    began = time.perf_counter()
    counts = await asyncio.gather(
        *(_call(port, make, began + seconds) for _ in range(callers)),
    )
    return Answered(sum(counts), time.perf_counter() - began)


async def _call(port: int, make: Make, until: float) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    count = 0
    while time.perf_counter() < until:
        writer.write(make())
        await _answer(reader)
        count += 1
    writer.close()
    await writer.wait_closed()
    return count


async def _answer(reader: asyncio.StreamReader) -> None:
    head = await reader.readuntil(HEADER_END)
    length = int(next(_lengths(head.lower())))
    body = await reader.readexactly(length)
    assert head.split(b" ", 2)[1][:1] == b"2", (head, body)


def _lengths(head: bytes) -> Iterator[bytes]:
    for line in head.split(b"\r\n"):
        if line.startswith(LENGTH):
            yield line[len(LENGTH) :]
