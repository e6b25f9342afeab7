"""The one reader of the journal: page by page, what it says becomes events of the log."""

import asyncio
import sys
from collections.abc import Sequence
from contextlib import suppress
from time import monotonic

import msgspec
from nats.aio.client import Client
from nats.errors import Error
from nats.js.errors import NotFoundError

from device_edge.checkpoints import Checkpoint
from device_edge.journal.entries import Poisoned, Step, device_of, steps_of
from device_edge.journal.store import Store
from device_edge.journal.sweep import compare
from device_edge.reading import Entry, Reading, ReadingLost, reading
from device_edge.streams import JOURNAL, identity_of, last_sequence_of, make_stream
from domain.subjects import JOURNAL_STREAM

STEPS_MAX = 2_000  # in one transaction: other writers of the log wait for it
PAGE_ENTRIES = 2_000
PAGE_WAIT_S = 0.5
PURGE_EVERY_S = 1.0
SWEEP_EVERY_S = 60.0
AGAIN_AFTER_S = 0.2


class Worker:
    """Reads on from its checkpoint for ever; NATS may go and come back meanwhile."""

    def __init__(self, connection: Client, store: Store) -> None:
        self._connection = connection
        self._store = store
        self._stopping = False
        self._unread: list[Entry] = []
        self._missed: list[Step] = []
        self._purged = (0.0, 0)
        self._behind = True
        self._caught_up = asyncio.Event()

    def stop(self) -> None:
        """Return from `run` once the page under way is stored."""
        self._stopping = True

    async def run(self) -> None:
        """Raises Poisoned at an entry that cannot be taken, Superseded beside another worker."""
        while not self._stopping:
            try:
                await make_stream(self._connection, JOURNAL)
                await self._read()
            except ReadingLost:
                pass  # read on from the checkpoint
            except (NotFoundError, Error, TimeoutError) as error:
                print(f"The journal cannot be read: {error}", file=sys.stderr, flush=True)
                await asyncio.sleep(AGAIN_AFTER_S)

    async def sweep(self) -> None:
        """For ever: what the server knows of connections and we do not.

        Now and then, and each time that we have caught up: NATS may have died and come back, and
        what it had kept for us told of connections that ended with it.
        """
        while True:
            self._caught_up.clear()
            known = await asyncio.to_thread(self._store.open_connections)
            try:
                self._missed += await compare(self._connection, known)
            except (Error, TimeoutError) as error:
                print(f"Connections not compared: {error}", file=sys.stderr, flush=True)
            with suppress(TimeoutError):
                async with asyncio.timeout(SWEEP_EVERY_S):
                    await self._caught_up.wait()

    async def _read(self) -> None:
        checkpoint = await self._begin()
        self._unread = []
        self._purged = (0.0, 0)  # a stream made anew counts from the beginning
        async with reading(self._connection, JOURNAL_STREAM, checkpoint.sequence) as journal:
            if await identity_of(self._connection, JOURNAL_STREAM) != checkpoint.stream:
                raise ReadingLost  # it was made anew before we listened
            self._behind = True
            while not self._stopping:
                checkpoint = await self._turn(journal, checkpoint)

    async def _begin(self) -> Checkpoint:
        last = await last_sequence_of(self._connection, JOURNAL_STREAM)
        stream = await identity_of(self._connection, JOURNAL_STREAM)
        return await asyncio.to_thread(self._store.begin, stream, last)

    async def _turn(self, journal: Reading, checkpoint: Checkpoint) -> Checkpoint:
        if not self._unread:
            self._unread = await journal.page(PAGE_ENTRIES, PAGE_WAIT_S)
        if self._missed:
            missed, self._missed = self._missed, []
            await asyncio.to_thread(self._record_missed, missed, checkpoint)
        entries = self._unread
        if entries:
            checkpoint = await asyncio.to_thread(self.record, checkpoint, entries)
            done = checkpoint.sequence - entries[0].sequence + 1
            self._unread = entries[done:]
        if self._behind and not self._unread and (not entries or entries[-1].behind == 0):
            self._behind = False
            self._caught_up.set()
        await self._purge(checkpoint)
        return checkpoint

    def record(self, checkpoint: Checkpoint, entries: Sequence[Entry]) -> Checkpoint:
        """Store what the next entries say, as many as make a page; returns how far that is.

        At an entry that cannot be taken, everything before it is stored, then Poisoned is raised.
        """
        page, poisoned = read_page(checkpoint.sequence, entries)
        if page:
            ledger = self._store.ledger(devices_of(page))
            for place, (entry, steps) in enumerate(page):
                try:
                    for step in steps:
                        ledger.take(step)
                except Exception as error:
                    if place:
                        self.record(checkpoint, entries[:place])
                    raise Poisoned(entry.sequence, repr(error)) from error
            checkpoint = self._store.keep(ledger, checkpoint, page[-1][0].sequence)
        if poisoned:
            raise poisoned
        return checkpoint

    def _record_missed(self, missed: list[Step], checkpoint: Checkpoint) -> None:
        for start in range(0, len(missed), STEPS_MAX):
            steps = missed[start : start + STEPS_MAX]
            ledger = self._store.ledger(sorted({device_of(step) for step in steps}))
            for step in steps:
                ledger.take(step)
            self._store.keep(ledger, checkpoint, checkpoint.sequence)

    async def _purge(self, checkpoint: Checkpoint) -> None:
        """What is in the log leaves the journal."""
        at, sequence = self._purged
        if checkpoint.sequence > sequence and monotonic() - at > PURGE_EVERY_S:
            streams = self._connection.jetstream()
            await streams.purge_stream(JOURNAL_STREAM, seq=checkpoint.sequence + 1)
            self._purged = (monotonic(), checkpoint.sequence)


Page = list[tuple[Entry, list[Step]]]


def read_page(after: int, entries: Sequence[Entry]) -> tuple[Page, Poisoned | None]:
    """The first entries with what they say, until that is enough or an entry makes no sense."""
    page: Page = []
    size = 0
    for entry in entries:
        if entry.sequence != after + 1:
            missing = f"the entries {after + 1} to {entry.sequence - 1} before it are missing"
            return page, Poisoned(entry.sequence, missing)
        try:
            steps = steps_of(entry)
        except msgspec.MsgspecError as error:
            return page, Poisoned(entry.sequence, str(error))
        page.append((entry, steps))
        after = entry.sequence
        size += len(steps)
        if size >= STEPS_MAX:
            break
    return page, None


def devices_of(page: Page) -> list[str]:
    return sorted({device_of(step) for _, steps in page for step in steps})
