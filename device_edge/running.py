"""How each process of the edge runs: until SIGTERM, or until something breaks."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop

# Sets everything up, calls `ready` once it serves, and returns soon after `stopping` is set.
Main = Callable[[asyncio.Event, Callable[[], None]], Awaitable[None]]


def run(main: Main, ready_file: str | None) -> None:
    """Raises what broke."""

    def ready() -> None:
        if ready_file:
            Path(ready_file).touch()

    async def until_stopped() -> None:
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        await main(stopping, ready)

    uvloop.run(until_stopped())


async def first_of(*awaitables: Awaitable[object]) -> None:
    """Until one of them is done, or fails: then that is raised. The others are cancelled."""
    tasks = [asyncio.ensure_future(one) for one in awaitables]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
