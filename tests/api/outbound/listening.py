"""A receiver for tests that wait for nothing themselves: it runs in a thread of its own."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.projections.deliveries.receiver import Answer, Receiver, receiver

START_TIMEOUT_S = 20.0


@contextmanager
def listening(answer: Answer) -> Iterator[Receiver]:
    """One at a free port, until the end of the block."""
    ready, found = threading.Event(), list[Receiver]()
    ends: list[Callable[[], object]] = []

    async def serve() -> None:
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        ends.append(lambda: loop.call_soon_threadsafe(ended.set))
        async with receiver(answer) as ours:
            found.append(ours)
            ready.set()
            await ended.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="receiver")
    thread.start()
    try:
        assert ready.wait(START_TIMEOUT_S)
        yield found[0]
    finally:
        ends[0]()
        thread.join()
