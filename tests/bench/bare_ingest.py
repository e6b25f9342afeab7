"""The least that can be done to get events from NATS into a table, as a reference for our intake.

`python -m tests.bench.bare_ingest publish URL N` says N events on core NATS. `… store URL N
CONNINFO` takes them from a JetStream stream by pull, decodes them, and stores them by binary COPY
into a table partitioned by the day, with two indexes, its place in the stream in the same
transaction.
"""

import asyncio
import json
import sys
from contextlib import suppress
from struct import Struct

import msgspec
import nats
import nats.js.errors
import psycopg
import uvloop
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, StorageType, StreamConfig

from tests.bench.event_load import EVENT
from tests.bench.many import device_id

STREAM, SUBJECTS = "BARE", "bare.*.events"
DEVICES = 5_000
FETCHED, FETCHED_AHEAD = 5_000, 2
FETCH_TIMEOUT_S = 0.2
UNACKNOWLEDGED_MAX = 200_000
UNSTORED_MAX = 500  # sent before an answer is waited for; NATS drops what it cannot queue
PENDING_BYTES_MAX = 64 << 20
EPOCH_US = 946_684_800_000_000

TABLES = """
    CREATE SCHEMA bare;
    CREATE TABLE bare.event (
        at timestamptz NOT NULL, device_id text NOT NULL, name text NOT NULL, body jsonb
    ) PARTITION BY RANGE (at);
    CREATE TABLE bare.event_of_all_days PARTITION OF bare.event
        FOR VALUES FROM ('2000-01-01') TO ('2100-01-01');
    CREATE INDEX ON bare.event (device_id, at);
    CREATE INDEX ON bare.event (at);
    CREATE TABLE bare.place (name text PRIMARY KEY, sequence bigint NOT NULL);
"""
COPY = "COPY bare.event (at, device_id, name, body) FROM STDIN (FORMAT BINARY)"
MOVE = """
    INSERT INTO bare.place VALUES ('bare', %s)
    ON CONFLICT (name) DO UPDATE SET sequence = excluded.sequence
"""

ROW, LENGTH = Struct(">hiqi").pack, Struct(">i").pack


class Event(msgspec.Struct, gc=False):
    name: str
    data: str


decode = msgspec.json.Decoder(Event).decode


async def make(url: str) -> None:
    """The stream, empty."""
    connection = await nats.connect(url)
    streams = connection.jetstream()
    with suppress(nats.js.errors.NotFoundError):
        await streams.delete_stream(STREAM)
    config = StreamConfig(name=STREAM, subjects=[SUBJECTS], storage=StorageType.FILE)
    await streams.add_stream(config)
    await connection.close()


async def publish(url: str, count: int) -> None:
    connection = await nats.connect(url)
    subjects = [f"bare.{device_id(number)}.events" for number in range(DEVICES)]
    event = json.dumps(EVENT).encode()
    streams = connection.jetstream()
    print("ready", flush=True)
    for number in range(count):
        subject = subjects[number % DEVICES]
        if number % UNSTORED_MAX == UNSTORED_MAX - 1:
            await streams.publish(subject, event)
        else:
            await connection.publish(subject, event)
    await connection.flush()
    await connection.close()


async def store(url: str, count: int, conninfo: str) -> None:
    connection = await nats.connect(url, pending_size=PENDING_BYTES_MAX)
    config = ConsumerConfig(ack_policy=AckPolicy.ALL, max_ack_pending=UNACKNOWLEDGED_MAX)
    subscription = await connection.jetstream().pull_subscribe(
        SUBJECTS, durable="bare", stream=STREAM, config=config
    )
    pages: asyncio.Queue[list[Msg]] = asyncio.Queue(FETCHED_AHEAD)

    async def fetch() -> None:
        fetched = 0
        while fetched < count:
            with suppress(TimeoutError):  # nats-py's own, or the one that its is made from
                page = await subscription.fetch(FETCHED, timeout=FETCH_TIMEOUT_S)
                fetched += len(page)
                if page:
                    await pages.put(page)

    print("ready", flush=True)
    stored = 0
    async with (
        asyncio.TaskGroup() as tasks,
        await psycopg.AsyncConnection.connect(conninfo) as database,
    ):
        tasks.create_task(fetch())
        while stored < count:
            page = await pages.get()
            async with database.transaction(), database.cursor() as cursor:
                async with cursor.copy(COPY) as copy:
                    await copy.write(body_of(page))
                await cursor.execute(MOVE, [page[-1].metadata.sequence.stream])
            await page[-1].ack()
            stored += len(page)
    await connection.close()


def body_of(page: list[Msg]) -> bytes:
    parts = [b"PGCOPY\n\xff\r\n\0" + bytes(8)]
    for message in page:
        event = decode(message.data)
        at_us = int(message.metadata.timestamp.timestamp() * 1e6) - EPOCH_US
        device, name, body = (
            message.subject.split(".", 2)[1].encode(),
            event.name.encode(),
            event.data.encode(),
        )
        parts += [ROW(4, 8, at_us, len(device)), device, LENGTH(len(name)), name]
        parts += [LENGTH(len(body) + 1), b"\x01", body]
    parts.append(b"\xff\xff")
    return b"".join(parts)


def main() -> None:
    action, url, count, *conninfo = sys.argv[1:]
    match action:
        case "publish":
            uvloop.run(publish(url, int(count)))
        case _:
            uvloop.run(store(url, int(count), *conninfo))


if __name__ == "__main__":
    main()
