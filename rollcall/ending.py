"""Ending tasks."""

import asyncio
from typing import Any

AGAIN_S = 0.2


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel them until they hear, and wait until they have ended, whatever they ended with.

    asyncio.wait_for of Python 3.11 forgets a cancellation that comes together with what it waits
    for (https://github.com/python/cpython/issues/86296), and aiomqtt waits by it.
    """
    while running := [task for task in tasks if not task.done()]:
        for task in running:
            task.cancel()
        await asyncio.wait(running, timeout=AGAIN_S)
    await asyncio.gather(*tasks, return_exceptions=True)
