"""The one reader of device events: a page is one COPY, one checkpoint, one transaction."""

import asyncio
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from time import monotonic
from typing import NamedTuple

import msgspec
from nats.aio.client import Client
from nats.errors import Error
from nats.js.errors import NotFoundError

from device_edge.checkpoints import BEGIN, MOVE, READ, Checkpoint, Superseded
from device_edge.credentials import is_device_id
from device_edge.intake.days import Connection, Days
from device_edge.intake.device_event import read_message
from device_edge.reading import Entry, Reading, ReadingLost, reading
from device_edge.streams import (
    DEVICE_EVENTS,
    identity_of,
    last_sequence_of,
    make_stream,
)
from domain.published import DeviceEvent, PublishedForOthers
from domain.subjects import API, DEVICE_EVENTS_STREAM, down

READER = "intake"
PAGE_ENTRIES = 2_000
PAGE_WAIT_S = 0.5
PURGE_EVERY_S = 1.0
DAYS_EVERY_S = 3600.0
AGAIN_AFTER_S = 0.2
COPY = (
    "COPY telemetry.device_event"
    " (device_id, product_id, name, data, ttl, published_at, user_id) FROM STDIN (FORMAT BINARY)"
)
COLUMN_TYPES = ("text", "int4", "text", "text", "int4", "timestamptz", "text")
# A device that is only asking to get into a product does not speak for it yet.
PRODUCTS = (
    "SELECT device_id, device.product_id FROM fleet.device JOIN fleet.cohort USING (cohort_id)"
    " WHERE device_id = ANY (%s) AND cohort.standing = 'member'"
)


class Published(NamedTuple):
    """A message, the valid events in it, and what its device is told once they are stored.

    Whoever published it through the API was told already: there is no `ack` then, and `on_behalf`
    says of which product and user.
    """

    sequence: int
    device_id: str
    at: datetime
    events: Sequence[DeviceEvent]
    ack: bytes | None
    on_behalf: PublishedForOthers | None = None


class Intake:
    """Reads on from its checkpoint for ever; NATS may go and come back meanwhile."""

    def __init__(self, nats: Client, database: Connection, days: Days) -> None:
        self._nats = nats
        self._database = database
        self._days = days
        self._stopping = False
        self._purged = (0.0, 0)
        self._kept_up = -DAYS_EVERY_S

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
        checkpoint = await self._begin()
        self._purged = (0.0, 0)  # a stream made anew counts from the beginning
        # What is stored but still in the stream was perhaps not acknowledged: that is done again.
        async with reading(self._nats, DEVICE_EVENTS_STREAM, 0) as published:
            if await identity_of(self._nats, DEVICE_EVENTS_STREAM) != checkpoint.stream:
                raise ReadingLost  # it was made anew before we listened
            while not self._stopping:
                checkpoint = await self._turn(published, checkpoint)

    async def _begin(self) -> Checkpoint:
        last = await last_sequence_of(self._nats, DEVICE_EVENTS_STREAM)
        stream = await identity_of(self._nats, DEVICE_EVENTS_STREAM)
        begin = {"reader": READER, "stream": stream, "last": last}
        async with self._database.transaction():
            await self._database.execute(BEGIN, begin)
            row = await (await self._database.execute(READ, [READER])).fetchone()
        assert row is not None
        return Checkpoint(READER, *row)

    async def _turn(self, published: Reading, checkpoint: Checkpoint) -> Checkpoint:
        if monotonic() - self._kept_up > DAYS_EVERY_S:
            await self._days.keep_up(self._database)
            self._kept_up = monotonic()
        entries = await published.page(PAGE_ENTRIES, PAGE_WAIT_S)
        if entries:
            checkpoint = await self._take(entries, checkpoint)
        await self._purge(checkpoint)
        return checkpoint

    async def _take(self, entries: Sequence[Entry], checkpoint: Checkpoint) -> Checkpoint:
        messages = [one for entry in entries if (one := published_by(entry)) is not None]
        fresh = [one for one in messages if one.sequence > checkpoint.sequence]
        last = max(entries[-1].sequence, checkpoint.sequence)
        if last > checkpoint.sequence:
            await self._store(fresh, checkpoint, last)
        for message in messages:
            if message.ack is not None:
                await self._nats.publish(down(message.device_id, "ack"), message.ack)
        return checkpoint.moved_to(last)

    async def _store(self, messages: Sequence[Published], checkpoint: Checkpoint, to: int) -> None:
        for day in {one.at.date() for one in messages if one.events}:
            await self._days.make(self._database, day)
        async with self._database.transaction():
            move = await self._database.execute(MOVE, checkpoint.move_parameters(to))
            if move.rowcount != 1:
                raise Superseded
            speakers = {one.device_id for one in messages if one.on_behalf is None}
            products = await self._products(speakers)
            await self._copy(messages, products)

    async def _products(self, device_ids: set[str]) -> dict[str, int]:
        found = await self._database.execute(PRODUCTS, [sorted(device_ids)], prepare=True)
        return dict(await found.fetchall())

    async def _copy(self, messages: Iterable[Published], products: dict[str, int]) -> None:
        async with self._database.cursor() as cursor, cursor.copy(COPY) as copy:
            copy.set_types(COLUMN_TYPES)
            for _, device_id, at, events, _, on_behalf in messages:
                product_id, user_id = products.get(device_id), None
                if on_behalf is not None:
                    product_id, user_id = on_behalf.product_id, on_behalf.user_id or None
                for event in events:
                    row = (device_id, product_id, event.name, event.data, event.ttl, at, user_id)
                    await copy.write_row(row)

    async def _purge(self, checkpoint: Checkpoint) -> None:
        """What is stored and acknowledged leaves the stream."""
        at, sequence = self._purged
        if checkpoint.sequence > sequence and monotonic() - at > PURGE_EVERY_S:
            streams = self._nats.jetstream()
            await streams.purge_stream(DEVICE_EVENTS_STREAM, seq=checkpoint.sequence + 1)
            self._purged = (monotonic(), checkpoint.sequence)


decode_published = msgspec.json.Decoder(PublishedForOthers).decode


def published_by(entry: Entry) -> Published | None:
    """None for what neither a device nor the API published: nobody else could mean anything."""
    speaker = entry.subject.split(".", 2)[1]
    at = datetime.fromtimestamp(entry.stored_ns / 1e9, UTC)
    if is_device_id(speaker):
        events, ack = read_message(entry.data)
        return Published(entry.sequence, speaker, at, events, ack)
    if speaker != API:
        return None
    try:
        published = decode_published(entry.data)
    except msgspec.MsgspecError as error:
        print(f"An event of the API cannot be read: {error}", file=sys.stderr, flush=True)
        return None
    device_id = published.device_id or API
    return Published(entry.sequence, device_id, at, [published.event], None, published)
