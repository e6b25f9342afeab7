"""Following the log: nothing skipped, nothing twice; trouble stops only whom it concerns."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import psycopg
import pytest
from psycopg import Cursor

from domain.device_commands import ImportDevice
from projections.fleet.model import FleetModel
from projections.following import PAGE_EVENTS_MAX, Follower, Model, Page, read_rows
from projections.history import HistoryModel
from projections.running import Runner
from projections.tracking import Tracking
from projections.trouble import CannotApply, Overtaken, Stopped
from tests.projections.following import connected, follow, query, run
from tests.projections.patience import eventually
from tests.projections.world import World, device_id

APPEND = "INSERT INTO log.fleet_events (originator_id, originator_version, topic, state) VALUES"
NONSENSE = f"{APPEND} ('device-x', 1, 'DeviceImported.1', '{{\"event\": {{\"device_id\": 7}}}}')"


class Positions:
    """A model that notes every position it is given, in table `public.seen`."""

    name = "positions"
    schema = "follow"

    def __init__(
        self, page_events_max: int = PAGE_EVENTS_MAX, *, poison: int | None = None
    ) -> None:
        self.page_events_max = page_events_max
        self.poison = poison

    def begin(self) -> None:
        pass

    def apply(self, cursor: Cursor[tuple[Any, ...]], page: Page) -> None:
        for row in read_rows(cursor, page):
            if row[4] == self.poison:
                raise CannotApply(row[4], "it tastes bad")
            cursor.execute("INSERT INTO seen VALUES (%s)", [row[4]])


@pytest.fixture
def seen(database: str) -> str:
    """A database in which Positions can note what it sees; twice the same would be an error."""
    with psycopg.connect(database) as connection:
        connection.execute("CREATE TABLE seen (position bigint PRIMARY KEY)")
        connection.execute("GRANT ALL ON seen TO rollcall_app")
    return database


def positions(conninfo: str) -> list[int]:
    return [position for (position,) in query(conninfo, "SELECT position FROM seen ORDER BY 1")]


def fill(world: World, devices: int, since: int = 1) -> None:
    for number in range(since, since + devices):
        world.do(ImportDevice(device_id=device_id(number), product_id=7000))


@contextmanager
def running(conninfo: str, *models: Model) -> Iterator[list[Runner]]:
    died: list[None] = []
    runners = [
        Runner(Follower(model), conninfo, died=lambda: died.append(None)) for model in models
    ]
    for runner in runners:
        runner.start()
    try:
        yield runners
    finally:
        for runner in runners:
            runner.stop()
        assert all(runner.join(10) for runner in runners)
        assert not died


def test_every_event_is_applied_once_whatever_the_page(seen: str, fleet_world: World) -> None:
    fill(fleet_world, 25)

    for size in (1, 3, 10, PAGE_EVENTS_MAX):
        follow(seen, Positions(size))
        fill(fleet_world, 4, since=1000 * size)

    follow(seen, Positions())
    assert positions(seen) == [
        p for (p,) in query(seen, "SELECT position FROM log.entry ORDER BY 1")
    ]
    assert len(positions(seen)) == 25 + 4 * 4


def test_an_event_whose_transaction_committed_late_is_not_skipped(
    seen: str, fleet_world: World
) -> None:
    """The writer that came first commits last; the one that came second waits for it."""
    append = f"{APPEND} (%s, 1, 'DeviceImported.1', '{{}}')"
    with running(seen, Positions()) as [runner], psycopg.connect(seen) as first:
        eventually(runner.ready.is_set)
        first.execute(append.encode(), ["device-late"])
        second = Thread(target=query, args=(seen, append + " RETURNING 1", "device-next"))
        second.start()
        eventually(lambda: query(seen, "SELECT 1 FROM pg_locks WHERE NOT granted"))
        assert positions(seen) == []

        first.commit()

        second.join()
        eventually(lambda: len(positions(seen)) == 2)
        assert query(seen, "SELECT stream FROM log.entry ORDER BY position") == [
            ("device-late",),
            ("device-next",),
        ]


def test_a_position_that_was_drawn_and_rolled_back_leaves_a_gap_that_is_passed(
    seen: str, fleet_world: World
) -> None:
    with psycopg.connect(seen) as connection:
        connection.execute(f"{APPEND} ('device-never', 1, 'DeviceImported.1', '{{}}')".encode())
        connection.rollback()
    fill(fleet_world, 2)

    follow(seen, Positions(1))

    assert positions(seen) == [2, 3]


def test_a_model_stops_at_an_event_it_cannot_apply_and_has_applied_all_before(
    seen: str, fleet_world: World
) -> None:
    fill(fleet_world, 20)

    with pytest.raises(Stopped) as stopped:
        follow(seen, Positions(poison=13))

    assert stopped.value.position == 13
    assert "it tastes bad" in stopped.value.reason
    assert positions(seen) == list(range(1, 13))
    follow(seen, Positions())  # started again, with the trouble mended
    assert positions(seen) == list(range(1, 21))


def test_what_stopped_is_named_in_the_status_and_the_others_go_on(
    seen: str, fleet_world: World
) -> None:
    fill(fleet_world, 5)
    with running(seen, Positions(poison=3), HistoryModel()) as runners:
        eventually(lambda: all(runner.ready.is_set() for runner in runners))
        status = eventually(
            lambda: query(seen, "SELECT * FROM follow.status WHERE state = 'stopped'")
        )
        fill(fleet_world, 5, since=100)
        eventually(lambda: query(seen, "SELECT count(*) FROM history.entry") == [(10,)])

    follower, state, position, reason, _ = status[0]
    assert (follower, state, position) == ("positions", "stopped", 3)
    assert "it tastes bad" in reason
    with running(seen, Positions()):
        eventually(lambda: len(positions(seen)) == 10)
    assert query(seen, "SELECT state, reason FROM follow.status WHERE follower = 'positions'") == [
        ("following", "")
    ]


def test_the_fleet_model_stops_at_content_that_is_not_what_its_name_promises(
    database: str, fleet_world: World
) -> None:
    fill(fleet_world, 3)
    with psycopg.connect(database) as connection:
        connection.execute(NONSENSE.encode())
    fill(fleet_world, 1, since=50)

    with pytest.raises(Stopped) as stopped:
        follow(database, FleetModel())

    assert stopped.value.position == 4
    assert "DeviceImported.1" in stopped.value.reason
    assert query(database, "SELECT count(*) FROM fleet.device") == [(3,)]


def test_the_fleet_model_stops_at_a_name_it_does_not_know(
    database: str, fleet_world: World
) -> None:
    with psycopg.connect(database) as connection:
        connection.execute(f"{APPEND} ('device-x', 1, 'FromTheFuture.1', '{{}}')".encode())

    with pytest.raises(Stopped, match=r"FromTheFuture\.1"):
        follow(database, FleetModel())


def test_of_two_processes_only_one_works_and_the_other_takes_over(
    seen: str, fleet_world: World
) -> None:
    with running(seen, Positions()) as [first]:
        eventually(lambda: query(seen, "SELECT 1 FROM follow.status WHERE state = 'following'"))
        with running(seen, Positions()) as [second]:
            eventually(second.ready.is_set)
            holders = """
                SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database
                WHERE locktype = 'advisory' AND granted AND datname = current_database()
            """
            fill(fleet_world, 10)
            eventually(lambda: len(positions(seen)) == 10)
            assert query(seen, holders) == [(1,)]
            first.stop()
            assert first.join(10)
            fill(fleet_world, 10, since=100)
            eventually(lambda: len(positions(seen)) == 20)


def test_a_follower_whose_connection_is_cut_comes_back(seen: str, fleet_world: World) -> None:
    with running(seen, Positions()) as [runner]:
        eventually(runner.ready.is_set)
        for turn in range(3):
            fill(fleet_world, 5, since=1 + 100 * turn)
            query(
                seen,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'rollcall positions'",
            )
            fill(fleet_world, 5, since=50 + 100 * turn)
            eventually(lambda turn=turn: len(positions(seen)) == 10 * (turn + 1))


def test_killed_in_the_middle_of_a_page_it_applies_each_event_once(
    seen: str, fleet_world: World
) -> None:
    fill(fleet_world, 60)
    for _ in range(6):
        # It says when it is in the middle of a transaction, and there it is killed.
        child = subprocess.Popen(
            [sys.executable, "-c", KILLED, seen], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        with child.stdout:
            assert child.stdout.readline() == "in the middle\n"
            child.kill()
            child.wait()

    assert 0 < len(positions(seen)) < 60
    follow(seen, Positions())

    assert positions(seen) == list(range(1, 61))


KILLED = """
import sys, time
from tests.projections.following import connected
from tests.projections.test_following import Positions
from projections.following import Follower

