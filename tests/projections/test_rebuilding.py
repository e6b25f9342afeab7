"""Rebuilding: beside the live model, compared with it, and swapped in without a read error."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from threading import Event, Thread
from typing import Any

import psycopg
import pytest

from domain.device_commands import ImportDevice, NameDevice
from projections.fleet.model import SHARES, FleetModel, Part, Shared
from projections.following import Follower
from projections.history import HistoryModel
from projections.rebuilding import building
from projections.rebuilding.rebuild import Busy, Differs, rebuild, rebuild_key
from projections.running import Runner, follower_conninfo
from projections.snapshots import snapshot
from tests.projections.following import connected, follow, query, rows_of
from tests.projections.patience import eventually
from tests.projections.world import DEVICES, World, device_id, live_on, world

SHAPE = """
    SELECT indexdef FROM pg_indexes WHERE schemaname = %s
    UNION ALL
    SELECT concat_ws(' ', table_name, column_name, data_type, is_nullable, column_default)
    FROM information_schema.columns WHERE table_schema = %s
    UNION ALL
    SELECT concat_ws(' ', relname, conname, pg_get_constraintdef(pg_constraint.oid))
    FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid
    WHERE relnamespace = %s::regnamespace
    UNION ALL
    SELECT concat_ws(' ', relname, pg_get_userbyid(relowner), relacl, reloptions)
    FROM pg_class WHERE relnamespace = %s::regnamespace
    UNION ALL
    SELECT concat_ws(' ', nspname, pg_get_userbyid(nspowner), nspacl)
    FROM pg_namespace WHERE nspname = %s
    ORDER BY 1
