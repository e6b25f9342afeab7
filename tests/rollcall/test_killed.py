import os
import signal
import subprocess
import time

import nats
import psycopg
import pytest

from rollcall.embedded.postgres import Postgres
from rollcall.embedded.processes import identify, unprivileged, wait_until_gone
from tests.cloud import Cloud
from tests.servers import FAST, running, state_folder

GONE_TIMEOUT_S = 30.0


@pytest.fixture
def written(cloud: Cloud) -> Cloud:
    """A cloud whose database was told something."""
    with psycopg.connect(cloud.status["database"]) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS told (what text)")
        connection.execute("TRUNCATE told")
        connection.execute("INSERT INTO told VALUES ('remember me')")
    return cloud


def what_was_told(cloud: Cloud) -> str:
    with psycopg.connect(cloud.status["database"]) as connection:
        row = connection.execute("SELECT what FROM told").fetchone()
    assert row is not None
    return str(row[0])


@pytest.mark.parametrize("name", ["postgres", "nats", "api", "edge-2"])
def test_what_is_killed_is_started_again(written: Cloud, name: str) -> None:
    before = written.status["pids"]

    written.kill(name)
    written.wait_ready()

    after = written.status["pids"]
    assert [each for each in before if before[each] != after[each]] == [name]
    assert what_was_told(written) == "remember me"


def test_all_children_end_with_a_killed_supervisor_and_the_next_start_goes_on(
    written: Cloud,
) -> None:
    left = [identify(pid) for pid in written.status["pids"].values()]

    written.kill("supervisor")

    assert wait_until_gone(left, GONE_TIMEOUT_S)
    written.start()
    assert what_was_told(written) == "remember me"


def test_the_next_start_need_not_wait_for_the_end_of_what_a_killed_one_left(
    written: Cloud,
) -> None:
    written.kill("supervisor")
    written.start()

    assert what_was_told(written) == "remember me"


def test_everything_killed_at_once_starts_again(written: Cloud) -> None:
    ports = written.status["ports"]

    written.kill_all()
    written.start()

    assert what_was_told(written) == "remember me"
    assert written.status["ports"] == ports


@pytest.mark.asyncio
async def test_a_killed_nats_still_has_its_messages(cloud: Cloud) -> None:
    url = str(cloud.status["nats_url"])
    connection = await nats.connect(url)
    stream = connection.jetstream()
    await stream.add_stream(name="KEPT", subjects=["kept.>"])
    await stream.publish("kept.one", b"remember me")
    await connection.close()

    cloud.kill("nats")
    cloud.wait_ready()

    connection = await nats.connect(url)
    message = await connection.jetstream().get_last_msg("KEPT", "kept.one")
    await connection.close()
    assert message.data == b"remember me"


def test_stop_ends_what_a_stopped_supervisor_cannot(cloud: Cloud) -> None:
    """A supervisor that hangs and is then killed leaves children that stop finds."""
    api = identify(cloud.status["pids"]["api"])
    os.kill(api.pid, signal.SIGSTOP)  # so that it does not hear that its parent died
    cloud.kill("supervisor")

    stopped = cloud.run("stop")

    assert "killed one had left" in stopped.stdout
    assert wait_until_gone([api], GONE_TIMEOUT_S)


def test_a_start_that_was_killed_while_it_made_the_cluster_begins_anew() -> None:
    with state_folder() as folder:
        (folder / "postgres.partial").mkdir()
        (folder / "postgres.partial" / "PG_VERSION").write_text("18\n")

        postgres = Postgres(folder, folder / "postgres.log", FAST)
        with running(postgres), psycopg.connect(postgres.conninfo) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("command", [["true"], ["sleep", "60"]], ids=["zombie", "reused pid"])
def test_the_lock_files_of_a_killed_postgresql_do_not_block_the_next(command: list[str]) -> None:
    account = unprivileged()
    options = account.popen_options if account else {}
    with state_folder() as folder:
        postgres = Postgres(folder, folder / "postgres.log", FAST)
        with running(postgres):
            socket = folder / "socket"
            lines = (folder / "postgres" / "postmaster.pid").read_text().splitlines(keepends=True)
        other = subprocess.Popen(command, cwd="/", **options)
        if command == ["true"]:
            wait_until_zombie(other.pid)
        for left in (folder / "postgres" / "postmaster.pid", socket / ".s.PGSQL.5432.lock"):
            left.write_text("".join([f"{other.pid}\n", *lines[1:]]))

        with running(postgres), psycopg.connect(postgres.conninfo) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)

        other.kill()
        other.wait()


def wait_until_zombie(pid: int) -> None:
    """Ended, but not waited for: its number is still taken."""
    end = time.monotonic() + GONE_TIMEOUT_S
    while identify(pid).started:
        assert time.monotonic() < end
        time.sleep(0.01)
