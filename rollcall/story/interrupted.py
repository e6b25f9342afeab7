"""A line that breaks in the middle of the first download, so that the rest is fetched by range."""

from collections.abc import AsyncIterator

import httpx

BREAKS_AFTER_BYTES = 16_384


class InterruptedOnce(httpx.AsyncHTTPTransport):
    """Remembers the status and the range of each reply: 200 is a whole binary, 206 a part."""

    def __init__(self) -> None:
        super().__init__()
        self.replies: list[tuple[int, str]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        reply = await super().handle_async_request(request)
        self.replies.append((reply.status_code, reply.headers.get("Content-Range", "")))
        if len(self.replies) == 1:
            assert isinstance(reply.stream, httpx.AsyncByteStream)
            reply.stream = Broken(reply.stream)
        return reply


class Broken(httpx.AsyncByteStream):
    """The beginning of a stream; then the connection is lost."""

    def __init__(self, whole: httpx.AsyncByteStream) -> None:
        self._whole = whole

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = BREAKS_AFTER_BYTES
        async for part in self._whole:
            yield part[:left]
            left -= len(part)
            if left <= 0:
                raise httpx.ReadError("the line broke")

    async def aclose(self) -> None:
        await self._whole.aclose()
