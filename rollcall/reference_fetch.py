"""How the reference device fetches firmware: by HTTP or in chunks, going on where it stopped."""

import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import httpx

CHUNK_BYTES = 32_768
ATTEMPTS_MAX = 3
TIMEOUT_S = 30.0
HEADER = struct.Struct(">B3xI8s")


class FetchFailed(Exception):
    """The firmware could not be fetched, or is not what was announced."""


@dataclass
class Fetched:
    """The bytes of one binary that are here by now."""

    sha256: str = ""
    size_bytes: int = 0
    content: bytearray = None  # type: ignore[assignment]

    def of(self, digest: str, size_bytes: int) -> "Fetched":
        """What is here of that binary: nothing, if it is another one than before."""
        if digest != self.sha256:
            self.sha256, self.size_bytes, self.content = digest, size_bytes, bytearray()
        return self

    @property
    def is_whole(self) -> bool:
        return len(self.content) >= self.size_bytes

    def checked(self) -> bytes:
        """All of it. Raises FetchFailed, and forgets it, if it is not what was announced."""
        content = bytes(self.content)
        whole = len(content) == self.size_bytes and sha256(content).hexdigest() == self.sha256
        self.sha256 = ""
        if not whole:
            raise FetchFailed(f"{len(content)} bytes with another SHA-256")
        return content


@dataclass
class ByHttp:
    """Range requests."""

    client: httpx.AsyncClient
    url: str
    authorization: str

    async def fetch(self, fetched: Fetched) -> None:
        for _ in range(ATTEMPTS_MAX):
            try:
                await self._go_on(fetched)
            except httpx.TransportError:
                continue  # with what has not come yet
            if fetched.is_whole:
                return
        raise FetchFailed("the download was interrupted too often")

    async def _go_on(self, fetched: Fetched) -> None:
        headers = {"Authorization": self.authorization}
        if fetched.content:
            headers["Range"] = f"bytes={len(fetched.content)}-"
        stream = self.client.stream("GET", self.url, headers=headers, timeout=TIMEOUT_S)
        async with stream as response:
            if response.status_code not in {200, 206}:
                raise FetchFailed(f"HTTP {response.status_code}")
            if response.status_code == 200:
                fetched.content.clear()
            async for part in response.aiter_bytes():
                fetched.content += part


@dataclass
class ByChunks:
    """Over the session; `ask` sends the request and returns the answer."""

    ask: Callable[[dict[str, Any]], Awaitable[bytes]]

    async def fetch(self, fetched: Fetched) -> None:
        while not fetched.is_whole:
            offset = len(fetched.content)
            asked = {"sha256": fetched.sha256, "offset": offset, "length": CHUNK_BYTES}
            answer = await self.ask(asked)
            if answer[:1] != b"\x01":
                raise FetchFailed(f"refused: {answer.decode()}")
            _, came, digest = HEADER.unpack_from(answer)
            # A late answer to an earlier question is not the one we wait for.
            if came == offset and digest == bytes.fromhex(fetched.sha256)[:8]:
                fetched.content += answer[HEADER.size :]
