"""Appending: what conflicts, what depends on what, and what a group of appends shares."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from eventsourcing.persistence import IntegrityError, StoredEvent
from psycopg import Cursor

from domain.log.fleet import Fleet
from domain.log.recorder import COPY_EVENTS_MIN, GroupCommitRecorder, Guard, MovedOn
from tests.log.rows import eventually, places, rows, stored, streams

# By arrays, in a group, and by COPY: the two ways in are held to the same promises.
SIZES = [1, COPY_EVENTS_MIN - 1, COPY_EVENTS_MIN, 3_000]
ABOUT_7000 = b'{"event":{"product_id":7000}}'
ABOUT_7001 = b'{"event":{"product_id":7001}}'


@contextmanager
def writers_held_up(database: str) -> Iterator[None]:
    """Nobody gets to append meanwhile."""
    with psycopg.connect(database) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(log.lock_key())")
        yield
        connection.rollback()


def append_as_one_group(
    database: str, recorder: GroupCommitRecorder, requests: Sequence[Sequence[StoredEvent]]
) -> list[Future[Any]]:
    """What came of the requests, all of them committed together."""
    with ThreadPoolExecutor(len(requests) + 1) as callers:
        with writers_held_up(database):
            first = callers.submit(recorder.insert_events, [stored("first", 1)])
            # The committer took the first request and waits for its turn; all others gather.
            eventually(lambda: waiting_for_the_log(database) == 1)
            gathered = []
            for number, request in enumerate(requests, start=1):
                gathered.append(callers.submit(recorder.insert_events, request))
                eventually(lambda number=number: recorder._waiting.qsize() == number)  # type: ignore[misc]
        first.result()
    return gathered


def waiting_for_the_log(database: str) -> int:
    with psycopg.connect(database) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        ).fetchone()
    assert row is not None
    count: int = row[0]
    return count


@pytest.mark.parametrize("size", SIZES)
def test_events_get_the_positions_that_are_answered_in_the_order_given(
    fleet: Fleet, size: int
) -> None:
    events = streams(size)
    before = fleet.recorder.insert_events([stored("before", 1)])
    positions = fleet.recorder.insert_events(events)

    assert before == [1]
    assert positions == list(range(2, size + 2))
    assert [(row[0], row[4]) for row in rows(fleet.recorder)[1:]] == [
        (event.originator_id, position)
        for event, position in zip(events, positions or (), strict=True)
    ]


@pytest.mark.parametrize("size", SIZES)
def test_what_is_appended_is_read_back_unchanged(fleet: Fleet, size: int) -> None:
    events = [
        StoredEvent(f"strëam-{number}", number + 1, "Tésted.1", bytes([number % 256]) * 50)
        for number in range(size)
    ]
    fleet.recorder.insert_events(events)

    notifications = fleet.recorder.select_notifications(1, size + 1)
    assert [
        StoredEvent(one.originator_id, one.originator_version, one.topic, one.state)
        for one in notifications
    ] == events


def test_no_events_are_no_positions(fleet: Fleet) -> None:
    assert fleet.recorder.insert_events([]) == []


@pytest.mark.parametrize("size", SIZES)
def test_an_append_to_a_stream_that_moved_on_stores_nothing(fleet: Fleet, size: int) -> None:
    fleet.recorder.insert_events([stored("device-1", 1)])

    with pytest.raises(IntegrityError):
        fleet.recorder.insert_events([*streams(size - 1), stored("device-1", 1)])
    assert places(fleet.recorder) == [("device-1", 1)]


@pytest.mark.parametrize("size", SIZES[1:])
def test_an_append_that_takes_one_place_twice_stores_nothing(fleet: Fleet, size: int) -> None:
    with pytest.raises(IntegrityError):
        fleet.recorder.insert_events([*streams(size - 1), stored("bulk-0", 1)])
    assert places(fleet.recorder) == []


def test_requests_of_one_group_get_positions_without_a_gap_in_their_order(
    database: str, fleet: Fleet
) -> None:
    requests = [[stored(f"device-{one}", 1), stored(f"device-{one}", 2)] for one in range(20)]
    results = append_as_one_group(database, fleet.recorder, requests)

    assert [result.result() for result in results] == [[2 + 2 * n, 3 + 2 * n] for n in range(20)]
    # Committed in one transaction, so known to have happened at once by its system column.
    with psycopg.connect(database) as connection:
        groups = connection.execute(
            "SELECT count(*) FROM log.fleet_events GROUP BY xmin ORDER BY 1"
        ).fetchall()
    assert groups == [(1,), (40,)]


def test_a_conflict_is_the_matter_of_its_own_request_alone(database: str, fleet: Fleet) -> None:
    fleet.recorder.insert_events([stored("device-2", 1)])
    requests = [
        [stored("device-1", 1)],
        [stored("device-9", 1), stored("device-2", 1)],  # moved on before
        [stored("device-3", 1), stored("device-3", 2)],
        [stored("device-4", 1), stored("device-4", 1)],  # against itself
        [stored("device-5", 1)],
    ]
    results = append_as_one_group(database, fleet.recorder, requests)

    assert [type(result.exception()) for result in results] == [
        type(None),
        IntegrityError,
        type(None),
        IntegrityError,
        type(None),
    ]
    assert [results[n].result() for n in (0, 2, 4)] == [[3], [4, 5], [6]]
    assert places(fleet.recorder)[2:] == [
        ("device-1", 1),
        ("device-3", 1),
        ("device-3", 2),
        ("device-5", 1),
    ]


def test_of_two_requests_of_a_group_for_the_same_place_the_first_has_it(
    database: str, fleet: Fleet
) -> None:
    requests = [
        [stored("device-1", 1, "First.1")],
        [stored("device-2", 1), stored("device-1", 1, "Second.1")],
        # Beaten requests take no places: this one meets nobody.
        [stored("device-2", 1, "Third.1")],
    ]
    results = append_as_one_group(database, fleet.recorder, requests)

    assert isinstance(results[1].exception(), IntegrityError)
    assert [(row[0], row[2]) for row in rows(fleet.recorder)[1:]] == [
        ("device-1", "First.1"),
        ("device-2", "Third.1"),
    ]


def test_a_failure_of_the_database_reaches_every_caller_of_the_group(
    database: str, fleet: Fleet
) -> None:
    requests = [[stored("device-1", 1)], [stored("device-2", -1)]]
    results = append_as_one_group(database, fleet.recorder, requests)

    for result in results:
        assert isinstance(result.exception(), IntegrityError)
        assert "originator_version_check" in str(result.exception())
    assert places(fleet.recorder) == [("first", 1)]


def test_appends_go_on_after_a_failure(fleet: Fleet) -> None:
    with pytest.raises(IntegrityError):
        fleet.recorder.insert_events([stored("device-1", 0)])
    assert fleet.recorder.insert_events([stored("device-1", 1)])


def watched(after: int, product_id: int = 7000) -> Guard:
    return Guard(after=after, topics=("FirmwareReleased.1",), product_id=product_id)


def test_a_guard_lets_pass_what_nothing_stands_in_the_way_of(fleet: Fleet) -> None:
    fleet.recorder.insert_events(
        [
            StoredEvent("firmware-7000-1", 1, "FirmwareReleased.1", ABOUT_7000),  # before
            StoredEvent("firmware-7000-1", 2, "FirmwareDescribed.1", ABOUT_7000),  # not watched
            StoredEvent("firmware-7001-1", 1, "FirmwareReleased.1", ABOUT_7001),  # another product
        ]
    )
    guarded = fleet.recorder.insert_events([stored("firmware-7000-2", 1)], guard=watched(1))
    assert guarded == [4]


def test_a_guard_stops_what_it_was_not_decided_on_and_names_it(fleet: Fleet) -> None:
    fleet.recorder.insert_events(
        [
            stored("firmware-7000-1", 1),
            StoredEvent("firmware-7000-1", 2, "FirmwareReleased.1", ABOUT_7000),
            StoredEvent("firmware-7000-1", 3, "FirmwareReleased.1", ABOUT_7000),
        ]
    )
    with pytest.raises(MovedOn) as moved:
        fleet.recorder.insert_events([stored("firmware-7000-2", 1)], guard=watched(1))
    assert moved.value.position == 2
    assert len(rows(fleet.recorder)) == 3


def test_a_guard_that_names_no_product_is_stopped_by_whatever_it_is_about(fleet: Fleet) -> None:
    nobodys = StoredEvent("user-1", 1, "UserSignedUp.1", b'{"event":{"user_id":"1"}}')
    fleet.recorder.insert_events([stored("user-0", 1), nobodys])
    guard = Guard(after=1, topics=("UserSignedUp.1",))

    with pytest.raises(MovedOn) as moved:
        fleet.recorder.insert_events([stored("user-2", 1)], guard=guard)
    assert moved.value.position == 2
    passed = fleet.recorder.insert_events([stored("user-2", 1)], guard=guard._replace(after=2))
    assert passed == [3]


def test_a_guarded_append_to_a_stream_that_moved_on_is_a_conflict(fleet: Fleet) -> None:
    fleet.recorder.insert_events([stored("firmware-7000-2", 1)])
    with pytest.raises(IntegrityError) as conflict:
        fleet.recorder.insert_events([stored("firmware-7000-2", 1)], guard=watched(1))
    assert not isinstance(conflict.value, MovedOn)


def test_a_guard_that_would_look_back_too_far_asks_to_look_again(fleet: Fleet) -> None:
    fleet.recorder.insert_events(streams(20_001))

    assert fleet.recorder.insert_events([stored("a", 1)], guard=watched(1)) == [20_002]
    with pytest.raises(MovedOn) as moved:
        fleet.recorder.insert_events([stored("b", 1)], guard=watched(1))
    assert moved.value.position == 1


@pytest.fixture
def tally(database: str) -> str:
    """A table that something else is written to along with events."""
    with psycopg.connect(database) as owner:
        owner.execute("CREATE TABLE public.tally (noted integer)")
        owner.execute("GRANT INSERT ON public.tally TO rollcall_app")
    return database


def noted(database: str) -> list[int]:
    with psycopg.connect(database) as connection:
        return [row[0] for row in connection.execute("SELECT noted FROM public.tally ORDER BY 1")]


def note(cursor: Cursor[tuple[Any, ...]]) -> None:
    cursor.execute("INSERT INTO public.tally VALUES (1)")


@pytest.mark.parametrize("size", [0, *SIZES])
def test_what_goes_alongside_commits_with_the_events(tally: str, fleet: Fleet, size: int) -> None:
    assert len(fleet.recorder.insert_events(streams(size), alongside=note) or ()) == size
    assert len(rows(fleet.recorder)) == size
    assert noted(tally) == [1]


def test_what_goes_alongside_is_rolled_back_with_the_events(tally: str, fleet: Fleet) -> None:
    fleet.recorder.insert_events([stored("device-1", 1)])
    with pytest.raises(IntegrityError):
        fleet.recorder.insert_events([stored("device-2", 1), stored("device-1", 1)], alongside=note)
    assert places(fleet.recorder) == [("device-1", 1)]
    assert noted(tally) == []


def test_events_are_rolled_back_with_what_goes_alongside(tally: str, fleet: Fleet) -> None:
    def fail(cursor: Cursor[tuple[Any, ...]]) -> None:
        note(cursor)
        raise ValueError

    with pytest.raises(ValueError):
        fleet.recorder.insert_events([stored("device-1", 1)], alongside=fail)
    assert places(fleet.recorder) == []
    assert noted(tally) == []


def test_pages_are_read_by_position_bounds_and_names(fleet: Fleet) -> None:
    fleet.recorder.insert_events([stored("a", n, f"Topic{n % 2}.1") for n in range(1, 11)])
    page = fleet.recorder.select_rows

    def positions(*args: Any, **more: Any) -> list[int]:
        return [row[4] for row in page(*args, **more)]

    assert positions(0, 3) == [1, 2, 3]
    assert positions(3, 3) == [4, 5, 6]
    assert positions(8, 100) == [9, 10]
    assert positions(10, 100) == []
    assert positions(2, 100, until=5) == [3, 4, 5]
    assert positions(2, 2, topics=["Topic0.1"]) == [4, 6]
    assert positions(0, 100, topics=["Topic2.1"]) == []


def test_closing_commits_everything_that_waits(database: str) -> None:
    fleet = Fleet(database)
    append = fleet.recorder.insert_events
    with ThreadPoolExecutor(9) as callers:
        with writers_held_up(database):
            waiting = [callers.submit(append, [stored("first", 1)])]
            eventually(lambda: waiting_for_the_log(database) == 1)
            waiting += [callers.submit(append, [stored(f"device-{n}", 1)]) for n in range(7)]
            eventually(lambda: fleet.recorder._waiting.qsize() == 7)
            closing = callers.submit(fleet.close)
            eventually(lambda: fleet.recorder._waiting.qsize() == 8)
        closing.result()
        # Nobody is left to commit now: whoever were forgotten would wait for ever.
        positions = [position for one in waiting for position in one.result(timeout=10) or ()]
    assert sorted(positions) == [*range(1, 9)]
