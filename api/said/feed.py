"""What is being said, read once for everybody who listens.

One connection listens for the intake's word and reads the table on from where it was. While nobody
listens, nobody reads.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import psycopg
from msgspec import Struct
from psycopg import AsyncConnection

from api.database import Rows
from api.said.earshot import Earshot
from api.said.frames import Chunk, Form, Frame, chunk_of, frame_of
from api.said.listener import THROWN_BACK, Listener
from api.said.stored import LAST, Stored, entry_of
from domain.log.fleet import Contended
from domain.log_filter import EVERYTHING, LogFilter, matches
from projections.device_events.telemetry import AFTER, CHANNEL, DeviceEventRow

log = logging.getLogger("rollcall.api")

PAGE_ROWS_MAX = 1_000
PAUSE_S = 0.005  # between pages: what is said meanwhile comes together
LOOK_S = 1.0  # with nothing said for so long, look
RECONNECT_S = 0.5
REACH_LOOK_S = 0.005
BEGIN_TIMEOUT_S = 5.0

# What devices are called, and by whom: see Earshot.may_name.
NAMES = """
    SELECT device_id, name, owner, cohort.product_id FROM fleet.device
    LEFT JOIN fleet.cohort ON cohort.cohort_id = device.cohort_id AND standing = 'member'
    WHERE device_id = ANY (%s) AND name <> ''
