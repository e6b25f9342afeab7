"""The process's connection to NATS, for followers that are threads: calls wait, with a time-out."""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime
from threading import Thread
from typing import Any, NamedTuple, TypeVar

import nats
from msgspec import Struct
from nats.aio.client import Client
from nats.errors import Error
from nats.js.api import RawStreamMsg, StreamConfig
from nats.js.errors import NotFoundError

from projections.trouble import NatsTrouble

T = TypeVar("T")

CONNECT_TIMEOUT_S = 5
RECONNECT_WAIT_S = 0.25
ANSWER_TIMEOUT_S = 5.0  # of one request to the server
CALL_TIMEOUT_S = 15.0  # of everything that one call does
PENDING_BYTES_MAX = 16 << 20  # written by us, not yet taken by the socket
STORE_MESSAGES_MAX = 1_000  # sent before an answer is waited for; the server queues ten times that
EXPECTED_LAST = "Nats-Expected-Last-Sequence"
MESSAGE_ID = "Nats-Msg-Id"


class Message(NamedTuple):
    subject: str
    payload: bytes
    headers: dict[str, str] | None = None


class StreamState(Struct, frozen=True):
    """Which one of its name the stream is, and how far it is numbered."""

    created: datetime
    last_sequence: int


class Link:
    """Connected as long as NATS is there; a call made while it is not raises NatsTrouble."""

    def __init__(self, url: str, name: str) -> None:
        self._url = url
        self._name = name
        self._loop = asyncio.new_event_loop()
        self._client: Client | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._thread = Thread(target=self._run, name="nats", daemon=True)
        self._thread.start()

    def send(self, messages: Sequence[Message]) -> None:
        """Publish to whoever listens now; returns when the server has them."""
        self._call(lambda client: send(client, messages))

    def append(self, message: Message) -> None:
        """Publish into whatever stream takes the subject; returns when it is stored there."""
        self._call(lambda client: append(client, message))

    def append_all(self, messages: Sequence[Message]) -> None:
        """As `append`, many at once, in their order. If one is not stored, others may be."""
        self._call(lambda client: append_all(client, messages))

    def store(self, messages: Sequence[Message], last_sequence: int) -> int:
        """Add messages to the one stream that takes them, right after `last_sequence`.

        Returns the sequence of the last. Raises NatsTrouble unless all of them were stored, and
        nothing of anybody else's in between; some of them may be stored then.
        """
        return self._call(lambda client: store(client, messages, last_sequence))

    def state_of(self, config: StreamConfig) -> StreamState:
        """Of the stream, which is made if it is not there."""
        return self._call(lambda client: state_of(client, config))

    def find(self, stream: str) -> StreamState | None:
        """Of the stream of that name, which is somebody else's to make."""
        return self._call(lambda client: find(client, stream))

    def remake(self, config: StreamConfig) -> StreamState:
        """Delete the stream and make it anew."""
        return self._call(lambda client: remake(client, config))

    def last_message(self, stream: str, subject: str) -> RawStreamMsg | None:
        """The last one of that subject, which may be a wildcard."""
        return self._call(lambda client: last_message(client, stream, subject))

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(CALL_TIMEOUT_S)
        self._thread.join(CALL_TIMEOUT_S)

    def _call(self, work: Callable[[Client], Coroutine[Any, Any, T]]) -> T:
        client = self._client
        if client is None or not client.is_connected:
            raise NatsTrouble("not connected")
        future = asyncio.run_coroutine_threadsafe(work(client), self._loop)
        try:
            return future.result(CALL_TIMEOUT_S)
        except (Error, OSError) as error:  # a time-out is an OSError
            future.cancel()
            raise NatsTrouble(f"{type(error).__name__}: {error}") from error

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._connecting = self._loop.create_task(self._connect())
        self._loop.run_forever()
        self._loop.close()

    async def _connect(self) -> None:
        """The library connects again by itself, but not for the first time."""
        while self._client is None:
            try:
                self._client = await nats.connect(
                    self._url,
                    name=self._name,
                    error_cb=say,
                    connect_timeout=CONNECT_TIMEOUT_S,
                    reconnect_time_wait=RECONNECT_WAIT_S,
                    max_reconnect_attempts=-1,
                    allow_reconnect=True,
                    pending_size=PENDING_BYTES_MAX,
                    # Subjects we publish to are made by us from checked ids.
                    skip_subject_validation=True,
                )
            except (Error, OSError) as error:
                await say(error)
                await asyncio.sleep(RECONNECT_WAIT_S)

    async def _close(self) -> None:
        assert self._connecting is not None
        self._connecting.cancel()
        if self._client is not None:
            await self._client.close()
        self._loop.call_soon(self._loop.stop)


async def say(error: Exception) -> None:
    print(f"NATS: {type(error).__name__}: {error}", file=sys.stderr, flush=True)


async def send(client: Client, messages: Sequence[Message]) -> None:
    for message in messages:
        await client.publish(message.subject, message.payload)
    await client.flush(ANSWER_TIMEOUT_S)  # type: ignore[arg-type]


async def append(client: Client, message: Message) -> None:
    stream = client.jetstream(timeout=ANSWER_TIMEOUT_S)
    await stream.publish(message.subject, message.payload, headers=message.headers)


async def append_all(client: Client, messages: Sequence[Message]) -> None:
    await asyncio.gather(*(append(client, message) for message in messages))


async def store(client: Client, messages: Sequence[Message], last_sequence: int) -> int:
    """The first shows that nobody has written meanwhile; the last, that all in between is there.

    Not a number on each: where one of ours is lost and one of somebody else's is in its place, all
    the numbers after it would be right.
    """
    assert 0 < len(messages) <= STORE_MESSAGES_MAX
    first, *others = messages
    await store_after(client, first, last_sequence)
    if others:
        for subject, payload, headers in others[:-1]:
            await client.publish(subject, payload, headers=headers)
        await store_after(client, others[-1], last_sequence + len(others))
    return last_sequence + len(messages)


async def store_after(client: Client, message: Message, sequence: int) -> None:
    stream = client.jetstream(timeout=ANSWER_TIMEOUT_S)
    headers = {EXPECTED_LAST: str(sequence), **(message.headers or {})}
    ack = await stream.publish(message.subject, message.payload, headers=headers)
    if ack.seq != sequence + 1:
        raise NatsTrouble(f"{message.subject} was stored as {ack.seq}, not {sequence + 1}")


async def state_of(client: Client, config: StreamConfig) -> StreamState:
    streams = client.jetstream(timeout=ANSWER_TIMEOUT_S)
    try:
        found = await streams.stream_info(str(config.name))
    except NotFoundError:
        found = await streams.add_stream(config)
    assert found.created is not None
    return StreamState(created=found.created, last_sequence=found.state.last_seq)


async def find(client: Client, stream: str) -> StreamState | None:
    try:
        found = await client.jetstream(timeout=ANSWER_TIMEOUT_S).stream_info(stream)
    except NotFoundError:
        return None
    assert found.created is not None
    return StreamState(created=found.created, last_sequence=found.state.last_seq)


async def remake(client: Client, config: StreamConfig) -> StreamState:
    await client.jetstream(timeout=ANSWER_TIMEOUT_S).delete_stream(str(config.name))
    return await state_of(client, config)


async def last_message(client: Client, stream: str, subject: str) -> RawStreamMsg | None:
    try:
        return await client.jetstream(timeout=ANSWER_TIMEOUT_S).get_last_msg(stream, subject)
    except NotFoundError:
        return None
