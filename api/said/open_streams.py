"""Every open stream of the process: who may open one, how it goes, and who may go on.

Whoever loses a right loses their streams: it is asked again all the time, once for all streams that
are alike.
"""

import asyncio
import logging
import threading
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Hashable
from time import monotonic

import psycopg
from msgspec import Struct
from msgspec.structs import replace
from psycopg_pool import PoolTimeout

from api.database import Database
from api.problem import Problem, TooManyStreams
from api.said.earshot import Earshot
from api.said.feed import Feed, Interest
from api.said.frames import OK, beat, chunk_of_stored
from api.said.listener import (
    FIRST_EVENT_S,
    NOT_ALLOWED,
    OUT_OF_REACH,
    STOPPING,
    Listener,
    Patience,
    Write,
)
from api.said.metered import Meters
from api.said.stored import LAST, Wanted, find
from domain.log.fleet import Contended

log = logging.getLogger("rollcall.api")

STREAMS_MAX = 2_000  # of one process
PAGE_EVENTS = 500  # that a listener reads at once by itself
TICK_S = 0.25
ASKED_AGAIN_S = 1.0
ASKED_AT_ONCE_MAX = 8
RETRY_S = 5
PATIENCE = Patience()


class Wish(Struct, frozen=True):
    """What somebody opens. `again` tells whether they may still, and what they hear now: it raises
    the Problem that a new call would be told. Wishes that are `alike` are asked about as one."""

    interest: Interest
    after: int | None
    network: str
    alike: Hashable
    again: Callable[[], Awaitable[Earshot]]


class OpenStreams:
    """`most` is how many one address may have open at the same time; None: as many as it likes."""

    def __init__(
        self,
        database: Database,
        feed: Feed,
        meters: Meters,
        most: int | None,
        stopping: threading.Event,
        patience: Patience = PATIENCE,
    ) -> None:
        self.feed = feed
        self.meters = meters
        self.database = database
        self._most = most
        self._stopping = stopping
        self._patience = patience
        self._open: set[OpenStream] = set()
        self._by_network: Counter[str] = Counter()

    async def open(self, wish: Wish) -> "OpenStream":
        """Whoever gets one closes it. Raises TooManyStreams, and Contended where there can be no
        more or the database is out of reach."""
        if self._most is not None and self._by_network[wish.network] >= self._most:
            raise TooManyStreams(most=self._most, retry_s=RETRY_S)
        if len(self._open) >= STREAMS_MAX or self._stopping.is_set():
            raise Contended
        stream = OpenStream(self, wish)
        self._open.add(stream)
        self._by_network[wish.network] += 1
        try:
            await stream.begin()
        except BaseException:
            stream.close()
            raise
        return stream

    def closed(self, stream: "OpenStream") -> None:
        self._open.discard(stream)
        self._by_network[stream.wish.network] -= 1
        if not self._by_network[stream.wish.network]:
            del self._by_network[stream.wish.network]

    async def run(self) -> None:
        """Until cancelled."""
        await asyncio.gather(self._look_after(), self._ask_again())

    async def _look_after(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            now = monotonic()
            for stream in [*self._open]:
                if self._stopping.is_set():
                    stream.listener.end(STOPPING)
                stream.look_after(now, self._patience)

    async def _ask_again(self) -> None:
        while True:
            await asyncio.sleep(ASKED_AGAIN_S)
            alike: dict[Hashable, list[OpenStream]] = defaultdict(list)
            for stream in self._open:
                alike[stream.wish.alike].append(stream)
            turns = asyncio.Semaphore(ASKED_AT_ONCE_MAX)
            await asyncio.gather(*(self._ask(turns, streams) for streams in alike.values()))

    async def _ask(self, turns: asyncio.Semaphore, streams: "list[OpenStream]") -> None:
        """With the database out of reach nobody is told anything either."""
        async with turns:
            try:
                earshot = await streams[0].wish.again()
            except Problem as refusal:
                for stream in streams:
                    stream.listener.end(str(refusal) or NOT_ALLOWED)
            except (psycopg.OperationalError, PoolTimeout, Contended) as error:
                log.warning("streams go on unasked: %s", error)
            else:
                for stream in streams:
                    stream.hear(earshot)


class OpenStream:
    """One of them, from the first byte to the last."""

    def __init__(self, streams: OpenStreams, wish: Wish) -> None:
        self.wish = wish
        self.interest = wish.interest
        self.listener = Listener(streams.meters)
        self._streams = streams
        self._feed = streams.feed
        self._attached = False
        self._read_to = 0
        self._writing: asyncio.Task[None] | None = None
        self._closed = False

    async def begin(self) -> None:
        """What is said from now on is not missed. Raises Contended."""
        self._feed.join()
        await self._feed.has_begun()
        async with self._streams.database.reading() as rows:
            last: int = await rows.value(LAST)
        if self.wish.after is None:
            # What was said before that may not have been told yet.
            await self._feed.has_reached(last)
            self.listener.begin_at(self._attach())
            return
        # What is not there yet cannot have been seen.
        self.listener.begin_at(min(self.wish.after, last))

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._detach()
            self._feed.leave()
            self._streams.closed(self)

    async def write_to(self, write: Write) -> None:
        """Until it has ended, or is cancelled."""
        self._writing = asyncio.current_task()
        await write(OK)
        await asyncio.sleep(FIRST_EVENT_S)
        await write(beat(self.listener.place))
        try:
            while not self.listener.ended:
                if not self._attached:
                    await self._catch_up(write)
                await self.listener.write_out(write)
                if self.listener.behind:
                    self._detach()
                    self.listener.begin_again()
        except (psycopg.OperationalError, PoolTimeout) as error:
            log.warning("a stream breaks off: %s", error)
            self.listener.end(OUT_OF_REACH)
        await self.listener.write_last(write)

    def look_after(self, now: float, patience: Patience) -> None:
        if not self.listener.look_after(now, patience) and self._writing is not None:
            self._writing.cancel()

    def hear(self, earshot: Earshot) -> None:
        """From now on; a product may have come to an organization."""
        interest = replace(self.interest, earshot=earshot)
        if interest == self.interest or self._closed:
            return
        attached = self._attached
        self._detach()
        self.interest = interest
        if attached:
            self._attach()

    def _attach(self) -> int:
        self._attached = True
        return self._feed.attach(self.listener, self.interest)

    def _detach(self) -> None:
        self._attached = False
        self._feed.detach(self.listener, self.interest)

    async def _catch_up(self, write: Write) -> None:
        """From what is stored to what is being said, without a gap and without saying it twice."""
        self._read_to = self.listener.place
        while await self._read_on(write, self._feed.place):
            pass
        until = self._attach()
        while await self._read_on(write, until):
            pass

    async def _read_on(self, write: Write, until: int) -> bool:
        """The next page; False if that was the last one."""
        if self._read_to >= until or self.listener.ended:
            return False
        earshot, form = self.interest.earshot, self.interest.form
        wanted = Wanted(earshot, self.interest.filter, after=self._read_to, before=until + 1)
        async with self._streams.database.reading() as rows:
            found = await find(rows, wanted, PAGE_EVENTS)
        self._read_to = until if found.looked_to is None else found.looked_to
        chunk = chunk_of_stored(found.said, earshot, form)
        await self.listener.write_stored(write, chunk, self._read_to)
        return found.looked_to is not None