"""


class Called(Struct, frozen=True):
    device_id: str
    name: str
    owner: str | None
    product_id: int | None


class Interest(Struct, frozen=True):
    """What a listener wants to be told, and in which form. Those who want the same are told it as
    one."""

    earshot: Earshot
    form: Form
    filter: LogFilter = EVERYTHING

    @property
    def about_names(self) -> bool:
        return self.form is Form.LOG

    def takes(self, stored: Stored) -> bool:
        if not self.earshot.reaches(stored.row):
            return False
        return self.filter == EVERYTHING or matches(self.filter, entry_of(stored))


class Feed:
    """Listeners hear everything after `place`, which only ever grows while anybody listens."""

    def __init__(self, conninfo: str) -> None:
        self.place = 0
        self._conninfo = conninfo
        self._joined = 0
        self._wanted = asyncio.Event()
        self._begun = asyncio.Event()
        self._listeners: dict[Interest, set[Listener]] = defaultdict(set)
        # Where to look for who may be interested: a product, or whose devices.
        self._interests: dict[int | str, set[Interest]] = defaultdict(set)

    def join(self) -> None:
        """Somebody means to listen, until they leave."""
        self._joined += 1
        self._wanted.set()

    def leave(self) -> None:
        self._joined -= 1

    async def has_begun(self) -> None:
        """Waits, bounded, until `place` is one. Raises Contended with the database out of reach."""
        try:
            async with asyncio.timeout(BEGIN_TIMEOUT_S):
                await self._begun.wait()
        except TimeoutError:
            raise Contended from None

    async def has_reached(self, place: int) -> None:
        """Waits, bounded, until that was told. Raises Contended."""
        try:
            async with asyncio.timeout(BEGIN_TIMEOUT_S):
                while self.place < place:
                    await asyncio.sleep(REACH_LOOK_S)
        except TimeoutError:
            raise Contended from None

    def attach(self, listener: Listener, interest: Interest) -> int:
        """From here on it is told what comes after the place that is returned."""
        self._listeners[interest].add(listener)
        for key in keys_of(interest.earshot):
            self._interests[key].add(interest)
        return self.place

    def detach(self, listener: Listener, interest: Interest) -> None:
        """Twice is once."""
        listeners = self._listeners.get(interest)
        if listeners is None:
            return
        listeners.discard(listener)
        if listeners:
            return
        del self._listeners[interest]
        for key in keys_of(interest.earshot):
            self._interests[key].discard(interest)
            if not self._interests[key]:
                del self._interests[key]

    async def run(self) -> None:
        """Until cancelled; comes back by itself when the connection is lost."""
        while True:
            await self._wanted.wait()
            try:
                async with await AsyncConnection.connect(
                    self._conninfo, autocommit=True
                ) as connection:
                    await connection.execute(f"LISTEN {CHANNEL}")
                    await self._begin(connection)
                    await self._follow(connection)
            except psycopg.OperationalError as error:
                log.warning("not hearing device events: %s", error)
                await asyncio.sleep(RECONNECT_S)

    async def _begin(self, connection: AsyncConnection[Any]) -> None:
        last = await Rows(connection).value(LAST)
        if not self._begun.is_set():
            self.place = last
            self._begun.set()
        elif last < self.place:
            # What was told may be told again under other places.
            self.place = last
            for listener in self._everybody():
                listener.end(THROWN_BACK)

    async def _follow(self, connection: AsyncConnection[Any]) -> None:
        """Until nobody listens any more."""
        while self._joined:
            cursor = await connection.execute(AFTER, [self.place, PAGE_ROWS_MAX], prepare=True)
            page = [DeviceEventRow(*row) for row in await cursor.fetchall()]
            if page:
                called = await self._called(connection, page)
                self._tell(page, called)
                await asyncio.sleep(PAUSE_S)
            else:
                async for _ in connection.notifies(timeout=LOOK_S, stop_after=1):
                    pass
        self._wanted.clear()
        self._begun.clear()

    async def _called(
        self, connection: AsyncConnection[Any], page: Iterable[DeviceEventRow]
    ) -> dict[str, Called]:
        """What the devices are called, where anybody asks for it."""
        if not any(interest.about_names for interest in self._listeners):
            return {}
        device_ids = list({row.device_id for row in page})
        found = await Rows(connection).all(Called, NAMES, [device_ids])
        return {one.device_id: one for one in found}

    def _tell(self, page: Sequence[DeviceEventRow], called: dict[str, Called]) -> None:
        told: dict[Interest, list[Frame]] = {}
        written: dict[tuple[int, Form, bool], Frame] = {}
        for row in page:
            for interest in self._interested(row):
                stored = Stored(row, name_for(interest, called.get(row.device_id)))
                if interest.takes(stored):
                    told.setdefault(interest, []).append(written_once(written, stored, interest))
        self.place = page[-1].id
        for interest, listeners in self._listeners.items():
            frames = told.get(interest)
            chunk = chunk_of(frames) if frames else None
            self._give(listeners, chunk)

    def _give(self, listeners: Iterable[Listener], chunk: Chunk | None) -> None:
        for listener in listeners:
            if chunk is not None:
                listener.give(chunk)
            listener.pass_over(self.place)

    def _interested(self, row: DeviceEventRow) -> Iterable[Interest]:
        """Whoever might be."""
        of_product = self._interests.get(row.product_id, ()) if row.product_id is not None else ()
        of_holder = self._interests.get(row.user_id, ()) if row.user_id is not None else ()
        return [*of_product, *of_holder]

    def _everybody(self) -> list[Listener]:
        return [listener for listeners in self._listeners.values() for listener in listeners]


def keys_of(earshot: Earshot) -> Iterable[int | str]:
    return earshot.product_ids if earshot.product_ids is not None else (earshot.holder,)


def name_for(interest: Interest, called: Called | None) -> str | None:
    if called is None or not interest.about_names:
        return None
    may = interest.earshot.may_name(called.owner, called.product_id)
    return called.name if may else None


def written_once(
    written: dict[tuple[int, Form, bool], Frame], stored: Stored, interest: Interest
) -> Frame:
    """However many are interested, and in however many ways."""
    if interest.about_names:
        return frame_of(stored, interest.earshot, interest.form)
    key = (stored.row.id, interest.form, interest.earshot.product_ids is None)
    if key not in written:
        written[key] = frame_of(stored, interest.earshot, interest.form)
    return written[key]
