"""Reading ahead: messages are read and looked at while those before them are being stored."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple

from device_edge.intake.published import Published, published_by
from device_edge.reading import Reading

PAGE_EVENTS = 20_000  # are read ahead, and perhaps some messages more
LOOKED_AT_ONCE = 64  # entries, in a millisecond: then others have their turn
WAIT_S = 0.5


class Page(NamedTuple):
    """All that was read up to and with entry `last`, without messages that nobody could read."""

    last: int
    messages: Sequence[Published]


class Preparing:
    """What `reading` gives, looked at by `look` message by message, in order."""

    def __init__(self, published: Reading, look: Callable[[Published], Published]) -> None:
        self._published = published
        self._look = look
        self._last = 0
        self._messages: list[Published] = []
        self._events = 0  # in them; a message without any counts as one
        self._some = asyncio.Event()
        self._room = asyncio.Event()
        self._task = asyncio.create_task(self._prepare())

    async def page(self) -> Page:
        """All there is by now, or is soon; perhaps nothing. Raises ReadingLost once all of what
        came before is handed out."""
        with suppress(TimeoutError):
            async with asyncio.timeout(WAIT_S):
                await self._some.wait()
        if self._task.done() and not self._messages:
            self._task.result()
        page = Page(self._last, self._messages)
        self._messages, self._events = [], 0
        if not self._task.done():
            self._some.clear()
        self._room.set()
        return page

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _prepare(self) -> None:
        try:
            while True:
                for entry in await self._published.page(LOOKED_AT_ONCE, WAIT_S):
                    messages = [self._look(one) for one in published_by(entry)]
                    self._messages += messages
                    self._events += sum(max(1, len(one.events)) for one in messages)
                    self._last = entry.sequence
                    self._some.set()
                while self._events >= PAGE_EVENTS:
                    self._room.clear()
                    await self._room.wait()
                await asyncio.sleep(0)
        finally:
            self._some.set()  # whoever waits hears of it


@asynccontextmanager
async def preparing(
    published: Reading, look: Callable[[Published], Published]
) -> AsyncIterator[Preparing]:
    """Read ahead until the end of the block."""
    ours = Preparing(published, look)
    try:
        yield ours
    finally:
        await ours.close()
