"""`rollcall rotate-master-key`: killed at any moment, with the cloud running or not, nobody loses
what they had."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random

import psycopg
import pytest

from domain.log.master_keys import KeyFile, MasterKey, MasterKeyWrong, key_in, spelled
from domain.log.rotation import RotationUnderWay, alone, is_sealed_under, rewrap
from domain.log.seals import Seals
from rollcall import rotate_master_key
from rollcall.cli import main
from rollcall.founding import found
from rollcall.secret_keys import people_key_of
from rollcall.state import CHECKOUT, State, write_private
from tests.cloud import Cloud, cloud
from tests.projections.patience import eventually

ADA, EMAIL = "5f1e0c0000000000000000ad", "ada@example.test"
OTHER = bytes(range(32))
PEOPLE = 30_000  # enough of them for a kill to come in the middle
KILLS = 6
ENDED_S = 60


class Place:
    """A database, and the state directory that its master key is in."""

    def __init__(self, database: str, state: State) -> None:
        self.database, self.state = database, state
        self.kept = KeyFile(state.master_key)
        self.environment = {
            **{key: value for key, value in os.environ.items() if "MASTER_KEY" not in key},
            "DATABASE_URL": database,
            "ROLLCALL_STATE": str(state.path),
        }
        with closing(Seals(database, people_key_of(state))) as seals:
            seals.new_key(ADA)
            self.sealed = seals.seal(ADA, "email", EMAIL)
            self.digest = seals.digest(EMAIL)

    def rotate(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "rollcall.cli", "rotate-master-key"],
            env=self.environment,
            cwd=CHECKOUT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def reads(self) -> bool:
        """As every process does that finds the key where it is kept."""
        with closing(Seals(self.database, self.kept)) as seals:
            return (
                seals.unseal(ADA, "email", self.sealed) == EMAIL
                and seals.digest(EMAIL) == self.digest
            )

    def is_in_effect(self, key: bytes) -> bool:
        with psycopg.connect(self.database) as connection:
            return is_sealed_under(connection, key)


@pytest.fixture
def place(database: str, tmp_path: Path) -> Place:
    state = State(tmp_path / "state")
    state.own().close()
    return Place(database, state)


@pytest.fixture
def rotated(place: Place, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """The command, as if typed; with a ROLLCALL_MASTER_KEY or without."""

    def run(key: str = "") -> int:
        monkeypatch.setenv("DATABASE_URL", place.database)
        monkeypatch.setenv("ROLLCALL_STATE", str(place.state.path))
        monkeypatch.setenv("ROLLCALL_MASTER_KEY", key)
        return main(["rotate-master-key"])

    return run


def test_another_key_takes_the_place_of_the_one_in_the_state_directory(
    place: Place, rotated: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    former = key_in(place.kept.path)

    assert rotated() == 0

    assert key_in(place.kept.path) != former
    assert place.kept.path.stat().st_mode & 0o777 == 0o600
    assert not place.kept.next.exists()
    assert place.reads()
    with closing(Seals(place.database, former)) as seals, pytest.raises(MasterKeyWrong):
        seals.unseal(ADA, "email", place.sealed)
    said = capsys.readouterr().out
    assert "2 keys are wrapped under a new master key" in said
    assert spelled(former) not in said
    assert spelled(key_in(place.kept.path)) not in said


def test_who_keeps_the_key_themselves_names_both(
    place: Place, rotated: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    former = key_in(place.kept.path)
    both = f"{spelled(former)},{spelled(OTHER)}"

    assert rotated(both) == 0
    assert place.is_in_effect(OTHER)
    assert rotated(both) == 0
    assert "in effect already" in capsys.readouterr().out
    for wrong in (spelled(former), f"{spelled(former)},{spelled(former)}"):
        assert rotated(wrong) == 1
        assert "FORMER,NEXT" in capsys.readouterr().err


def test_what_is_refused_changes_nothing(
    place: Place, rotated: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    with alone(place.database):
        assert rotated() == 1
    assert "at this moment" in capsys.readouterr().err
    assert rotated(f"{spelled(OTHER)},{spelled(bytes(32))}") == 1
    assert "under another master key" in capsys.readouterr().err
    assert place.reads()


def test_killed_before_it_has_happened_it_has_not(place: Place) -> None:
    former = key_in(place.kept.path)
    with psycopg.connect(place.database) as busy:
        busy.execute("LOCK TABLE secrets.person_key IN ROW EXCLUSIVE MODE")
        process = place.rotate()
        # Everything is wrapped anew, and waits for its turn at the table.
        eventually(lambda: waiting(place.database), ENDED_S)
        assert place.kept.next.exists()
        process.kill()
        process.communicate(timeout=ENDED_S)
    # Only now does the server find that nobody waits for the answer.
    eventually(lambda: is_nobody_at_it(place.database), ENDED_S)

    assert place.is_in_effect(former)
    assert place.reads()
    assert ended(place.rotate()) == 0
    assert place.reads()
    assert not place.is_in_effect(former)
    assert not place.kept.next.exists()


def waiting(database: str) -> bool:
    with psycopg.connect(database) as connection:
        row = connection.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone()
    return row is not None and row[0] > 0


def is_nobody_at_it(database: str) -> bool:
    try:
        with alone(database):
            return True
    except RotationUnderWay:
        return False


def ended(process: subprocess.Popen[bytes]) -> int:
    process.communicate(timeout=ENDED_S)
    return process.returncode


@pytest.fixture
def cut_off(place: Place) -> Place:
    """Killed when the database had the following key already, and the file did not."""
    write_private(place.kept.next, spelled(OTHER).encode())
    with alone(place.database) as connection:
        rewrap(connection, key_in(place.kept.path), OTHER)
    return place


def test_killed_after_it_has_happened_everybody_reads_and_the_next_run_ends_it(
    cut_off: Place, rotated: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cut_off.reads()

    assert rotated() == 0

    assert "brought to its end" in capsys.readouterr().out
    assert key_in(cut_off.kept.path) == OTHER
    assert not cut_off.kept.next.exists()
    assert cut_off.reads()


def test_a_start_ends_it_too(cut_off: Place) -> None:
    found(cut_off.database, cut_off.kept, "admin@example.test", cut_off.state)
    assert key_in(cut_off.kept.path) == OTHER
    assert not cut_off.kept.next.exists()


def test_a_start_leaves_a_change_alone_that_is_under_way(cut_off: Place) -> None:
    with alone(cut_off.database):
        rotate_master_key.finish_rotation(cut_off.database, cut_off.state)
        assert cut_off.kept.next.exists()
    rotate_master_key.finish_rotation(cut_off.database, cut_off.state)
    assert not cut_off.kept.next.exists()


def test_killed_at_any_moment_everybody_reads(place: Place) -> None:
    crowd(place)
    random, started = Random(0), time.monotonic()
    assert ended(place.rotate()) == 0
    took_s = time.monotonic() - started
    for _ in range(KILLS):
        process = place.rotate()
        time.sleep(random.uniform(0.3, 1.0) * took_s)
        process.kill()
        process.communicate(timeout=ENDED_S)
        assert place.reads()
        eventually(lambda: is_nobody_at_it(place.database), ENDED_S)
    assert ended(place.rotate()) == 0
    assert place.reads()


def crowd(place: Place) -> None:
    """As many people as make it last. What their keys are does not matter."""
    master = MasterKey(key_in(place.kept.path))
    with (
        psycopg.connect(place.database) as connection,
        connection.cursor() as cursor,
        cursor.copy("COPY secrets.person_key (person_id, wrapped) FROM STDIN") as copy,
    ):
        for number in range(PEOPLE):
            name = f"{number:024x}"
            copy.write_row((name, master.wrap(name, bytes(32))))


@pytest.mark.timeout(200)
def test_the_running_cloud_goes_on_without_a_restart() -> None:
    with cloud() as running:
        goes_on(running)


def goes_on(running: Cloud) -> None:
    pids = running.status["pids"]
    someone = {"username": "ada@example.com", "password": "a password that nobody guesses"}
    assert running.http.post("/v1/users", json=someone).status_code in (200, 201)

    changed = running.run("rotate-master-key")
    assert changed.returncode == 0, changed.stderr

    login = {**someone, "grant_type": "password", "client_id": "particle"}
    login["client_secret"] = "particle"
    reply = running.http.post("/oauth/token", data=login, headers={"Authorization": ""})
    assert reply.status_code == 200, reply.text
    # Somebody new, through the API and the read model, under keys wrapped by the new one.
    another = {**someone, "username": "bob@example.com"}
    assert running.http.post("/v1/users", json=another).status_code in (200, 201)
    token = {**login, "username": "bob@example.com"}
    reply = running.http.post("/oauth/token", data=token, headers={"Authorization": ""})
    assert reply.status_code == 200, reply.text
    assert running.status["pids"] == pids

    running.kill_all()
    running.start()
    reply = running.http.post("/oauth/token", data=token, headers={"Authorization": ""})
    assert reply.status_code == 200, reply.text
