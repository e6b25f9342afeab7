"""The demo, when the world does not go along with it."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from rollcall.state import CHECKOUT, State
from rollcall.status import status
from tests.story.told import DEMO

STOP_TIMEOUT_S = 60


def test_a_story_that_is_not_true_is_not_told_to_the_end(demo: subprocess.Popen[str]) -> None:
    folder = until_online(demo)
    database = status(State(folder / "state"))["database"]
    with psycopg.connect(database) as connection:
        forged = forge_a_handshake(connection)
    rest = read(demo)

    assert demo.wait(STOP_TIMEOUT_S) == 1
    assert "Not as told. what is wrong:" in rest
    assert f"position {forged}: device " in rest


def forge_a_handshake(connection: psycopg.Connection[tuple[Any, ...]]) -> int:
    """Let the first handshake on record have had another rule; returns where it stands."""
    connection.execute("SET LOCAL session_replication_role = replica")
    row = connection.execute(
        """UPDATE log.fleet_events SET state = convert_to(jsonb_set(
               convert_from(state, 'UTF8')::jsonb, '{event,told,rule}', '"default"')::text, 'UTF8')
           WHERE notification_id = (
               SELECT min(notification_id) FROM log.fleet_events
               WHERE topic LIKE 'DeviceHandshook.%')
           RETURNING notification_id"""
    ).fetchone()
    assert row is not None
    position: int = row[0]
    return position


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_leaves_nothing_behind(
    demo: subprocess.Popen[str], end: signal.Signals
) -> None:
    folder = until_online(demo)
    pids = status(State(folder / "state"))["pids"].values()
    demo.send_signal(end)
    read(demo)

    assert demo.wait(STOP_TIMEOUT_S) == 130
    assert not folder.exists()
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]


@pytest.fixture
def demo() -> Iterator[subprocess.Popen[str]]:
    """A small story on its way, in an environment that speaks of a cloud of the user's own."""
    users_own = {"DATABASE_URL": "host=/nowhere", "ROLLCALL_STATE": "/nowhere", "NATS_URL": "x"}
    with subprocess.Popen(
        [*DEMO, "--devices", "40"],
        env={**os.environ, **users_own},
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as running:
        yield running
        running.terminate()
        read(running)


def until_online(demo: subprocess.Popen[str]) -> Path:
    """Read until the fleet is online; returns the folder of the cloud."""
    assert demo.stdout is not None
    told = ""
    for line in demo.stdout:
        told += line
        if "devices are online" in line:
            return Path(told.partition(" starts in ")[2].partition(",")[0])
    pytest.fail(told)


def read(demo: subprocess.Popen[str]) -> str:
    assert demo.stdout is not None
    return demo.stdout.read()
