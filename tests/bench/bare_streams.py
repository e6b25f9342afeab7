"""`python -m tests.bench.bare_streams PORT`: a queue for each stream, and nothing else.

No token, no filter, no place, no table: what a framework costs without us. `POST /say` publishes.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

QUEUE_MAX = 1_000
queues: set[asyncio.Queue[bytes]] = set()


async def events(request: Request) -> Response:
    queue: asyncio.Queue[bytes] = asyncio.Queue(QUEUE_MAX)

    async def stream() -> AsyncIterator[bytes]:
        queues.add(queue)
        try:
            yield b":ok\n\n"
            while True:
                yield await queue.get()
        finally:
            queues.discard(queue)

    return StreamingResponse(stream(), media_type="text/event-stream")


async def say(request: Request) -> Response:
    """So many events, so many a second, or as fast as they are taken."""
    wanted = await request.json()
    for number in range(wanted["events"]):
        event = {"data": wanted["data"], "ttl": 60, "published_at": "", "coreid": "a" * 24}
        wire = f"id: {number}\nevent: said\ndata: {json.dumps(event)}\n\n".encode()
        for queue in [*queues]:
            await queue.put(wire)
        await asyncio.sleep(1 / wanted["per_s"] if wanted["per_s"] else 0)
    return Response()


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    Path(os.environ["ROLLCALL_READY_FILE"]).touch()
    yield


app = Starlette(
    routes=[Route("/v1/devices/events", events), Route("/say", say, methods=["POST"])],
    lifespan=lifespan,
)

if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), log_config=None, access_log=False)
