"""System events: what happens to devices, said as device events to whoever listens to those.

They take the way of everything that is published. Where we are stands beside the table that they
end up in, moved in the transaction that stores them: what was lost on the way is said again, what
comes twice is stored once.
"""

import time
from typing import Any

import msgspec
from psycopg import Connection, Cursor

from domain.log.mapper import RecordedMapper
from domain.log.recorder import Row
from domain.model import Event
from domain.published import PublishedByCloud, PublishedFromLog
from domain.session import DeviceHandshook, SessionEnded
from domain.subjects import DEVICE_EVENTS_STREAM, LOG, up
from projections.announcing.link import Link, Message
from projections.device_events.system_event import OF_SESSIONS, TOLD, Before, evolve, told_of
from projections.following import Page, page_after, read_rows
from projections.tracking import FOLLOWED, Tracking
from projections.trouble import Stopped, reason_of

STREAM_CHECK_S = 2.0
PAGE_EVENTS_MAX = 1_000  # all that is said of them fits into one message
READER, INTAKE = "system_events", "intake"  # in table edge.checkpoint
TOPICS = tuple(kind.TOPIC for kind in TOLD)

STORED = "SELECT reader, sequence FROM edge.checkpoint"
# Of sessions before a position: what the device said last, and the last that happened to it.
BEFORE = f"""
    SELECT hello.state, last.topic = '{SessionEnded.TOPIC}'
    FROM unnest(%s::text[]) AS asked (stream)
    CROSS JOIN LATERAL (
        SELECT state FROM log.fleet_events
        WHERE originator_id = asked.stream AND notification_id <= %s
          AND topic = '{DeviceHandshook.TOPIC}'
        ORDER BY originator_version DESC LIMIT 1
    ) AS hello
    CROSS JOIN LATERAL (
        SELECT topic FROM log.fleet_events
        WHERE originator_id = asked.stream AND notification_id <= %s
          AND topic IN ('{DeviceHandshook.TOPIC}', '{SessionEnded.TOPIC}')
        ORDER BY originator_version DESC LIMIT 1
    ) AS last
"""

encode = msgspec.json.Encoder().encode

Sql = Cursor[tuple[Any, ...]]


class SystemEvents:
    """The task of saying what the log says, not ahead of the fleet model: whose a device is, and
    which product it is in, is looked up there."""

    name = "system_events"
    channel = FOLLOWED
    rest_s = 0.02

    def __init__(self, link: Link) -> None:
        self._link = link
        self._fleet = Tracking("fleet", "fleet")
        self._event = RecordedMapper().event
        self._position = 0
        self._said = 0  # up to here, in the last message
        self._checked_at = 0.0

    def begin(self, connection: Connection[tuple[Any, ...]]) -> None:
        """Back to what is stored: what was said since may still come, or may be lost."""
        self._position = self._said = self._stored(connection)[0]
        self._checked_at = 0.0

    def step(self, connection: Connection[tuple[Any, ...]]) -> bool:
        """Say what the next page of the log makes us say."""
        if not self._is_heard(connection):
            return False
        with connection.cursor(binary=True) as cursor:
            page = self._next_page(cursor)
            if page is None:
                return False
            published = self._told(cursor, page)
        if published:
            said = PublishedFromLog(self._said, page.until, published)
            self._link.append(Message(up(LOG, "events"), encode(said)))
            self._said = page.until
        self._position = page.until
        return True

    def _is_heard(self, connection: Connection[tuple[Any, ...]]) -> bool:
        """Whether there is a stream to say it to. Where everything in it was taken and what we said
        is not stored, it was lost, and is said again."""
        if time.monotonic() - self._checked_at < STREAM_CHECK_S:
            return True
        found = self._link.find(DEVICE_EVENTS_STREAM)
        if found is None:
            self.begin(connection)
            return False
        stored, taken = self._stored(connection)
        if stored != self._said and found.last_sequence <= taken:
            self.begin(connection)
        self._checked_at = time.monotonic()
        return True

    def _stored(self, connection: Connection[tuple[Any, ...]]) -> tuple[int, int]:
        """Up to which position what the log says is stored, and how much of the stream."""
        found = dict(connection.execute(STORED).fetchall())
        return found[READER], found.get(INTAKE, 0)

    def _next_page(self, cursor: Sql) -> Page | None:
        page = page_after(cursor, self._position, PAGE_EVENTS_MAX)
        if page is None:
            return None
        until = min(page.until, self._fleet.position(cursor))
        return Page(page.after, until) if until > page.after else None

    def _told(self, cursor: Sql, page: Page) -> list[PublishedByCloud]:
        """Raises Stopped for an event that cannot be read."""
        events = [(row[4], self._read(row)) for row in read_rows(cursor, page, TOPICS)]
        ids = {event.device_id for _, event in events if isinstance(event, OF_SESSIONS)}
        before = self._before(cursor, sorted(ids), page.after)
        told = []
        for position, event in events:
            device_id = event.device_id if isinstance(event, OF_SESSIONS) else ""
            known = before.get(device_id, Before())
            told.append(told_of(position, event, known))
            before[device_id] = evolve(known, event)
        return [one for one in told if one is not None]

    def _before(self, cursor: Sql, device_ids: list[str], after: int) -> dict[str, Before]:
        streams = [f"session-{device_id}" for device_id in device_ids]
        if not streams:
            return {}
        cursor.execute(BEFORE, [streams, after, after], prepare=True)
        known: dict[str, Before] = {}
        for state, ended in cursor.fetchall():
            hello = self._event(DeviceHandshook.TOPIC, state)
            assert isinstance(hello, DeviceHandshook)
            was = evolve(Before(), hello)
            known[hello.device_id] = msgspec.structs.replace(was, online=not ended)
        return known

    def _read(self, row: Row) -> Event:
        try:
            return self._event(row[2], row[3])
        except Exception as error:
            raise Stopped(row[4], reason_of(error)) from error
