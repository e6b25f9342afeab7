"""One open stream, between those who tell it something and the connection that it goes out on.

Nobody ever waits for a listener. What it has not written yet is bounded: one that falls behind
reads what it missed by itself, from what is stored, at the pace of whoever reads it. Who does not
read at all, or never catches up, is cut off and told where to resume.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from time import monotonic

from msgspec import Struct

from api.said.frames import Chunk, beat, comment
from api.said.metered import Meters

QUEUE_BYTES_MAX = 512 << 10
KEEP_ALIVE_S = 9.0  # clients give up after 15 without a byte
# Clients listen a moment after they have read the headers.
FIRST_EVENT_S = 0.05

TOO_SLOW = "This was read too slowly."
STOPPING = "The server is being stopped."
NOT_ALLOWED = "Permission denied."
THROWN_BACK = "The database lost its last moments."
OUT_OF_REACH = "The database is out of reach."
AT_LIMIT = "The limit of outbound messages is reached: events are not sent."

Write = Callable[[bytes], Awaitable[None]]


class Patience(Struct, frozen=True):
    """How long somebody may not take a single piece, stay behind all the while, and take to read
    why they were cut off."""

    stalled_s: float = 5.0
    behind_s: float = 30.0
    last_word_s: float = 3.0


class Listener:
    """What is given to it goes out in order; what lies before its place does not."""

    def __init__(self, meters: Meters) -> None:
        self.ended = ""  # why, once it has
        self.behind = False  # it lost what it was given: what comes after its place is stored
        self._ended_at = 0.0
        self._behind_since = 0.0
        self._writing_since = 0.0
        self._meters = meters
        self._given = 0  # up to here it was given everything
        self._written = 0  # and this is where it would resume
        self._at_limit = False
        self._waiting = False  # it has written whatever it was given
        self._queue: deque[Chunk] = deque()
        self._queued_bytes = 0
        self._said_at = monotonic()
        self._woken = asyncio.Event()
        self._is_quiet = False

    @property
    def place(self) -> int:
        """Where it would resume."""
        return self._written

    def begin_at(self, place: int) -> None:
        """It knows everything up to there already."""
        self._given = self._written = place

    def begin_again(self) -> None:
        """It reads by itself, from where it is."""
        self.behind = False
        self._given = self._written

    def give(self, chunk: Chunk) -> None:
        """Of what is told to everybody."""
        fresh = chunk if chunk.first > self._given else chunk.beyond(self._given)
        if self.ended or self.behind or fresh is None:
            return
        self._given = fresh.last
        self._queue.append(fresh)
        self._queued_bytes += len(fresh.wire)
        if self._queued_bytes > QUEUE_BYTES_MAX:
            self.behind = True
            self._behind_since = self._behind_since or monotonic()
            self._drop()
        self._woken.set()

    def pass_over(self, place: int) -> None:
        """Up to there is nothing else for it."""
        self._given = max(self._given, place)
        if self._waiting and not (self._queue or self._at_limit or self.behind):
            self._written = self._given

    def look_after(self, now: float, patience: Patience) -> bool:
        """Keep it alive, or end it. False if whoever reads it had time enough to read that."""
        if now - self._said_at > KEEP_ALIVE_S:
            self._is_quiet = True
            self._woken.set()
        stalled = self._writing_since and now - self._writing_since > patience.stalled_s
        behind = self._behind_since and now - self._behind_since > patience.behind_s
        if stalled or behind:
            self.end(TOO_SLOW)
        return not self.ended or now - self._ended_at <= patience.last_word_s

    def end(self, why: str) -> None:
        """What it was not told yet it will not be told any more."""
        if not self.ended:
            self.ended, self._ended_at = why, monotonic()
            self._drop()
            self._woken.set()

    def _drop(self) -> None:
        self._queue.clear()
        self._queued_bytes = 0

    async def write_out(self, write: Write) -> None:
        """Until it has ended, or is behind."""
        while not self.ended and not self.behind:
            while self._queue:
                await self._write_next(write)
            if self._is_quiet:
                self._is_quiet = False
                await self._say(write, beat(self._written))
            if not (self._queue or self.ended or self.behind):
                self._behind_since = 0.0
                self._woken.clear()
                self._waiting = True
                await self._woken.wait()
                self._waiting = False

    async def write_last(self, write: Write) -> None:
        """Why, and where to resume."""
        await write(comment(self.ended, self._written))

    async def write_stored(self, write: Write, chunk: Chunk | None, place: int) -> None:
        """What it read by itself, up to that place."""
        if chunk is not None:
            await self._pay_and_write(write, chunk)
        elif monotonic() - self._said_at > KEEP_ALIVE_S:
            await self._say(write, beat(self._written))
        if not self._at_limit:
            self._written = place

    async def _write_next(self, write: Write) -> None:
        chunk = self._queue.popleft()
        self._queued_bytes -= len(chunk.wire)
        await self._pay_and_write(write, chunk)
        if not (self._queue or self._at_limit or self.behind):
            self._written = max(self._written, self._given)

    async def _pay_and_write(self, write: Write, chunk: Chunk) -> None:
        paid = self._meters.take_at_once(chunk) or await self._meters.take(chunk)
        if paid is not None:
            try:
                await self._say(write, paid.chunk.wire)
            except BaseException:
                self._meters.give_back(paid)
                raise
            self._meters.wrote(paid)
            self._written = paid.chunk.last
        limited = paid is None or paid.chunk is not chunk
        if limited and not self._at_limit:
            await self._say(write, comment(AT_LIMIT, self._written))
        self._at_limit = limited

    async def _say(self, write: Write, wire: bytes) -> None:
        self._writing_since = monotonic()
        await write(wire)
        self._writing_since = 0.0
        self._said_at = monotonic()