class Slow(Positions):
    pages = 0
    def apply(self, cursor, page):
        super().apply(cursor, page)
        self.pages += 1
        if self.pages == 2:
            print("in the middle", flush=True)
            time.sleep(60)

follower = Follower(Slow(7))
with connected(sys.argv[1]) as connection:
    follower.begin(connection)
    while follower.step(connection):
        pass
"""


def test_a_position_moves_forward_only(database: str) -> None:
    with connected(database) as connection, connection.cursor(binary=True) as cursor:
        tracking = Tracking("follow", "somebody")
        assert tracking.position(cursor) == 0
        tracking.move(cursor, 5)

        with pytest.raises(Overtaken):
            tracking.move(cursor, 5)

        assert tracking.position(cursor) == 5


def test_whoever_waits_is_told_how_far_a_model_has_come(database: str, fleet_world: World) -> None:
    with psycopg.connect(database, autocommit=True) as listener:
        listener.execute("LISTEN followed")
        fill(fleet_world, 2)
        follow(database, FleetModel(), HistoryModel())

        said = [notify.payload for notify in listener.notifies(timeout=5, stop_after=2)]

    assert said == ["fleet 2", "history 2"]


def test_a_follower_behind_another_never_overtakes_it(seen: str, fleet_world: World) -> None:
    fill(fleet_world, 6)
    follow(seen, HistoryModel())
    fill(fleet_world, 3, since=100)
    behind = Follower(Positions(4), behind=Tracking("history", "history"))

    run(seen, behind)

    assert positions(seen) == [1, 2, 3, 4, 5, 6]
