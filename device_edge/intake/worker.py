"""The one reader of device events: a page is one COPY, one checkpoint, one transaction.

While PostgreSQL stores a page, the next one is read, and the one before it is acknowledged.
"""

import asyncio
import sys
from collections.abc import Sequence
from functools import partial
from time import monotonic

from nats.aio.client import Client
from nats.errors import Error
from nats.js.errors import NotFoundError

from device_edge.checkpoints import Checkpoint
from device_edge.intake.allowance import Allowance
from device_edge.intake.preparing import Page, Preparing, preparing
from device_edge.intake.published import Published
from device_edge.intake.store import Store
from device_edge.reading import ReadingLost, reading
from device_edge.streams import DEVICE_EVENTS, identity_of, last_sequence_of, make_stream
from domain.subjects import DEVICE_EVENTS_STREAM, down

ACKNOWLEDGED_AT_ONCE = 64  # in a millisecond: then others have their turn
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
            look = partial(self._allowed, checkpoint.sequence)
            async with preparing(published, look) as prepared:
                await self._keep_all(prepared, checkpoint)

    async def _keep_all(self, prepared: Preparing, checkpoint: Checkpoint) -> None:
        """While a page is being stored, the one before it is acknowledged."""
        acknowledging = asyncio.create_task(asyncio.sleep(0))
        try:
            while not self._stopping:
                await self._keep_up()
                page = await prepared.page()
                stored = await self._keep(page, checkpoint)
                await acknowledging
                await self._purge(checkpoint)
                checkpoint = checkpoint.moved_to(max(page.last, checkpoint.sequence))
                acknowledging = asyncio.create_task(self._acknowledge(stored))
        finally:
            await acknowledging

    async def _keep_up(self) -> None:
        if monotonic() > self._keep_up_at:
            kept_up = await self._store.keep_up()
            self._keep_up_at = monotonic() + (KEEP_UP_EVERY_S if kept_up else AGAIN_AFTER_S)

    async def _keep(self, page: Page, checkpoint: Checkpoint) -> list[tuple[Published, int]]:
        """Store a page. Gives each message in it, and how many of its events are stored."""
        fresh = [one for one in page.messages if one.sequence > checkpoint.sequence]
        repeated = page.messages[: len(page.messages) - len(fresh)]
        stored = [(message, await self._store.stored(message)) for message in repeated]
        if page.last > checkpoint.sequence:
            await self._store.keep(fresh, checkpoint, page.last)
        return [*stored, *((message, len(message.events)) for message in fresh)]

    def _allowed(self, after: int, message: Published) -> Published:
        """Without the events that are one too many of their device. What was stored before, up to
        and with sequence `after`, was allowed."""
        if message.read is None or message.sequence <= after:
            return message
        wanted, at_s = len(message.events), message.stored_ns / 1e9
        granted = self._allowance.take(message.device_id, wanted, at_s)
        return message if granted == wanted else message._replace(events=message.events[:granted])

    async def _acknowledge(self, stored: Sequence[tuple[Published, int]]) -> None:
        for number, (message, events) in enumerate(stored):
            if message.read is not None:
                ack = message.read.ack(events, self._allowance.refusal)
                await self._nats.publish(down(message.device_id, "ack"), ack)
            if number % ACKNOWLEDGED_AT_ONCE == 0:
                await asyncio.sleep(0)

    async def _purge(self, checkpoint: Checkpoint) -> None:
        """What is stored and acknowledged leaves the stream."""
        at, sequence = self._purged
        if checkpoint.sequence > sequence and monotonic() - at > PURGE_EVERY_S:
            streams = self._nats.jetstream()
            await streams.purge_stream(DEVICE_EVENTS_STREAM, seq=checkpoint.sequence + 1)
            self._purged = (monotonic(), checkpoint.sequence)
