"""The table itself: what nobody may do to it, the order it promises, its view and functions."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString

import psycopg
import pytest
from eventsourcing.persistence import StoredEvent
from psycopg.errors import InsufficientPrivilege

from domain.log.fleet import Fleet
from tests.log.rows import as_app, eventually, places, rows, stored, streams

INSERT: LiteralString = (
    "INSERT INTO log.fleet_events (originator_id, originator_version, topic, state)"
    " VALUES (%s, %s, 'Tested.1', '{}')"
)
WAITERS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock' AND wait_event = 'advisory'
"""
CHANGES: list[LiteralString] = [
    "UPDATE log.fleet_events SET topic = 'Forged.1'",
    "DELETE FROM log.fleet_events",
    "TRUNCATE log.fleet_events",
]
CHOICES: list[LiteralString] = [
    "INSERT INTO log.fleet_events (originator_id, originator_version, topic, state,"
    " notification_id) OVERRIDING SYSTEM VALUE VALUES ('a', 1, 't', '', 99)",
    "INSERT INTO log.fleet_events (originator_id, originator_version, topic, state,"
    " recorded_at) VALUES ('a', 1, 't', '', '2000-01-01')",
    "ALTER TABLE log.fleet_events DISABLE TRIGGER ALL",
    "ALTER TABLE log.fleet_events ALTER notification_id RESTART WITH 1",
    "DROP TABLE log.fleet_events CASCADE",
    "DROP TRIGGER one_writer_at_a_time ON log.fleet_events",
    "SELECT setval('log.fleet_events_notification_id_seq', 1)",
    "CREATE OR REPLACE FUNCTION log.take_turn() RETURNS trigger LANGUAGE plpgsql"
    " AS 'BEGIN RETURN NULL; END'",
    "BEGIN; LOCK TABLE log.fleet_events IN ACCESS EXCLUSIVE MODE",
    "SET session_replication_role = replica",
]


@pytest.fixture
def app(database: str) -> Iterator[psycopg.Connection]:
    with as_app(database, autocommit=True) as connection:
        yield connection


def one(connection: psycopg.Connection, query: LiteralString, *params: Any) -> Any:
    row = connection.execute(query, params).fetchone()
    assert row is not None
    return row[0]


@pytest.mark.parametrize("change", CHANGES)
def test_the_application_changes_no_event(
    fleet: Fleet, app: psycopg.Connection, change: LiteralString
) -> None:
    fleet.recorder.insert_events([stored("device-1", 1)])
    with pytest.raises(InsufficientPrivilege):
        app.execute(change)
    assert places(fleet.recorder) == [("device-1", 1)]


@pytest.mark.parametrize("change", CHANGES)
def test_the_owner_changes_no_event_either(
    fleet: Fleet, database: str, change: LiteralString
) -> None:
    fleet.recorder.insert_events([stored("device-1", 1)])
    with (
        psycopg.connect(database, autocommit=True) as owner,
        pytest.raises(InsufficientPrivilege, match="events are immutable"),
    ):
        owner.execute(change)
    assert places(fleet.recorder) == [("device-1", 1)]


@pytest.mark.parametrize("choice", CHOICES)
def test_the_application_chooses_neither_position_nor_time_nor_rules(
    app: psycopg.Connection, choice: LiteralString
) -> None:
    with pytest.raises(InsufficientPrivilege):
        app.execute(choice)


def test_our_own_connections_have_no_other_rights_than_the_application(fleet: Fleet) -> None:
    with fleet.recorder.datastore.get_connection() as connection:
        row: Any = connection.execute("SELECT current_user").fetchone()
    assert row["current_user"] == "rollcall_app"


def test_a_stream_starts_at_one(fleet: Fleet, app: psycopg.Connection) -> None:
    for stream_version in (0, -1):
        with pytest.raises(psycopg.errors.CheckViolation):
            app.execute(INSERT, ["device-1", stream_version])
    assert rows(fleet.recorder) == []


