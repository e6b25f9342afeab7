"""The database's shape: files applied once, in order; the log's table as the library makes it."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from eventsourcing.application import Application
from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder
from psycopg.conninfo import conninfo_to_dict

from domain.log.fleet import Fleet
from migrations import FOLDER, MigrationChanged, migrate

COLUMNS = """
    SELECT column_name, data_type FROM information_schema.columns
    WHERE table_schema = %s AND table_name = %s ORDER BY column_name
"""
KEYS = """
    SELECT array_agg(a.attname ORDER BY k.place) FROM pg_index i
    CROSS JOIN unnest(i.indkey) WITH ORDINALITY AS k (number, place)
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
    WHERE i.indrelid = %s::regclass AND i.indisunique
    GROUP BY i.indexrelid ORDER BY 1
"""


def library_environment(conninfo: str, **more: str) -> dict[str, str]:
    words = conninfo_to_dict(conninfo)
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": str(words["dbname"]),
        "POSTGRES_HOST": str(words["host"]),
        "POSTGRES_PORT": str(words.get("port", 5432)),
        "POSTGRES_USER": str(words["user"]),
        "POSTGRES_PASSWORD": str(words.get("password", "")),
        "ORIGINATOR_ID_TYPE": "text",
        **more,
    }


class LibrarysOwn(Application[str]):
    """Uses nothing of ours: the library's recorder, on a table that the library names."""

    name = "fleet"


def query(conninfo: str, sql: str, *params: Any) -> list[Any]:
    with psycopg.connect(conninfo) as connection:
        return connection.execute(sql.encode(), params).fetchall()


def test_every_file_is_applied_once_in_order(empty_database: str) -> None:
    names = sorted(path.stem for path in FOLDER.glob("*.sql"))

    assert migrate(empty_database) == names
    assert migrate(empty_database) == []
    applied = query(empty_database, "SELECT name FROM public.migration ORDER BY applied_at, name")
    assert [name for (name,) in applied] == names


def test_files_are_numbered_without_a_gap() -> None:
    numbers = [int(path.stem[:4]) for path in sorted(FOLDER.glob("*.sql"))]
    assert numbers == list(range(1, len(numbers) + 1))


def test_a_new_file_is_applied_to_a_database_that_has_the_old_ones(
    empty_database: str, tmp_path: Path
) -> None:
    (tmp_path / "0001_first.sql").write_text("CREATE TABLE one (a integer);")
    assert migrate(empty_database, tmp_path) == ["0001_first"]
    (tmp_path / "0002_second.sql").write_text("ALTER TABLE one ADD b integer;")
    assert migrate(empty_database, tmp_path) == ["0002_second"]


def test_a_file_that_was_edited_after_it_was_applied_is_refused(
    empty_database: str, tmp_path: Path
) -> None:
    (tmp_path / "0001_first.sql").write_text("CREATE TABLE one (a integer);")
    migrate(empty_database, tmp_path)
    (tmp_path / "0001_first.sql").write_text("CREATE TABLE one (a bigint);")
    (tmp_path / "0000_new.sql").write_text("CREATE TABLE two (a integer);")

    with pytest.raises(MigrationChanged, match=r"0001_first\.sql"):
        migrate(empty_database, tmp_path)
    assert query(empty_database, "SELECT to_regclass('two')") == [(None,)]


def test_files_are_applied_all_or_none(empty_database: str, tmp_path: Path) -> None:
    (tmp_path / "0001_first.sql").write_text("CREATE TABLE one (a integer);")
    (tmp_path / "0002_broken.sql").write_text("CREATE TABLE one (a integer);")

    with pytest.raises(psycopg.errors.DuplicateTable):
        migrate(empty_database, tmp_path)
    found = query(empty_database, "SELECT to_regclass('one'), to_regclass('migration')")
    assert found == [(None, None)]


def test_many_migrators_at_once_apply_each_file_once(empty_database: str) -> None:
    with ThreadPoolExecutor(4) as together:
        applied = list(together.map(lambda _: migrate(empty_database), range(4)))

    names = sorted(path.stem for path in FOLDER.glob("*.sql"))
    assert sorted(applied) == [[], [], [], names]


def test_our_table_has_the_columns_and_keys_that_the_library_makes(
    database: str, empty_database: str
) -> None:
    LibrarysOwn(library_environment(empty_database)).close()
    theirs = dict(query(empty_database, COLUMNS, "public", "fleet_events"))
    ours = dict(query(database, COLUMNS, "log", "fleet_events"))

    assert theirs
    assert theirs.items() <= ours.items()
    assert ours.keys() - theirs.keys() == {"recorded_at"}
    assert query(database, KEYS, "log.fleet_events") == query(
        empty_database, KEYS, "public.fleet_events"
    )


def test_the_librarys_own_recorder_reads_our_table(fleet: Fleet, database: str) -> None:
    events = [StoredEvent("device-1", n, "Tested.1", b"{}") for n in (1, 2, 3)]
    fleet.recorder.insert_events(events)
    environment = library_environment(database, POSTGRES_SCHEMA="log", CREATE_TABLE="no")
    app = LibrarysOwn(environment)
    try:
        recorder = app.recorder
        assert type(recorder) is PostgresApplicationRecorder
        assert list(recorder.select_events("device-1")) == events
        assert [one.id for one in recorder.select_notifications(None, 10)] == [1, 2, 3]
        assert recorder.max_notification_id() == 3
    finally:
        app.close()


def test_the_librarys_own_recorder_writes_our_table(fleet: Fleet, database: str) -> None:
    # It brings its rows in a type that it makes for itself, where it may make tables.
    LibrarysOwn(library_environment(database)).close()
    environment = library_environment(database, POSTGRES_SCHEMA="log", CREATE_TABLE="no")
    with psycopg.connect(database) as owner:
        owner.execute("ALTER TYPE public.stored_event_text SET SCHEMA log")
    app = LibrarysOwn(environment)
    try:
        event = StoredEvent("device-1", 1, "Tested.1", b"{}")
        assert app.recorder.insert_events([event]) == [1]
        assert list(fleet.recorder.select_events("device-1")) == [event]
    finally:
        app.close()
