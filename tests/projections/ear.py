"""An ear at NATS: what is published on some subjects, and what stands in streams."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import msgspec
import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import RawStreamMsg, StreamInfo
from nats.js.errors import NotFoundError

from projections.announcing.link import Link
from tests.projections.patience import eventually

T = TypeVar("T")
TIMEOUT_S = 5.0


def at_nats(url: str, work: Callable[[Client], Coroutine[Any, Any, T]]) -> T:
    """Do something with a connection of its own."""

    async def run() -> T:
        client = await nats.connect(url)
        try:
            return await work(client)
        finally:
            await client.close()

    return asyncio.run(run())


def info(url: str, stream: str) -> StreamInfo:
    return at_nats(url, lambda client: client.jetstream().stream_info(stream))


def delete(url: str, stream: str) -> None:
    at_nats(url, lambda client: client.jetstream().delete_stream(stream))


def messages(url: str, stream: str) -> list[RawStreamMsg]:
    """Everything in the stream, in order."""

    async def read(client: Client) -> list[RawStreamMsg]:
        streams = client.jetstream()
        state = (await streams.stream_info(stream)).state
        found = []
        for sequence in range(max(1, state.first_seq), state.last_seq + 1):
            try:
                found.append(await streams.get_msg(stream, sequence))
            except NotFoundError:
                continue  # a later one of the same subject replaced it
        return found

    return at_nats(url, read)


def facts(url: str) -> dict[str, Any]:
    """The last fact of each subject; None for a thing that is no more."""
    try:
        found = messages(url, "FACTS")
    except NotFoundError:
        return {}
    return {
        str(message.subject): msgspec.json.decode(message.data) if message.data else None
        for message in found
    }


@contextmanager
def connected_link(url: str) -> Iterator[Link]:
    link = Link(url, "test")
    try:
        eventually(lambda: link._client is not None)
        yield link
    finally:
        link.close()


class Ear:
    """What was published on a subject since the ear was opened."""

    def __init__(self, subscription: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._subscription = subscription
        self._loop = loop

    def heard(self, count: int) -> list[tuple[str, Any]]:
        """The next so many messages: subject and decoded payload, in the order of subjects."""
        found: list[Msg] = []
        while len(found) < count:
            next_one = self._subscription.next_msg(timeout=TIMEOUT_S)
            found.append(self._loop.run_until_complete(next_one))
        return sorted((message.subject, msgspec.json.decode(message.data)) for message in found)

    def nothing_more(self) -> bool:
        """Whether all that was published has been heard."""
        return self._subscription.pending_msgs == 0


@contextmanager
def listening(url: str, subject: str) -> Iterator[Ear]:
    loop = asyncio.new_event_loop()
    client = loop.run_until_complete(nats.connect(url))
    try:
        subscription = loop.run_until_complete(client.subscribe(subject))
        loop.run_until_complete(client.flush())
        yield Ear(subscription, loop)
    finally:
        loop.run_until_complete(client.close())
        loop.close()
