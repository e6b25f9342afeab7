"""What stood in read models before a migration stands there after it as a rebuild would have it."""

import json
import shutil
from pathlib import Path
from typing import Any

import psycopg

from migrations import FOLDER, migrate

ONE, OTHER, NOBODYS = "0" * 23 + "1", "0" * 23 + "2", "0" * 23 + "3"
HASH = "a" * 64


def before(conninfo: str, folder: Path, number: str) -> None:
    """A database as the migrations before that one left it."""
    for path in FOLDER.glob("*.sql"):
        if path.stem[:4] < number:
            shutil.copy(path, folder)
    migrate(conninfo, folder)


def record(connection: psycopg.Connection[Any], stream: str, *names: str, **event: str) -> None:
    for version, name in enumerate(names, start=1):
        connection.execute(
            "INSERT INTO log.fleet_events (originator_id, originator_version, topic, state)"
            " VALUES (%s, %s, %s, convert_to(%s, 'UTF8'))",
            [stream, version, f"{name}.1", json.dumps({"event": event, "actor": "test"})],
        )


def test_owners_and_spent_tokens_are_known_after_0018(empty_database: str, tmp_path: Path) -> None:
    before(empty_database, tmp_path, "0018")
    with psycopg.connect(empty_database) as connection:
        # Claimed, and then by somebody else: it was somebody's already.
        record(connection, f"device-{ONE}", "DeviceImported", "DeviceClaimed", "DeviceClaimed")
        record(connection, f"device-{OTHER}", "DeviceClaimed", "DeviceUnclaimed")
        record(connection, f"device-{NOBODYS}", "DeviceImported")
        record(connection, "token-t1", "TokenIssued", refresh_hash=HASH,
               refresh_expires_at="2030-01-01T10:00:00.000Z")  # fmt: skip
        connection.execute("INSERT INTO fleet.tracking VALUES ('fleet', 5)")
        for number, device_id in enumerate((ONE, OTHER, NOBODYS), start=1):
            connection.execute(
                "INSERT INTO fleet.device (device_id, facts_position, last_position)"
                " VALUES (%s, %s, 6)",
                [device_id, 6 if number == 3 else number - 1],
            )
        connection.execute(
            "INSERT INTO access.spent_refresh VALUES (decode(%s, 'hex'), 't2', 'ada', '')", [HASH]
        )

    migrate(empty_database)

    with psycopg.connect(empty_database) as connection:
        positions = connection.execute("SELECT device_id, facts_position FROM fleet.device")
        assert dict(positions.fetchall()) == {ONE: 2, OTHER: 5, NOBODYS: 6}
        until = "SELECT expires_at = '2030-01-01T10:00Z' FROM access.spent_refresh"
        assert connection.execute(until).fetchall() == [(True,)]


def test_what_the_fleet_does_not_know_yet_is_left_to_it_by_0018(
    empty_database: str, tmp_path: Path
) -> None:
    before(empty_database, tmp_path, "0018")
    with psycopg.connect(empty_database) as connection:
        record(connection, f"device-{ONE}", "DeviceImported", "DeviceClaimed")
        connection.execute("INSERT INTO fleet.tracking VALUES ('fleet', 1)")
        connection.execute(
            "INSERT INTO fleet.device (device_id, facts_position, last_position) VALUES (%s, 1, 1)",
            [ONE],
        )

    migrate(empty_database)

    with psycopg.connect(empty_database) as connection:
        found = connection.execute("SELECT facts_position FROM fleet.device").fetchall()
        assert found == [(1,)]
