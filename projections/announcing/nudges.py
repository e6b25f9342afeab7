"""Nudges: devices that are online and affected are asked to say hello again, or to fetch a binary.

A nudge that is lost costs nothing but time: the device says hello by itself when it connects.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice, starmap
from typing import Any

import msgspec
from msgspec import Struct
from psycopg import Cursor

from domain.device_events import (
    BinaryFlashed,
    DeviceImported,
    DeviceJoined,
    FirmwareLocked,
    Standing,
    UpdateRetryAsked,
    UpdatesForced,
)
from domain.firmware import FirmwareReleased
from domain.hello import Told
from domain.log.mapper import RecordedMapper
from domain.log.recorder import Row
from domain.model import Event
from domain.session import DeviceHandshook
from domain.subjects import down
from domain.targeting import Cohort, Releases, target_of
from projections.announcing.link import Link, Message
from projections.following import Page, read_rows
from projections.reactions.outdated import outdated
from projections.trouble import CannotApply

PAGE_EVENTS_MAX = 5_000
SENT_AT_ONCE = 1_000
SENT_PER_SECOND_MAX = 10_000  # each is answered by a handshake
FLASH_AGE_MAX = timedelta(seconds=60)  # a binary that arrives later is no longer expected

TOPICS = tuple(
    kind.TOPIC
    for kind in (
        FirmwareLocked,
        UpdatesForced,
        UpdateRetryAsked,
        FirmwareReleased,
        BinaryFlashed,
        DeviceHandshook,
    )
)

TAKE_IN = [DeviceImported.TOPIC, DeviceJoined.TOPIC]

# Asked of the server alone: of a million imported devices hardly any is online. Who joins by asking
# knows already, unless it was told to wait.
TAKEN_IN = f"""
    SELECT device_id, notification_id FROM log.fleet_events
    JOIN fleet.device ON device_id = split_part(originator_id, '-', 2)
    WHERE notification_id > %s AND notification_id <= %s AND topic = ANY(%s) AND online
      AND (topic <> '{DeviceJoined.TOPIC}' OR told = '{Told.QUARANTINED}')
    ORDER BY notification_id
"""
# A device that has said hello since knows already, whoever asks a second time.
ONLINE = """
    SELECT device_id FROM unnest(%s::text[], %s::bigint[]) AS nudged (device_id, "position")
    JOIN fleet.device USING (device_id)
    WHERE online AND told_position < nudged."position"
"""
COHORTS = """
    SELECT cohort_id, product_id, standing, groups, locked_version, development
    FROM fleet.cohort WHERE product_id = %s
    AND EXISTS (SELECT FROM fleet.tally WHERE tally.product_id = cohort.product_id
                AND tally.cohort_id = cohort.cohort_id AND online)
"""
RELEASES = "SELECT default_version, group_versions FROM fleet.product WHERE product_id = %s"
OF_COHORT = """
    SELECT device_id FROM fleet.device
    WHERE cohort_id = %s AND device_id > %s AND online AND told_position < %s
      AND running IS DISTINCT FROM %s AND (updates_enabled OR forced)
    ORDER BY device_id LIMIT %s
"""

Sql = Cursor[tuple[Any, ...]]


class Again(Struct, frozen=True):
    """Say hello again; the answer must be based on at least this position."""

    position: int


class Flash(Struct, frozen=True):
    sha256: str
    size_bytes: int


encode = msgspec.json.Encoder().encode


def asks_again(event: Event) -> str | None:
    """The one device that an event concerns at once, None if there is none."""
    match event:
        case FirmwareLocked(device_id=device_id, flash=True):
            return device_id
        case UpdatesForced(device_id=device_id) | UpdateRetryAsked(device_id=device_id):
            return device_id
        case _:
            return None


class NudgeModel:
    """What is sent for each page of events. It must not run ahead of the fleet model."""

    name = "nudges"
    schema = "follow"
    page_events_max = PAGE_EVENTS_MAX

    def __init__(self, link: Link, *, now: Callable[[], datetime] | None = None) -> None:
        self._link = link
        self._now = now or (lambda: datetime.now(UTC))
        self._event = RecordedMapper().event

    def begin(self) -> None:
        """Nothing is remembered from page to page."""

    def apply(self, cursor: Sql, page: Page) -> None:
        cursor.execute(TAKEN_IN, [*page, TAKE_IN], prepare=True)
        alone: dict[str, int] = dict(cursor.fetchall())
        handshakes: dict[str, tuple[int, DeviceHandshook]] = {}
        for row in read_rows(cursor, page, TOPICS):
            position, recorded_at = row[4], row[5]
            event = self._read(row)
            device_id = asks_again(event)
            if device_id is not None:
                alone[device_id] = max(position, alone.get(device_id, 0))
            elif isinstance(event, DeviceHandshook):
                handshakes[event.device_id] = (position, event)
            elif isinstance(event, BinaryFlashed):
                self._flash(event, recorded_at)
            elif isinstance(event, FirmwareReleased) and event.intelligent:
                self._release(cursor, event, position)
        if alone:
            cursor.execute(ONLINE, [list(alone), list(alone.values())])
            self._send(again(device_id, alone[device_id]) for (device_id,) in cursor.fetchall())
        if handshakes:
            self._send(starmap(again, outdated(cursor, handshakes)))

    def _read(self, row: Row) -> Event:
        try:
            return self._event(row[2], row[3])
        except Exception as error:
            raise CannotApply(row[4], f"{row[2]}: {error}") from error

    def _flash(self, event: BinaryFlashed, recorded_at: datetime) -> None:
        if self._now() - recorded_at > FLASH_AGE_MAX:
            return
        payload = encode(Flash(event.sha256, event.size_bytes))
        self._link.send([Message(down(event.device_id, "flash"), payload)])

    def _release(self, cursor: Sql, event: FirmwareReleased, position: int) -> None:
        """Every device online whose target the release is now, and that takes updates."""
        row = cursor.execute(RELEASES, [event.product_id]).fetchone()
        if row is None:
            return
        releases = Releases(default=row[0], groups=row[1])
        for cohort_id, *cohort in cursor.execute(COHORTS, [event.product_id]).fetchall():
            if target_of(cohort_of(cohort), releases).version == event.version:
                self._send(of_cohort(cursor, cohort_id, event.version, position))

    def _send(self, messages: Iterator[Message]) -> None:
        while batch := list(islice(messages, SENT_AT_ONCE)):
            self._link.send(batch)
            if len(batch) == SENT_AT_ONCE:
                time.sleep(SENT_AT_ONCE / SENT_PER_SECOND_MAX)


def again(device_id: str, position: int) -> Message:
    return Message(down(device_id, "again"), encode(Again(position)))


def cohort_of(values: Sequence[Any]) -> Cohort:
    product_id, standing, groups, locked_version, development = values
    return Cohort(product_id, Standing(standing), tuple(groups), locked_version, development)


def of_cohort(cursor: Sql, cohort_id: int, version: int, position: int) -> Iterator[Message]:
    last = ""
    while True:
        cursor.execute(OF_COHORT, [cohort_id, last, position, version, SENT_AT_ONCE], prepare=True)
        found = [device_id for (device_id,) in cursor.fetchall()]
        yield from (again(device_id, position) for device_id in found)
        if len(found) < SENT_AT_ONCE:
            return
        last = found[-1]
