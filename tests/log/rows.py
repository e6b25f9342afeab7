"""Short ways to write and read rows of the log."""

from collections.abc import Callable
from time import monotonic, sleep
from typing import Any

import psycopg
from eventsourcing.persistence import StoredEvent

from domain.log.fleet import as_app_role
from domain.log.recorder import GroupCommitRecorder, Row

POLL_S = 0.01
WAIT_S = 20.0
EVERYTHING = 1_000_000


def stored(stream: str, stream_version: int, topic: str = "Tested.1") -> StoredEvent:
    return StoredEvent(stream, stream_version, topic, b'{"event":{}}')


def streams(count: int, name: str = "bulk") -> list[StoredEvent]:
    """The first event of many streams."""
    return [stored(f"{name}-{number}", 1) for number in range(count)]


def rows(recorder: GroupCommitRecorder) -> list[Row]:
    page: list[Row] = recorder.select_rows(0, EVERYTHING)
    return page


def places(recorder: GroupCommitRecorder) -> list[tuple[str, int]]:
    """Stream and stream version of every event, in position order."""
    return [(row[0], row[1]) for row in rows(recorder)]


def as_app(database: str, **more: Any) -> psycopg.Connection:
    """A connection under which the application's processes work."""
    return psycopg.connect(database, options=as_app_role(None), **more)


def eventually(what: Callable[[], bool]) -> None:
    """Wait until it is so. Raises AssertionError if it does not come true."""
    end = monotonic() + WAIT_S
    while not what():
        assert monotonic() < end, "it did not come true"
        sleep(POLL_S)
