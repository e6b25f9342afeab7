"""A cable to NATS that can be cut, and mended."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

CHUNK_BYTES = 65_536


class Cable:
    """`url` leads through it. While it is cut, nobody answers there."""

    def __init__(self, url: str) -> None:
        self._end = int(url.rpartition(":")[2])
        self._server: asyncio.Server | None = None
        self._carried: set[asyncio.Task[None]] = set()
        self._port = 0
        self._url = url

    @property
    def url(self) -> str:
        return re.sub(r":\d+$", f":{self._port}", self._url)

    async def mend(self) -> None:
        self._server = await asyncio.start_server(self._take, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        assert self._server is not None
        self._server.close()
        for carried in [*self._carried]:
            carried.cancel()
        await asyncio.gather(*self._carried, return_exceptions=True)

    async def _take(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        far, on = await asyncio.open_connection("127.0.0.1", self._end)
        both = [asyncio.create_task(carry(near, on)), asyncio.create_task(carry(far, back))]
        self._carried.update(both)
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        for one in both:
            one.cancel()
        self._carried.difference_update(both)
        for writer in (on, back):
            writer.close()


async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while content := await reader.read(CHUNK_BYTES):
            writer.write(content)
            await writer.drain()


@asynccontextmanager
async def cable(url: str) -> AsyncIterator[Cable]:
    ours = Cable(url)
    await ours.mend()
    try:
        yield ours
    finally:
        await ours.cut()