def test_a_reader_never_skips_an_event_that_commits_late(fleet: Fleet, database: str) -> None:
    with as_app(database) as early, as_app(database) as late, ThreadPoolExecutor(1) as thread:
        early.execute(INSERT, ["early", 1])
        waiting = thread.submit(late.execute, INSERT, ["late", 1])
        with psycopg.connect(database, autocommit=True) as watch:
            eventually(lambda: one(watch, WAITERS) == 1)
        # The early one is not committed, so the late one has no position to be read at yet.
        assert rows(fleet.recorder) == []
        early.commit()
        waiting.result()
        assert [row[0] for row in rows(fleet.recorder)] == ["early"]
        late.commit()
    assert [(row[0], row[4]) for row in rows(fleet.recorder)] == [("early", 1), ("late", 2)]


def test_a_writer_that_gives_up_leaves_a_gap_and_holds_up_nobody(
    fleet: Fleet, database: str
) -> None:
    with as_app(database) as early, ThreadPoolExecutor(1) as thread:
        early.execute(INSERT, ["early", 1])
        waiting = thread.submit(fleet.recorder.insert_events, [stored("late", 1)])
        with psycopg.connect(database, autocommit=True) as watch:
            eventually(lambda: one(watch, WAITERS) == 1)
        early.rollback()
        assert waiting.result() == [2]
    assert [(row[0], row[4]) for row in rows(fleet.recorder)] == [("late", 2)]


@pytest.mark.parametrize("size", [1, 1_000])
def test_every_commit_that_appended_rings_the_bell_once(
    fleet: Fleet, app: psycopg.Connection, size: int
) -> None:
    app.execute("LISTEN fleet_events")
    fleet.recorder.insert_events(streams(size))
    rung = list(app.notifies(timeout=20, stop_after=1)) + list(app.notifies(timeout=0))

    assert [(bell.channel, bell.payload) for bell in rung] == [("fleet_events", "")]


def test_the_position_at_an_instant_is_the_last_one_recorded_until_then(
    fleet: Fleet, database: str
) -> None:
    for number in range(1, 30):
        fleet.recorder.insert_events([stored("device-1", number)])
        if number % 5 == 0:
            with as_app(database) as gap:
                gap.execute(INSERT, ["given up", 1])
                gap.rollback()
    recorded = [(row[4], row[5]) for row in rows(fleet.recorder)]
    with psycopg.connect(database) as connection:

        def position_at(instant: datetime) -> int:
            found: int = one(connection, "SELECT log.position_at(%s)", instant)
            return found

        assert [position for position, _ in recorded] != list(range(1, 30))  # there are gaps
        for position, instant in recorded:
            assert position_at(instant) == position
        for (_, instant), (position, _) in zip(recorded[1:], recorded, strict=False):
            assert position_at(instant - timedelta(microseconds=1)) == position
        assert position_at(recorded[0][1] - timedelta(days=1)) == 0
        assert position_at(recorded[-1][1] + timedelta(days=1)) == recorded[-1][0]


def test_an_empty_log_has_no_position_at_any_instant(database: str) -> None:
    with psycopg.connect(database) as connection:
        assert one(connection, "SELECT log.position_at(%s)", datetime.now(UTC)) == 0


def test_positions_and_times_rise_together(fleet: Fleet) -> None:
    with ThreadPoolExecutor(8) as callers:
        for number in range(200):
            callers.submit(fleet.recorder.insert_events, [stored(f"device-{number}", 1)])
    times = [row[5] for row in rows(fleet.recorder)]
    assert len(times) == 200
    assert times == sorted(times)


def test_people_read_the_log_in_their_own_words(fleet: Fleet, app: psycopg.Connection) -> None:
    state = b'{"event":{"product_id":7000},"actor":"ada","origin":"api","request":"r1","cause":4}'
    fleet.recorder.insert_events([StoredEvent("product-7000", 1, "ProductRetired.1", state)])
    row = app.execute(
        'SELECT "position", stream, stream_version, name, event, actor, origin, request, cause,'
        " recorded_at FROM log.entry"
    ).fetchone()

    assert row is not None
    assert row[:9] == (
        1,
        "product-7000",
        1,
        "ProductRetired.1",
        {"product_id": 7000},
        "ada",
        "api",
        "r1",
        4,
    )
    assert datetime.now(UTC) - row[9] < timedelta(minutes=5)
