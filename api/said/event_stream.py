"""A reply without an end: server-sent events."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Protocol

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

MEDIA_TYPE = "text/event-stream"
LAST_EVENT_ID = "Last-Event-ID"  # by which a client resumes
HEADERS = {
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # or a proxy keeps events until it has enough of them
}

Write = Callable[[bytes], Awaitable[None]]


class Source(Protocol):
    """What a stream is written by. It is closed once, whatever happens."""

    async def write_to(self, write: Write) -> None:
        """Until it has said all."""

    def close(self) -> None: ...


class EventStream(Response):
    """Goes on until the source has said all, or the caller hangs up."""

    def __init__(self, source: Source) -> None:
        # The class it derives from would say how long it is.
        self.status_code = 200
        self.media_type = MEDIA_TYPE
        self.background = None
        self._source = source
        self.init_headers(HEADERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def write(wire: bytes) -> None:
            await send({"type": "http.response.body", "body": wire, "more_body": True})

        try:
            head = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
            await send(head)
            if scope["method"] != "HEAD":
                writing = asyncio.ensure_future(self._source.write_to(write))
                await first_of(writing, asyncio.ensure_future(hung_up(receive)))
                if writing.cancelled():
                    return  # in the middle: it may not look as if it had come to its end
                writing.result()
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self._source.close()


Streamed = Annotated[EventStream, None, MEDIA_TYPE]  # what a handler answers with


async def hung_up(receive: Receive) -> None:
    """Returns when the caller is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def first_of(*tasks: "asyncio.Future[None]") -> None:
    """Returns when one of them is done; the others are cancelled."""
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
