"""The one reader of device events: a page is one COPY, one checkpoint, one transaction."""

import asyncio
import sys
from collections.abc import Sequence
from time import monotonic

from nats.aio.client import Client
from nats.errors import Error
from nats.js.errors import NotFoundError

from device_edge.checkpoints import Checkpoint
from device_edge.intake.allowance import Allowance
from device_edge.intake.published import Published, published_by
from device_edge.intake.store import Store
from device_edge.reading import Entry, Reading, ReadingLost, reading
from device_edge.streams import DEVICE_EVENTS, identity_of, last_sequence_of, make_stream
from domain.subjects import DEVICE_EVENTS_STREAM, down

PAGE_ENTRIES = 5_000
PAGE_WAIT_S = 0.5
PURGE_EVERY_S = 1.0
KEEP_UP_EVERY_S = 3600.0
AGAIN_AFTER_S = 0.2


class Intake:
    """Reads on from its checkpoint for ever; NATS may go and come back meanwhile."""

    def __init__(self, nats: Client, store: Store, allowance: Allowance) -> None:
        self._nats = nats
        self._store = store
        self._allowance = allowance
        self._stopping = False
        self._purged = (0.0, 0)
        self._keep_up_at = 0.0

    def stop(self) -> None:
        """Return from `run` once the page under way is stored and acknowledged."""
        self._stopping = True

    async def run(self) -> None:
        """Raises Superseded beside another worker, and what PostgreSQL raises."""
        while not self._stopping:
            try:
                await make_stream(self._nats, DEVICE_EVENTS)
                await self._read()
            except ReadingLost:
                pass  # read on from the checkpoint
            except (NotFoundError, Error, TimeoutError) as error:
                print(f"Device events cannot be read: {error}", file=sys.stderr, flush=True)
                await asyncio.sleep(AGAIN_AFTER_S)

    async def _read(self) -> None:
        last = await last_sequence_of(self._nats, DEVICE_EVENTS_STREAM)
        stream = await identity_of(self._nats, DEVICE_EVENTS_STREAM)
        checkpoint = await self._store.begin(stream, last)
        self._purged = (0.0, 0)  # a stream made anew counts from the beginning
        # What is stored but still in the stream was perhaps not acknowledged: that is done again.
        async with reading(self._nats, DEVICE_EVENTS_STREAM, 0) as published:
            if await identity_of(self._nats, DEVICE_EVENTS_STREAM) != checkpoint.stream:
                raise ReadingLost  # it was made anew before we listened
            while not self._stopping:
                checkpoint = await self._turn(published, checkpoint)

    async def _turn(self, published: Reading, checkpoint: Checkpoint) -> Checkpoint:
        if monotonic() > self._keep_up_at:
            kept_up = await self._store.keep_up()
            self._keep_up_at = monotonic() + (KEEP_UP_EVERY_S if kept_up else AGAIN_AFTER_S)
        entries = await published.page(PAGE_ENTRIES, PAGE_WAIT_S)
        if entries:
            checkpoint = await self._take(entries, checkpoint)
        await self._purge(checkpoint)
        return checkpoint

    async def _take(self, entries: Sequence[Entry], checkpoint: Checkpoint) -> Checkpoint:
        messages = [one for entry in entries for one in published_by(entry)]
        last = max(entries[-1].sequence, checkpoint.sequence)
        fresh = [one for one in messages if one.sequence > checkpoint.sequence]
        for message in messages[: len(messages) - len(fresh)]:
            await self._acknowledge(message, await self._store.stored(message))
        allowed = [self._allowed(message) for message in fresh]
        if last > checkpoint.sequence:
            await self._store.keep(allowed, checkpoint, last)
        for message in allowed:
            await self._acknowledge(message, len(message.events))
        return checkpoint.moved_to(last)

    def _allowed(self, message: Published) -> Published:
        """Without the events that are one too many of their device."""
        if message.read is None:
            return message
        wanted, at_s = len(message.events), message.stored_ns / 1e9
        granted = self._allowance.take(message.device_id, wanted, at_s)
        return message if granted == wanted else message._replace(events=message.events[:granted])

    async def _acknowledge(self, message: Published, stored: int) -> None:
        if message.read is not None:
            ack = message.read.ack(stored, self._allowance.refusal)
            await self._nats.publish(down(message.device_id, "ack"), ack)

    async def _purge(self, checkpoint: Checkpoint) -> None:
        """What is stored and acknowledged leaves the stream."""
        at, sequence = self._purged
        if checkpoint.sequence > sequence and monotonic() - at > PURGE_EVERY_S:
            streams = self._nats.jetstream()
            await streams.purge_stream(DEVICE_EVENTS_STREAM, seq=checkpoint.sequence + 1)
            self._purged = (monotonic(), checkpoint.sequence)
