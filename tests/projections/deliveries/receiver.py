"""A server that answers as it is told: the other end of deliveries."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import NamedTuple, TypeAlias

HEAD_END = b"\r\n\r\n"


class Asked(NamedTuple):
    """A request as it came; names of headers in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


# Writes an answer; may take its time, or go on for ever.
Answer: TypeAlias = Callable[[Asked, asyncio.StreamWriter], Awaitable[None]]


class Receiver:
    """Keeps connections alive, and everything that it was asked."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked: list[Asked] = []
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                asked = await read(reader)
                self.asked.append(asked)
                await self.answer(asked, writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return  # that was all
        finally:
            writer.close()


async def read(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(HEAD_END)).decode("latin-1").removesuffix("\r\n\r\n")
    first, *lines = head.split("\r\n")
    method, path, _ = first.split(" ")
    fields = [line.partition(":") for line in lines]
    headers = {name.lower(): text.strip() for name, _, text in fields}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Asked(method, path, headers, body)


def replying(status: int = 200, body: bytes = b"", **headers: str) -> Answer:
    """Always the same, at once."""
    lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {text}" for name, text in headers.items()]
    content = "\r\n".join(lines).encode() + HEAD_END + body

    async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(content)

    return answer


@asynccontextmanager
async def receiver(
    answer: Answer,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    context: ssl.SSLContext | None = None,
) -> AsyncIterator[Receiver]:
    """One at that port of the loopback, or at a free one, until the end of the block."""
    ours = Receiver(answer)
    server = await asyncio.start_server(ours.serve, host, port, ssl=context)
    ours.port = server.sockets[0].getsockname()[1]
    try:
        yield ours
    finally:
        server.close()
