"""`python -m projections` for a supervisor: ready, killed servers survived, stopped cleanly."""

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest

from device_edge.nkeys import KeyPair
from domain.device_commands import ImportDevice
from domain.log.master_keys import spelled
from migrations import migrate
from rollcall.embedded.nats import Nats, accounts
from rollcall.embedded.ports import Ports
from tests import servers
from tests.people import MASTER_KEY
from tests.projections.ear import facts
from tests.projections.following import query
from tests.projections.patience import eventually
from tests.projections.world import World, device_id, world
from tests.servers import NatsServer

STOP_TIMEOUT_S = 15
# What is committed is written before the commit returns; the disk itself does not fail here.
CRASHING = {"fsync": "off", "synchronous_commit": "on", "max_connections": "100"}


@contextmanager
def projections(
    conninfo: str, nats_url: str, folder: Path, **told: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Started, and ready. `told` is what else stands in its environment."""
    ready = folder / "ready"
    environment = {
        "DATABASE_URL": conninfo,
        "NATS_URL": nats_url,
        "ROLLCALL_MASTER_KEY": spelled(MASTER_KEY),
        "ROLLCALL_READY_FILE": str(ready),
        "PATH": os.defpath,
        **told,
    }
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "projections"], env=environment, stderr=log
        )
    try:
        eventually(lambda: ready.exists() or process.poll() is not None)
        assert process.poll() is None, (folder / "log").read_text()
        yield process
    finally:
        process.kill()
        process.wait()


def fill(world: World, since: int, devices: int = 5) -> None:
    for number in range(since, since + devices):
        world.do(ImportDevice(device_id=device_id(number), product_id=7000))


def count(conninfo: str, table: str) -> int:
    [(found,)] = query(conninfo, f"SELECT count(*) FROM {table}")
    return int(found)


def test_it_is_ready_follows_and_stops_at_once(
    database: str, nats_url: str, fleet_world: World, tmp_path: Path
) -> None:
    with projections(database, nats_url, tmp_path) as process:
        fleet_world.product()
        fill(fleet_world, 1)
        eventually(lambda: count(database, "fleet.device") == 5)
        eventually(lambda: count(database, "history.entry") == 6)
        process.send_signal(signal.SIGTERM)

        assert process.wait(STOP_TIMEOUT_S) == 0

    followers = {
        "fleet", "history", "access", "described", "reactions", "timers", "nudges", "due_updates",
        "announcements", "fleet_events", "mails", "mail_sender", "orphans", "vacancies",
        "admission", "housekeeping", "system_events", "subscribers", "subscriptions",
        "integrations", "metered", "metering", "dispatch", "deliveries_said",
    }  # fmt: skip
    assert {name for (name,) in query(database, "SELECT follower FROM follow.status")} == followers


def test_two_processes_do_the_work_of_one_and_one_may_be_killed(
    database: str, nats_url: str, fleet_world: World, tmp_path: Path
) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    with (
        projections(database, nats_url, tmp_path / "one") as first,
        projections(database, nats_url, tmp_path / "other"),
    ):
        fill(fleet_world, 1)
        eventually(lambda: count(database, "history.entry") == 5)
        first.kill()
        fill(fleet_world, 10)
        eventually(lambda: count(database, "history.entry") == 10)
        eventually(lambda: len(facts(nats_url)) == 11)


@pytest.fixture
def mortal_nats() -> Iterator[tuple[Nats, str]]:
    """A NATS that a test may start and kill as it likes; and its address."""
    password, seed = secrets.token_hex(8), KeyPair.new("A").seed
    with servers.state_folder() as folder, closing(Ports({}, {})) as chooser:
        server = Nats(
            folder,
            folder / "nats.log",
            ports={name: chooser.choose(name) for name in ("nats", "mqtt", "monitoring")},
            accounts=accounts(issuer_seed=seed, sys=password, auth=password, edge=password),
        )
        yield server, server.url("edge", password)


def test_while_nats_is_dead_the_read_models_go_on_and_afterwards_it_is_told_everything(
    database: str, mortal_nats: tuple[Nats, str], fleet_world: World, tmp_path: Path
) -> None:
    server, url = mortal_nats
    with projections(database, url, tmp_path):
        fill(fleet_world, 1)
        eventually(lambda: count(database, "fleet.device") == 5)
        with servers.running(server) as nats:
            eventually(lambda: len(facts(url)) == 6)
            nats.kill()
            nats.wait()
            fill(fleet_world, 10)
            eventually(lambda: count(database, "fleet.device") == 10)
        with servers.running(server):
            eventually(lambda: len(facts(url)) == 11)


def test_a_database_that_crashes_is_waited_for(clean_nats: NatsServer, tmp_path: Path) -> None:
    """One of its processes is killed, which ends them all; it recovers by itself."""
    with servers.postgres_server(CRASHING) as database:
        migrate(database)
        with projections(database, clean_nats.url, tmp_path) as process:
            for turn in range(2):
                with world(database) as writer:
                    fill(writer, 1 + 10 * turn)
                eventually(lambda turn=turn: count(database, "history.entry") == 5 * (turn + 1))
                crash(database)
                eventually(lambda: serves(database))
            with world(database) as writer:
                fill(writer, 100)
            eventually(lambda: count(database, "fleet.device") == 15)
            eventually(lambda: len(facts(clean_nats.url)) == 16)
            process.send_signal(signal.SIGTERM)
            assert process.wait(STOP_TIMEOUT_S) == 0


def crash(conninfo: str) -> None:
    followers = "SELECT pid FROM pg_stat_activity WHERE application_name = 'rollcall fleet'"
    # After the crash before it may still be on its way back.
    [(pid,)] = eventually(lambda: query(conninfo, followers))
    with closing(psycopg.connect(conninfo, autocommit=True)) as witness:
        os.kill(pid, signal.SIGKILL)
        # For a moment it serves as if nothing had happened.
        eventually(lambda: is_lost(witness))


def is_lost(connection: psycopg.Connection) -> bool:
    try:
        connection.execute("SELECT 1")
    except psycopg.OperationalError:
        return True
    return False


def serves(conninfo: str) -> bool:
    try:
        return query(conninfo, "SELECT 1") == [(1,)]
    except psycopg.OperationalError:
        return False
