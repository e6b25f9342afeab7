"""Ending tasks."""

import asyncio
from typing import Any

AGAIN_S = 1.0  # time enough to take leave of a server


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel them until they hear, and wait until they have ended, whatever they ended with; also
    if we are cancelled meanwhile, so that nothing goes on behind our back.

    asyncio.wait_for of Python 3.11 forgets a cancellation that comes together with what it waits
    for (https://github.com/python/cpython/issues/86296), and aiomqtt waits by it.
    """
    cancelled = False
    while running := [task for task in tasks if not task.done()]:
        for task in running:
            task.cancel()
        try:
            await asyncio.wait(running, timeout=AGAIN_S)
        except asyncio.CancelledError:
            cancelled = True
    for task in tasks:
        if not task.cancelled():
            task.exception()  # it is heard here, and nowhere else
    if cancelled:
        raise asyncio.CancelledError
