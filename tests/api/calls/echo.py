"""A device that answers whatever it is asked, straight on NATS, with no edge to let it in."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import nats
from nats.aio.msg import Msg

from device_edge.streams import DEVICE_EVENTS, make_stream

ANSWER = b'{"value": 1}'
START_TIMEOUT_S = 10


@contextmanager
def echo(url: str, device_id: str) -> Iterator[None]:
    """The device is there until the end of the block; what is published is kept."""
    there, over = threading.Event(), threading.Event()

    async def answer(message: Msg) -> None:
        await message.respond(ANSWER)

    async def live() -> None:
        connection = await nats.connect(url)
        await make_stream(connection, DEVICE_EVENTS)
        await connection.subscribe(f"d.{device_id}.dn.*", cb=answer)
        await connection.flush()
        there.set()
        await asyncio.to_thread(over.wait)
        await connection.close()

    thread = threading.Thread(target=lambda: asyncio.run(live()), name="echo")
    thread.start()
    try:
        assert there.wait(START_TIMEOUT_S)
        yield
    finally:
        over.set()
        thread.join()