"""
# What readers do: prepared, and over several tables at once.
READS = (
    "SELECT count(*) FROM fleet.device",
    "SELECT name FROM fleet.device WHERE device_id = ANY(ARRAY['x', 'y'])",
    "SELECT sum(devices) FROM fleet.tally JOIN fleet.cohort USING (product_id, cohort_id)",
    "SELECT count(*) FROM fleet.device LEFT JOIN fleet.cohort USING (product_id, cohort_id)"
    " LEFT JOIN fleet.product USING (product_id) LEFT JOIN fleet.tracking ON true",
)


def shape(conninfo: str, schema: str) -> list[tuple[Any, ...]]:
    return query(conninfo, SHAPE, *[schema] * 5)


@pytest.fixture
def lived(database: str, fleet_world: World) -> str:
    live_on(fleet_world, Random(6), 120)
    follow(database, FleetModel(), HistoryModel())
    return database


@pytest.mark.parametrize("model", ["fleet", "history"])
def test_the_rebuilt_tables_have_the_shape_owner_and_grants_of_the_live_ones(
    lived: str, model: str
) -> None:
    with psycopg.connect(lived) as connection:
        connection.execute(f"GRANT USAGE ON SCHEMA {model} TO PUBLIC".encode())
        connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {model} TO PUBLIC".encode())
    before = shape(lived, model)
    table = {"fleet": "fleet.device", "history": "history.entry"}[model]
    oid = query(lived, f"SELECT '{table}'::regclass::oid")

    rebuild(lived, model, accept=False, say=print)

    assert shape(lived, model) == before
    assert query(lived, f"SELECT '{table}'::regclass::oid") != oid
    leftovers = "SELECT nspname FROM pg_namespace WHERE nspname ~ '_re(built|placed)$'"
    assert query(lived, leftovers) == []


def test_both_hashes_are_told(lived: str) -> None:
    said: list[str] = []

    rebuild(lived, "fleet", accept=False, say=said.append)

    place = next(number for number, line in enumerate(said) if line.startswith("  device "))
    live, rebuilt = said[place].split("live"), said[place + 1].split("rebuilt")
    assert f"{live[1].strip()}  the same" == rebuilt[1].strip()
    assert said[-1].startswith("fleet: swapped at position")


def test_a_difference_is_shown_and_the_live_model_stays(lived: str) -> None:
    tamper = "UPDATE fleet.device SET notes = 'tampered' WHERE device_id = %s RETURNING 1"
    assert query(lived, tamper, DEVICES[0]) == [(1,)]
    said: list[str] = []

    with pytest.raises(Differs):
        rebuild(lived, "fleet", accept=False, say=said.append)

    assert [line.endswith("DIFFERENT") for line in said if "rebuilt " in line].count(True) == 1
    assert any(line.startswith("  only in fleet.device: ") and "tampered" in line for line in said)
    assert any(line.startswith("  only in fleet_rebuilt.device: ") for line in said)
    assert query(lived, "SELECT count(*) FROM fleet.device WHERE notes = 'tampered'") == [(1,)]


def test_whoever_accepts_a_difference_gets_the_rebuilt_model(lived: str) -> None:
    right = rows_of(lived, "fleet.device")
    query(lived, "DELETE FROM fleet.device WHERE device_id = %s RETURNING 1", DEVICES[0])

    rebuild(lived, "fleet", accept=True, say=print)

    assert rows_of(lived, "fleet.device") == right


def test_a_model_is_rebuilt_by_one_at_a_time(lived: str) -> None:
    with psycopg.connect(lived) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [rebuild_key("fleet")])

        with pytest.raises(Busy):
            rebuild(lived, "fleet", accept=False, say=print)


def test_a_model_is_built_in_parts_by_several_processes(
    lived: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("projections.rebuilding.building.START_EVENTS", 10)
    monkeypatch.setattr("projections.rebuilding.building.PARTS_MAX", 3)
    monkeypatch.setattr("os.cpu_count", lambda: 3)
    parts: list[Part] = []
    build_part = building.build_part

    def noted(conninfo: str, schema: str, until: int, part: Part) -> Shared:
        parts.append(part)
        return build_part(conninfo, schema, until, part)

    monkeypatch.setattr(building, "in_this_process", noted)

    rebuild(lived, "fleet", accept=False, say=print)

    (ours,) = parts
    assert ours.first == 0
    assert SHARES // 3 <= ours.end < SHARES


@pytest.mark.parametrize("processors", [1, 2, 3, 4, 64])
@pytest.mark.parametrize("until", [0, 1, 199_999, 200_000, 1_000_000, 10**12])
def test_parts_leave_nothing_out_and_share_nothing(
    processors: int, until: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: processors)

    parts = building.parts_of(until)

    assert [share for part in parts for share in range(*part)] == list(range(SHARES))
    assert len(parts) <= processors
    assert all(part.first < part.end for part in parts)


def test_a_swap_waits_for_whoever_reads_several_tables_as_of_one_moment(lived: str) -> None:
    waits = (
        "SELECT 1 FROM pg_stat_activity WHERE state = 'idle' AND pid <> pg_backend_pid()"
        " AND query LIKE 'SELECT pg_try_advisory_lock%%' AND application_name = ''"
    )
    work = Thread(target=rebuild, args=(lived, "fleet"), kwargs={"accept": False, "say": print})
    with connected(lived, "reader") as connection:
        with snapshot(connection, "fleet"):
            before = connection.execute("SELECT count(*) FROM fleet.tally").fetchone()
            work.start()
            eventually(lambda: query(lived, waits) or not work.is_alive())

            assert connection.execute("SELECT count(*) FROM fleet.tally").fetchone() == before
            assert before != (0,)
            assert work.is_alive()
        work.join(20)
        assert not work.is_alive()


def test_what_a_killed_rebuild_left_is_in_nobodys_way(lived: str) -> None:
    for leftover in ("fleet_rebuilt", "fleet_replaced"):
        with psycopg.connect(lived) as connection:
            connection.execute(f"CREATE SCHEMA {leftover}".encode())
            connection.execute(f"CREATE TABLE {leftover}.device (x int)".encode())

    rebuild(lived, "fleet", accept=False, say=print)

    follow(lived, FleetModel())


def test_a_model_that_has_stopped_is_rebuilt_up_to_where_it_stands(
    database: str, fleet_world: World
) -> None:
    fleet_world.member()
    follow(database, FleetModel())
    fleet_world.member(DEVICES[1])

    rebuild(database, "fleet", accept=False, say=print)

    assert query(database, "SELECT notification_id FROM fleet.tracking") == [(1,)]
    assert query(database, "SELECT count(*) FROM fleet.device") == [(1,)]


def test_a_follower_that_remembers_rows_of_the_old_tables_forgets_them(
    database: str, fleet_world: World
) -> None:
    """It goes on with what the rebuilt model says, though its own position is the same."""
    fleet_world.member()
    follower = Follower(FleetModel())
    with connected(database) as connection:
        query(database, "SELECT 1")
        follower.begin(connection)
        while follower.step(connection):
            pass
        query(database, "UPDATE fleet.device SET name = 'tampered' RETURNING 1")
        follower.begin(connection)  # remembers nothing yet
        fleet_world.hello(DEVICES[0], 1)
        while follower.step(connection):
            pass
        assert query(database, "SELECT name FROM fleet.device") == [("tampered",)]
        rebuild(database, "fleet", accept=True, say=print)
        fleet_world.hello(DEVICES[0], 2)

        while follower.step(connection):
            pass

    assert query(database, "SELECT name, running FROM fleet.device") == [("", 2)]
    rebuild(database, "fleet", accept=False, say=print)


@contextmanager
def repeatedly(work: Any) -> Iterator[list[BaseException]]:
    """In a thread of its own, until the end; gives what went wrong."""
    over, wrong = Event(), []

    def run() -> None:
        try:
            work(over)
        except BaseException as error:
            wrong.append(error)

    thread = Thread(target=run)
    thread.start()
    try:
        yield wrong
    finally:
        over.set()
        thread.join(20)
        assert not thread.is_alive()


def test_a_rebuild_under_writes_and_reads_is_noticed_by_nobody(
    database: str, fleet_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("projections.rebuilding.building.PAGE_EVENTS", 50)
    monkeypatch.setattr("projections.rebuilding.building.ROWS_HELD_MAX", 20)
    for number in range(1, 300):
        fleet_world.do(ImportDevice(device_id=device_id(number), product_id=7000))
    reads, writes = [0], [0]

    def read(over: Event) -> None:
        with psycopg.connect(follower_conninfo(database, "reader"), autocommit=True) as connection:
            connection.prepare_threshold = 0
            while not over.is_set():
                for sql in READS:
                    connection.execute(sql).fetchall()
                with snapshot(connection, "fleet"):
                    tallied = connection.execute("SELECT sum(devices) FROM fleet.tally").fetchone()
                    assert tallied == connection.execute(READS[0]).fetchone()
                reads[0] += 1

    def write(over: Event) -> None:
        with world(database) as writer:
            while not over.is_set():
                writes[0] += 1
                one = device_id(1 + writes[0] % 299)
                writer.do(NameDevice(device_id=one, product_id=7000, name=f"n{writes[0]}"))

    runner = Runner(Follower(FleetModel()), database, died=lambda: None)
    runner.start()
    try:
        eventually(lambda: query(database, "SELECT count(*) FROM fleet.device") == [(299,)])
        with repeatedly(write) as write_trouble, repeatedly(read) as a, repeatedly(read) as b:
            eventually(lambda: writes[0] > 20 and reads[0] > 5)
            for _ in range(4):
                rebuild(database, "fleet", accept=False, say=print)
            before = reads[0]
            eventually(lambda: reads[0] > before + 5)
        assert (write_trouble, a, b) == ([], [], [])
        head = fleet_world.position()
        eventually(
            lambda: query(database, "SELECT notification_id FROM fleet.tracking") == [(head,)]
        )
    finally:
        runner.stop()
        assert runner.join(10)
    names = "SELECT count(*) FROM fleet.device WHERE name <> ''"
    assert query(database, names) == [(min(299, writes[0]),)]
    rebuild(database, "fleet", accept=False, say=print)


def test_the_command_says_what_it_did(lived: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "rollcall.cli", "rebuild", "history"],
        env={"DATABASE_URL": lived, "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    assert "history: swapped at position" in done.stdout
