"""Updates that take too long: a list of what is due, kept by events, and a worker that says so.

The worker only reports, into the journal; whether the update then has failed is decided there.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from psycopg import Connection, Cursor

from domain.log.mapper import RecordedMapper
from domain.product import FAILED_ATTEMPTS_DEFAULT
from domain.session import FirmwareUpdateFailed, RecordTimeOut, UpdateConfirmed, UpdateStarted
from projections.announcing.link import MESSAGE_ID, Link, Message
from projections.following import Page, page_after, read_events
from projections.tracking import FOLLOWED, Tracking

PAGE_EVENTS_MAX = 5_000
DUE_AT_ONCE = 500
JOURNAL_TIMERS = "journal.timers"
TOPICS = (UpdateStarted.TOPIC, UpdateConfirmed.TOPIC, FirmwareUpdateFailed.TOPIC)

REMEMBER = """
    INSERT INTO follow.update_under_way (device_id, product_id, version, started_at, "position")
    SELECT * FROM unnest(%b::text[], %b::int4[], %b::int4[], %b::timestamptz[], %b::int8[])
    ON CONFLICT (device_id) DO UPDATE
    SET product_id = excluded.product_id, version = excluded.version,
        started_at = excluded.started_at, "position" = excluded."position"
"""
FORGET = "DELETE FROM follow.update_under_way WHERE device_id = ANY(%s)"
DUE = """
    SELECT device_id, version, update_under_way."position", coalesce(attempts_max, %s)
    FROM follow.update_under_way LEFT JOIN fleet.product USING (product_id)
    WHERE started_at <= %s ORDER BY started_at LIMIT %s
"""
REPORTED = """
    DELETE FROM follow.update_under_way
    USING unnest(%b::text[], %b::int8[]) AS reported (device_id, "position")
    WHERE update_under_way.device_id = reported.device_id
      AND update_under_way."position" = reported."position"
"""

encode = msgspec.json.Encoder().encode


class TimerModel:
    """Which updates are under way, and since when."""

    name = "timers"
    schema = "follow"
    page_events_max = PAGE_EVENTS_MAX

    def __init__(self) -> None:
        self._mapper = RecordedMapper()

    def begin(self) -> None:
        """Nothing is remembered from page to page."""

    def apply(self, cursor: Cursor[tuple[Any, ...]], page: Page) -> None:
        last: dict[str, tuple[UpdateStarted, int] | None] = {}
        for event, position in read_events(cursor, page, TOPICS, self._mapper):
            started = isinstance(event, UpdateStarted)
            last[event.device_id] = (event, position) if started else None
        ended = [device_id for device_id, started in last.items() if started is None]
        if ended:
            cursor.execute(FORGET, [ended], prepare=True)
        rows = [
            (event.device_id, event.product_id, event.version, datetime.fromisoformat(event.at), at)
            for event, at in filter(None, last.values())
        ]
        if rows:
            cursor.execute(REMEMBER, [list(column) for column in zip(*rows, strict=True)])


class DueUpdates:
    """The task of reporting updates that started `timeout_s` ago and have not ended."""

    name = "due_updates"
    channel = FOLLOWED
    rest_s = 0.0

    def __init__(
        self, link: Link, *, timeout_s: float, now: Callable[[], datetime] | None = None
    ) -> None:
        self._link = link
        self._list = Tracking(TimerModel.schema, TimerModel.name)
        self._timeout = timedelta(seconds=timeout_s)
        self._now = now or (lambda: datetime.now(UTC))

    def begin(self, connection: Connection[tuple[Any, ...]]) -> None:
        """Everything it knows is in the table."""

    def step(self, connection: Connection[tuple[Any, ...]]) -> bool:
        """Report what is due; it is forgotten once the journal has it."""
        now = self._now()
        with connection.cursor(binary=True) as cursor:
            if page_after(cursor, self._list.position(cursor) + PAGE_EVENTS_MAX, 1):
                return False  # the list is far behind: what looks due may have ended long ago
            parameters = [FAILED_ATTEMPTS_DEFAULT, now - self._timeout, DUE_AT_ONCE]
            due = cursor.execute(DUE, parameters, prepare=True).fetchall()
            if not due:
                return False
            at = now.isoformat(timespec="milliseconds")
            reports = [
                RecordTimeOut(device_id=device_id, at=at, version=version, attempts_max=attempts)
                for device_id, version, _, attempts in due
            ]
            devices, positions = [row[0] for row in due], [row[2] for row in due]
            twice = {MESSAGE_ID: f"timers-{min(positions)}-{max(positions)}-{len(due)}"}
            self._link.append(Message(JOURNAL_TIMERS, encode(reports), twice))
            cursor.execute(REPORTED, [devices, positions], prepare=True)
        return True
