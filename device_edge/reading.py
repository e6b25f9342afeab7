"""Reading a JetStream stream in order, from any place, with as much in memory as we say."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

ENTRIES_MAX = 10_000  # read ahead; beyond that NATS' flow control holds the rest back
HEARTBEAT_S = 1.0
SILENCE_S_MAX = 5.0
ALL_IS_WELL = "100"
STALLED = "Nats-Consumer-Stalled"


class ReadingLost(Exception):
    """NATS no longer sends us the stream: read on from where we were."""


class Entry(NamedTuple):
    """One message of a stream. `behind` is how many stood behind it when NATS sent it."""

    subject: str
    data: bytes
    sequence: int
    behind: int
    stored_ns: int


class Reading:
    """The entries of one stream after a sequence number, without a gap or a repetition."""

    def __init__(self, connection: Client, stream: str) -> None:
        self._connection = connection
        self._stream = stream
        self._entries: deque[Entry] = deque()
        self._some = asyncio.Event()
        self._room = asyncio.Event()
        self._delivered = 0
        self._lost = False
        self._heard = 0.0
        self._subscription: Subscription | None = None
        self._now = asyncio.get_running_loop().time

    async def open(self, after: int) -> None:
        """Raises what JetStream refuses it with: NotFoundError where there is no such stream."""
        inbox = self._connection.new_inbox()
        self._subscription = await self._connection.subscribe(
            inbox, cb=self._take, pending_msgs_limit=-1, pending_bytes_limit=-1
        )
        self._heard = self._now()
        await self._connection.jetstream().add_consumer(
            self._stream,
            ConsumerConfig(
                deliver_subject=inbox,
                deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
                opt_start_seq=after + 1,
                ack_policy=AckPolicy.NONE,
                max_deliver=1,
                flow_control=True,
                idle_heartbeat=HEARTBEAT_S,
                mem_storage=True,
                num_replicas=1,
            ),
        )

    async def close(self) -> None:
        # The consumer goes by itself once nobody listens.
        self._lost = True
        self._room.set()
        if self._subscription is not None and not self._connection.is_closed:
            await self._subscription.unsubscribe()

    async def page(self, entries_max: int, wait_s: float) -> list[Entry]:
        """The next entries, as soon as there are any; empty if none came in time.

        Raises ReadingLost.
        """
        if not self._entries and not self._lost:
            self._some.clear()
            try:
                async with asyncio.timeout(wait_s):
                    await self._some.wait()
            except TimeoutError:
                self._lost |= self._now() - self._heard > SILENCE_S_MAX
        if self._lost and not self._entries:
            raise ReadingLost
        self._room.set()
        count = min(entries_max, len(self._entries))
        return [self._entries.popleft() for _ in range(count)]

    async def _take(self, message: Msg) -> None:
        self._heard = self._now()
        if message.headers and "Status" in message.headers:
            await self._heed(message.headers, message.reply)
            return
        delivered, entry = self._entry(message)
        self._lost |= delivered != self._delivered + 1
        if not self._lost:
            self._delivered = delivered
            self._entries.append(entry)
        self._some.set()
        while len(self._entries) >= ENTRIES_MAX and not self._lost:
            self._room.clear()
            await self._room.wait()

    async def _heed(self, headers: dict[str, str], reply: str) -> None:
        """A heartbeat, a request to say when we have come so far, or the end of it."""
        if headers["Status"] != ALL_IS_WELL:
            self._lost = True
            self._some.set()
        elif reply := reply or headers.get(STALLED, ""):
            await self._connection.publish(reply)

    @staticmethod
    def _entry(message: Msg) -> tuple[int, Entry]:
        """How manieth message of this reading it is, and the message."""
        # $JS.ACK[.domain.account].stream.consumer.deliveries.sequence.delivered.time.pending[.…]
        tokens = message.reply.split(".")
        sequence, delivered, stored_ns, behind = tokens[5:9] if len(tokens) == 9 else tokens[7:11]
        entry = Entry(message.subject, message.data, int(sequence), int(behind), int(stored_ns))
        return int(delivered), entry


@asynccontextmanager
async def reading(connection: Client, stream: str, after: int) -> AsyncIterator[Reading]:
    """Read the stream from behind that sequence number on."""
    opened = Reading(connection, stream)
    try:
        await opened.open(after)
        yield opened
    finally:
        await opened.close()
