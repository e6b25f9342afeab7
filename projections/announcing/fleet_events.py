"""Every event of the log, for whoever integrates: arrays of events into stream FLEET_EVENTS.

Where we are stands in NATS itself, in a header of the last message, so that nothing is said twice
or left out, and a NATS that lost everything is filled again from the first event.
"""

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw, Struct
from psycopg import Connection, Cursor

from domain.subjects import FLEET_STREAM, FLEET_SUBJECTS, fleet_events_of
from projections.announcing.link import MESSAGE_ID, STORE_MESSAGES_MAX, Link, Message, StreamState
from projections.announcing.streams import FLEET_EVENTS, identity_of_log
from projections.following import LOG_CHANNEL, Page, page_after
from projections.history import ENTERED_LAST, NAMES_NO_PRODUCT

STREAM_CHECK_S = 2.0
PAGE_EVENTS_MAX = STORE_MESSAGES_MAX  # each event may be a message of its own
MESSAGE_BYTES_MAX = 500_000
PLACE = "Rollcall-Place"  # the page, which of its messages this is, of how many, of which log

EVENTS = f"""
    SELECT notification_id, originator_id, topic, state, recorded_at,
           CASE WHEN topic ^@ ANY ({NAMES_NO_PRODUCT}) THEN ({ENTERED_LAST}) END
    FROM log.fleet_events AS log_entry WHERE notification_id > %s AND notification_id <= %s
    ORDER BY notification_id
"""


class Said(Struct, frozen=True):
    """What stands in the log, the event as it is."""

    event: Raw
    actor: str = ""


class About(Struct, frozen=True):
    product_id: int | None = None


class Announced(Struct, frozen=True):
    """An event as it is announced."""

    position: int
    stream: str
    name: str
    event: Raw
    actor: str
    at: datetime


class Place(NamedTuple):
    """A message's place: number `number` of `messages` that page `after` to `until` makes."""

    after: int
    until: int
    number: int
    messages: int
    log: str

    def header(self) -> str:
        return f"{self.after}-{self.until} {self.number}/{self.messages} {self.log}".strip()

    @classmethod
    def parse(cls, header: str) -> "Place":
        page, place, log = [*header.split(" "), ""][:3]
        after, until = page.split("-")
        number, messages = place.split("/")
        return cls(int(after), int(until), int(number), int(messages), log)


encode = msgspec.json.Encoder().encode
decode_said = msgspec.json.Decoder(Said).decode
decode_about = msgspec.json.Decoder(About).decode


class FleetEvents:
    """The task of keeping FLEET_EVENTS where the log is."""

    name = "fleet_events"
    channel = LOG_CHANNEL
    rest_s = 0.02

    def __init__(self, link: Link) -> None:
        self._link = link
        self._stream: StreamState | None = None
        self._last_sequence = 0
        self._position = 0
        self._unfinished: Place | None = None
        self._log = ""
        self._checked_at = 0.0

    def begin(self, connection: Connection[tuple[Any, ...]]) -> None:
        self._stream = None
        self._checked_at = 0.0

    def step(self, connection: Connection[tuple[Any, ...]]) -> bool:
        """Announce the next page, or what is left of one that was broken off."""
        with connection.cursor(binary=True) as cursor:
            if time.monotonic() - self._checked_at > STREAM_CHECK_S:
                self._check_stream(cursor)
            page, stored = self._next_page(cursor)
            if page is None:
                return False
            messages = messages_of(cursor, page, self._log)[stored:]
        if messages:
            try:
                self._last_sequence = self._link.store(messages, self._last_sequence)
            except BaseException:
                self._stream = None  # some of it may be stored: the stream knows
                self._checked_at = 0.0
                raise
        self._position, self._unfinished = page.until, None
        return True

    def _next_page(self, cursor: Cursor[tuple[Any, ...]]) -> tuple[Page | None, int]:
        """The page, and how many of its messages are stored already."""
        left = self._unfinished
        if left is not None:
            return Page(left.after, left.until), left.number
        return page_after(cursor, self._position, PAGE_EVENTS_MAX), 0

    def _check_stream(self, cursor: Cursor[tuple[Any, ...]]) -> None:
        """Find our place again if the stream is not the one we knew, or holds another log."""
        found = self._link.state_of(FLEET_EVENTS)
        if self._stream is None or found.created != self._stream.created:
            place = self._read_place()
            ours = identity_of_log(cursor)
            if place is not None and place.log != ours:
                found, place = self._link.remake(FLEET_EVENTS), None
            self._stream, self._log = found, ours
            self._last_sequence = found.last_sequence
            self._position = 0 if place is None else place.until
            broken_off = place is not None and place.number < place.messages
            self._unfinished = place if broken_off else None
        elif not self._log:
            self._log = identity_of_log(cursor)
        self._checked_at = time.monotonic()

    def _read_place(self) -> Place | None:
        message = self._link.last_message(FLEET_STREAM, FLEET_SUBJECTS)
        return None if message is None else Place.parse((message.headers or {})[PLACE])


def messages_of(cursor: Cursor[tuple[Any, ...]], page: Page, log: str) -> list[Message]:
    """The page as messages, an array of events each: the same for the same page, always."""
    by_subject: dict[str, list[tuple[int, bytes]]] = {}
    cursor.execute(EVENTS, page, prepare=True)
    for position, stream, topic, state, recorded_at, entered in cursor.fetchall():
        said = decode_said(state)
        product_id = entered or decode_about(said.event).product_id
        name = topic.partition(".")[0]
        announced = Announced(position, stream, name, said.event, said.actor, recorded_at)
        subject = fleet_events_of(product_id)
        by_subject.setdefault(subject, []).append((position, encode(announced)))
    arrays = [
        (subject, array) for subject, events in by_subject.items() for array in packed(events)
    ]
    return [
        Message(
            subject,
            b"[" + b",".join(encoded for _, encoded in array) + b"]",
            {
                MESSAGE_ID: f"{array[0][0]}-{array[-1][0]}",
                PLACE: Place(*page, number, len(arrays), log).header(),
            },
        )
        for number, (subject, array) in enumerate(arrays, start=1)
    ]


def packed(events: list[tuple[int, bytes]]) -> Iterator[list[tuple[int, bytes]]]:
    """Cut where a message would grow too large."""
    array: list[tuple[int, bytes]] = []
    size_bytes = 2
    for event in events:
        length = len(event[1]) + 1
        if array and size_bytes + length > MESSAGE_BYTES_MAX:
            yield array
            array, size_bytes = [], 2
        array.append(event)
        size_bytes += length
    if array:
        yield array
