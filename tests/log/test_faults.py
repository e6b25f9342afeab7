"""What breaks at the worst moment: the answer to a commit, a connection, the writing process."""

import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from eventsourcing.persistence import IntegrityError

from domain.device_commands import ImportDevice, NameDevice
from domain.device_events import (
    DeviceImported,
    DeviceNamed,
)
from domain.log.fleet import Fleet
from domain.log.recorder import Guard
from domain.recorded import Provenance, Recorded
from rollcall.state import CHECKOUT
from tests.log.proxy import wire
from tests.log.rows import rows

ID = "e00fce681234567890abcdef"
take = ImportDevice(device_id=ID, product_id=7000)
APPEND = b'log"."append'
ACKNOWLEDGED_MIN = 400
CUTS = 30


def test_a_lost_acknowledgement_is_success_by_the_commands_id(database: str) -> None:
    with wire(database) as cut:
        fleet = Fleet(cut.conninfo, pool_connections=1)
        try:
            fleet.load(f"device-{ID}")  # the connection is made, and works
            cut.swallow(b"DeviceImported.1")
            outcome = fleet.execute(take, Provenance(actor="ada", command="c1"))
            assert cut.cuts == 1
            assert outcome == ([DeviceImported(device_id=ID, product_id=7000)], 1)
            assert len(rows(fleet.recorder)) == 1
        finally:
            fleet.close()


def test_a_lost_acknowledgement_is_success_without_an_id_too(database: str) -> None:
    with wire(database) as cut:
        fleet = Fleet(cut.conninfo, pool_connections=1)
        try:
            fleet.load(f"device-{ID}")
            cut.swallow(b"DeviceImported.1")
            outcome = fleet.execute(take, Provenance(actor="ada"))
            assert cut.cuts == 1
            assert outcome == ([DeviceImported(device_id=ID, product_id=7000)], 1)
            assert len(rows(fleet.recorder)) == 1
        finally:
            fleet.close()


def test_what_a_guard_finds_is_not_the_very_event_whose_acknowledgement_was_lost(
    database: str,
) -> None:
    guard = Guard(after=0, topics=(DeviceImported.TOPIC,), product_id=7000)
    with wire(database) as cut:
        fleet = Fleet(cut.conninfo, pool_connections=1)
        try:
            fleet.load(f"device-{ID}")
            cut.swallow(b"DeviceImported.1")
            outcome = fleet.execute(take, Provenance(command="c1"), guard=guard)
            assert cut.cuts == 1
            assert outcome.position == 1
        finally:
            fleet.close()


def test_another_writers_event_is_not_taken_for_the_one_whose_acknowledgement_was_lost(
    database: str, fleet: Fleet
) -> None:
    def event(name: str) -> Recorded:
        named = DeviceNamed(device_id=ID, name=name)
        return Recorded(f"device-{ID}", 1, named, Provenance())

    with wire(database) as cut:
        cutting = Fleet(cut.conninfo, pool_connections=1)
        try:
            cutting.load(f"device-{ID}")
            fleet.record_many([event("theirs")])
            cut.swallow(b"DeviceNamed.1")
            with pytest.raises(IntegrityError):
                cutting.record_many([event("ours")])
            assert cut.cuts == 1
        finally:
            cutting.close()


def test_a_bulk_append_whose_acknowledgement_is_lost_is_there_once(database: str) -> None:
    events = [
        Recorded(
            f"device-{number:024x}",
            1,
            DeviceImported(device_id=f"{number:024x}", product_id=7000),
            Provenance(),
        )
        for number in range(1_000)
    ]
    with wire(database) as cut:
        fleet = Fleet(cut.conninfo, pool_connections=1)
        try:
            fleet.load(f"device-{ID}")
            cut.swallow(b"COMMIT")
            assert fleet.record_many(events) == [*range(1, 1_001)]
            assert cut.cuts == 1
            assert len(rows(fleet.recorder)) == 1_000
        finally:
            fleet.close()


def test_connections_cut_again_and_again_lose_and_double_nothing(
    database: str, fleet: Fleet
) -> None:
    def write(writer: int) -> list[tuple[str, int | None]]:
        device_id = f"{writer:024x}"
        done = [(f"device-{device_id}", 1)]
        fleet.execute(ImportDevice(device_id=device_id, product_id=7000), Provenance())
        for number in range(40):
            command = NameDevice(device_id=device_id, product_id=7000, name=f"name {number}")
            provenance = Provenance(command=f"{writer}-{number}")
            outcome = fleet.execute(command, provenance)
            assert outcome.events == [DeviceNamed(device_id=device_id, name=f"name {number}")]
            done.append((command.stream, len(done) + 1))
        return done  # type: ignore[return-value]

    with ThreadPoolExecutor(8) as writers, psycopg.connect(database, autocommit=True) as admin:
        writing = [writers.submit(write, writer) for writer in range(8)]
        for _ in range(CUTS):
            if all(writer.done() for writer in writing):
                break
            admin.execute(
                "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                " ORDER BY random() LIMIT 1"
            )
        acknowledged = [place for writer in writing for place in writer.result()]
    assert sorted(acknowledged) == sorted((row[0], row[1]) for row in rows(fleet.recorder))


def test_a_writing_process_killed_under_load_lost_nothing_it_acknowledged(
    database: str, fleet: Fleet
) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-m", "tests.log.writing", database],
        stdout=subprocess.PIPE,
        text=True,
        cwd=CHECKOUT,
    )
    assert writer.stdout is not None
    with writer.stdout:
        lines = [writer.stdout.readline() for _ in range(ACKNOWLEDGED_MIN)]
        writer.kill()
        lines += writer.stdout.readlines()
    writer.wait()

    whole = [line.split() for line in lines if line.endswith("\n")]
    acknowledged = {(stream, int(position)) for stream, position in whole}
    recorded = rows(fleet.recorder)
    assert len(acknowledged) >= ACKNOWLEDGED_MIN
    assert acknowledged <= {(row[0], row[4]) for row in recorded}
    streams = Counter(row[0] for row in recorded)
    for stream, events in streams.items():
        versions = sorted(row[1] for row in recorded if row[0] == stream)
        assert versions == list(range(1, events + 1))
