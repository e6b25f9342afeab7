"""A reader that does not keep up: what becomes of it, and that no place is lost on the way."""

import asyncio
import re
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic

import pytest

from api.database import Database
from api.said.earshot import Earshot
from api.said.feed import Feed, Interest
from api.said.frames import Form
from api.said.listener import KEEP_ALIVE_S, QUEUE_BYTES_MAX, TOO_SLOW, Patience
from api.said.metered import Meters
from api.said.open_streams import OpenStream, OpenStreams, Wish
from tests.api.said.saying import say

HOLDER = "f" * 24
BIG = "x" * 1_000
TALKED = 1_500  # which no listener keeps
assert TALKED * len(BIG) > 2 * QUEUE_BYTES_MAX
QUICKLY_STALLED = Patience(stalled_s=0.2, last_word_s=0.3)
SOON_TOO_FAR_BEHIND = Patience(stalled_s=10.0, behind_s=0.5, last_word_s=10.0)
TIMEOUT_S = 20.0
CLIENTS_WAIT_S = 15.0  # without a byte


class Reader:
    """Takes what is written when it is told to."""

    def __init__(self) -> None:
        self.reads = asyncio.Event()
        self.pace_s = 0.0
        self.wire = b""

    async def write(self, wire: bytes) -> None:
        await self.reads.wait()
        await asyncio.sleep(self.pace_s)
        self.wire += wire

    @property
    def heard(self) -> list[int]:
        return [int(number) for number in re.findall(rb'"data":"(\d+) ', self.wire)]

    @property
    def resume(self) -> int:
        return int(re.findall(rb"\nid: (\d+)\n", self.wire)[-1])


def talk(database: str, *numbers: int) -> int:
    said = {"device_id": "a" * 24, "user_id": HOLDER, "name": "said"}
    return say(database, *({**said, "data": f"{number} {BIG}"} for number in numbers))


@asynccontextmanager
async def streams(conninfo: str, patience: Patience) -> AsyncIterator[OpenStreams]:
    database = Database(conninfo)
    await database.open()
    feed = Feed(database.conninfo)
    opened = OpenStreams(database, feed, Meters(database), None, threading.Event(), patience)
    tasks = [asyncio.create_task(feed.run()), asyncio.create_task(opened.run())]
    yield opened
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await database.close()


async def opened(streams: OpenStreams, after: int | None = None) -> OpenStream:
    earshot = Earshot(holder=HOLDER)

    async def again() -> Earshot:
        return earshot

    return await streams.open(Wish(Interest(earshot, Form.OWN), after, "here", "alike", again))


async def until(holds: object) -> None:
    assert callable(holds)
    async with asyncio.timeout(TIMEOUT_S):
        while not holds():
            await asyncio.sleep(0.01)


@pytest.mark.asyncio
async def test_a_reader_that_fell_behind_is_told_all_the_same(database: str) -> None:
    total = TALKED
    async with streams(database, Patience()) as all_streams:
        stream, reader = await opened(all_streams), Reader()
        writing = asyncio.create_task(stream.write_to(reader.write))
        for first in range(0, total, 100):
            await asyncio.to_thread(talk, database, *range(first, first + 100))
        await until(lambda: stream.listener.behind)
        reader.reads.set()
        await until(lambda: len(reader.heard) >= total)
        last = await asyncio.to_thread(talk, database, total)
        await until(lambda: len(reader.heard) > total)
        assert reader.heard == list(range(total + 1))
        assert reader.resume == last
        stream.listener.end("enough")
        await writing
        stream.close()


@pytest.mark.asyncio
async def test_more_at_once_than_a_listener_keeps_is_told_all_the_same(database: str) -> None:
    async with streams(database, Patience()) as all_streams:
        stream, reader = await opened(all_streams), Reader()
        reader.reads.set()
        writing = asyncio.create_task(stream.write_to(reader.write))
        await asyncio.to_thread(talk, database, 0)
        await until(lambda: reader.heard == [0])
        await asyncio.to_thread(talk, database, *range(1, TALKED))
        await until(lambda: reader.heard == list(range(TALKED)))
        stream.listener.end("enough")
        await writing
        stream.close()


@pytest.mark.asyncio
async def test_a_silent_stream_says_something_before_clients_give_up(database: str) -> None:
    assert KEEP_ALIVE_S < CLIENTS_WAIT_S - 5
    async with streams(database, Patience()) as all_streams:
        stream, reader = await opened(all_streams), Reader()
        reader.reads.set()
        writing = asyncio.create_task(stream.write_to(reader.write))
        await until(lambda: reader.wire.count(b"\n\n") == 2)
        stream.listener.look_after(monotonic() + KEEP_ALIVE_S - 1, Patience())
        await asyncio.sleep(0)
        assert reader.wire.count(b"\n\n") == 2
        stream.listener.look_after(monotonic() + KEEP_ALIVE_S, Patience())
        await until(lambda: reader.wire.count(b"\n\n") == 3)
        stream.listener.end("enough")
        await writing
        stream.close()


@pytest.mark.asyncio
async def test_a_reader_that_takes_nothing_is_cut_off(database: str) -> None:
    async with streams(database, QUICKLY_STALLED) as all_streams:
        stream, reader = await opened(all_streams), Reader()
        reader.reads.set()
        writing = asyncio.create_task(stream.write_to(reader.write))
        await asyncio.to_thread(talk, database, 0)
        await until(lambda: reader.heard == [0])
        reader.reads.clear()
        await asyncio.to_thread(talk, database, 1)
        await asyncio.wait([writing], timeout=TIMEOUT_S)
        assert writing.cancelled()
        assert reader.heard == [0]
        stream.close()

        again, later = await opened(all_streams, reader.resume), Reader()
        later.reads.set()
        resumed = asyncio.create_task(again.write_to(later.write))
        await until(lambda: later.heard == [1])
        again.listener.end("enough")
        await resumed
        again.close()


@pytest.mark.asyncio
async def test_a_reader_that_never_catches_up_is_told_where_to_resume(database: str) -> None:
    total = TALKED
    async with streams(database, SOON_TOO_FAR_BEHIND) as all_streams:
        stream, reader = await opened(all_streams), Reader()
        writing = asyncio.create_task(stream.write_to(reader.write))
        for first in range(0, total, 100):
            await asyncio.to_thread(talk, database, *range(first, first + 100))
        await until(lambda: stream.listener.behind)
        reader.pace_s = 0.1
        reader.reads.set()
        talking, number = True, total

        async def go_on() -> None:
            nonlocal number
            while talking:
                await asyncio.to_thread(talk, database, *range(number, number + 600))
                number += 600

        going = asyncio.create_task(go_on())
        await asyncio.wait([writing], timeout=TIMEOUT_S)
        talking = False
        await going
        assert not writing.cancelled()
        assert f": {TOO_SLOW} Resume after {reader.resume}.".encode() in reader.wire
        assert reader.heard == list(range(len(reader.heard)))
        stream.close()

        again, later = await opened(all_streams, reader.resume), Reader()
        later.reads.set()
        resumed = asyncio.create_task(again.write_to(later.write))
        await until(lambda: later.heard)
        assert later.heard[0] == len(reader.heard)
        again.listener.end("enough")
        await resumed
        again.close()
