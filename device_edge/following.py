"""Following the facts: replayed at the start, applied batch by batch from then on."""

import asyncio
from collections.abc import Callable

import msgspec
from msgspec import Struct
from nats.aio.client import Client
from nats.errors import Error
from nats.js.errors import NotFoundError

from device_edge.known import Batch, Known
from device_edge.reading import Entry, ReadingLost, reading
from device_edge.streams import identity_of
from domain.subjects import FACTS_HEAD, FACTS_STREAM

PAGE_ENTRIES = 2_000  # then whoever else has something to do has a turn
PAGE_WAIT_S = 1.0
AGAIN_AFTER_S = 0.2


class Head(Struct):
    """Closes a batch: with it the facts are those of this position."""

    position: int


class Following:
    """Keeps `known` at the newest position that it can be known for exactly.

    The stream keeps only the last fact of each subject. A head is therefore exact only if nothing
    before it had been replaced when we came to it: either the numbers have no gap since the last
    exact head, or nothing stood behind the head. Until then what was known stays known, as of its
    position. When the stream is made anew, everything is read anew beside it.
    """

    def __init__(self, connection: Client, known: Known, applied: Callable[[Batch], None]) -> None:
        self._connection = connection
        self._known = known
        self._applied = applied
        self.caught_up = asyncio.Event()
        self._stream = ""
        self._begin("")

    def _begin(self, stream: str) -> None:
        self._stream = stream
        self._batch = self._known.batch()
        self._sequence = 0
        self._gapless = False
        self._anew = True

    async def run(self) -> None:
        """For ever. NATS may go and come back meanwhile."""
        while True:
            try:
                await self._follow()
            except ReadingLost:
                pass  # read on from where we were
            except (NotFoundError, Error, TimeoutError):
                # No stream yet, none any more, or nobody to ask: what is known stays known.
                await asyncio.sleep(AGAIN_AFTER_S)

    async def _follow(self) -> None:
        stream = await identity_of(self._connection, FACTS_STREAM)
        if stream != self._stream:
            self._begin(stream)
        async with reading(self._connection, FACTS_STREAM, self._sequence) as facts:
            if await identity_of(self._connection, FACTS_STREAM) != stream:
                raise ReadingLost  # it was made anew before we listened
            while True:
                for entry in await facts.page(PAGE_ENTRIES, PAGE_WAIT_S):
                    self._take(entry)
                await asyncio.sleep(0)

    def _take(self, entry: Entry) -> None:
        self._gapless &= entry.sequence == self._sequence + 1
        self._sequence = entry.sequence
        if entry.subject != FACTS_HEAD:
            self._batch.put(entry.subject, entry.data)
        elif self._gapless or entry.behind == 0:
            self._apply(msgspec.json.decode(entry.data, type=Head).position)

    def _apply(self, position: int) -> None:
        batch = self._batch
        self._known.apply(batch, position, anew=self._anew)
        self._batch = self._known.batch()
        self._gapless, self._anew = True, False
        self.caught_up.set()
        self._applied(batch)
