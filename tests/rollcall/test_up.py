import json
import socket
import stat
import subprocess
from collections.abc import Callable
from contextlib import ExitStack, suppress
from hashlib import sha256
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from rollcall.founding import administrator_id
from rollcall.logs import LOG_BYTES_MAX
from tests.cloud import Cloud


def test_it_serves_and_says_where(cloud: Cloud) -> None:
    found = json.loads(cloud.run("status", "--json").stdout)

    assert found["ready"] is True
    assert found["http"] == f"http://127.0.0.1:{found['ports']['http']}"
    assert found["http"] in cloud.output.read_text()
    assert set(found["pids"]) == {"supervisor", "postgres", "nats", "api", "edge-1", "edge-2"}


def test_status_says_by_its_exit_code_whether_everything_serves(cloud: Cloud) -> None:
    assert cloud.run("status").returncode == 0

    cloud.stop()

    stopped = cloud.run("status", "--json")
    assert stopped.returncode == 1
    assert json.loads(stopped.stdout)["ready"] is False
    assert "Nothing runs" in cloud.run("status").stdout


def test_each_edge_has_a_port_of_its_own_for_firmware(cloud: Cloud) -> None:
    ports = cloud.status["ports"]

    assert ports["device_http"] != ports["device_http_2"]


def test_nobody_else_can_read_the_secrets(cloud: Cloud) -> None:
    folder = cloud.state.path

    assert stat.S_IMODE(folder.stat().st_mode) & 0o007 == 0
    secrets = ("admin_token", "admin_password", "master_key", "secrets.json")
    for name in (*secrets, "nats.conf", "runtime.json"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600


def test_the_first_start_alone_shows_the_token_of_which_the_database_knows_the_hash(
    make_cloud: Callable[..., Cloud],
) -> None:
    cloud = make_cloud()
    cloud.start()
    token = cloud.status["admin_token"]
    assert token in cloud.output.read_text()
    with psycopg.connect(cloud.status["database"]) as connection:
        rows = connection.execute(
            "SELECT event ->> 'token_hash', event ->> 'user_id' FROM log.entry"
            " WHERE name = 'TokenIssued.1'"
        ).fetchall()
    assert rows == [(sha256(token.encode()).hexdigest(), administrator_id(1))]

    cloud.stop()
    cloud.output.unlink()
    cloud.start()

    assert token == cloud.status["admin_token"]
    assert token not in cloud.output.read_text()


def test_secrets_are_in_no_log(cloud: Cloud) -> None:
    cloud.run("psql", "-c", "SELECT 1")
    token = cloud.status["admin_token"]
    secrets = json.loads(cloud.state.secrets.read_bytes())
    of_people = [cloud.state.master_key, cloud.state.admin_password]

    written = "".join(log.read_text() for log in cloud.state.logs.iterdir())

    kept = [token, *secrets.values(), *(path.read_text().strip() for path in of_people)]
    assert not [secret for secret in kept if secret in written]


def test_ports_stay_the_same_over_a_restart(cloud: Cloud) -> None:
    before = cloud.status["ports"]
    cloud.stop()

    cloud.start()

    assert cloud.status["ports"] == before


def test_a_second_start_in_the_same_place_says_what_runs(cloud: Cloud) -> None:
    second = cloud.run("up")

    assert second.returncode == 1
    assert "already runs" in second.stderr
    assert cloud.status["http"] in second.stderr
    assert cloud.status["ready"] is True


def test_two_places_do_not_disturb_each_other(make_cloud: Callable[..., Cloud]) -> None:
    wishes = {f"ROLLCALL_{name}_PORT": "" for name in ("HTTP", "MQTT", "NATS", "DEVICE_HTTP")}
    left, right = make_cloud(**wishes), make_cloud(**wishes)

    left.start()
    right.start()

    used = [*left.status["ports"].values(), *right.status["ports"].values()]
    assert len(used) == len(set(used))
    assert left.status["database"] != right.status["database"]


def test_a_taken_port_that_was_asked_for_is_said_and_nothing_is_left_running(
    make_cloud: Callable[..., Cloud],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = str(taken.getsockname()[1])
        cloud = make_cloud(ROLLCALL_MQTT_PORT=number)

        with pytest.raises(AssertionError, match=f"Port {number} is taken, and ROLLCALL_MQTT_PORT"):
            cloud.start()

    assert cloud.run("status").returncode == 1
    assert not (cloud.state.path / "postgres").exists()


def test_a_taken_port_that_nobody_asked_for_is_replaced_and_said(
    make_cloud: Callable[..., Cloud],
) -> None:
    cloud = make_cloud(ROLLCALL_HTTP_PORT="")
    with ExitStack() as held:
        # Where the bind fails, somebody else has it, which serves as well.
        with suppress(OSError):
            held.enter_context(socket.create_server(("127.0.0.1", 8080)))
        cloud.start()

    assert cloud.status["ports"]["http"] != 8080
    assert "8080" in cloud.output.read_text()


@pytest.mark.parametrize("number", ["http", "-1", "65536"])
def test_what_is_no_port_is_refused_by_name(cloud: Cloud, number: str) -> None:
    refused = cloud.run("up", ROLLCALL_HTTP_PORT=number)

    assert refused.returncode == 1
    assert f"ROLLCALL_HTTP_PORT is '{number}'" in refused.stderr


@pytest.mark.parametrize("variable", ["ROLLCALL_ISSUER_SEED", "ROLLCALL_DEVICE_MASTER_KEY"])
def test_a_secret_that_is_none_is_refused_by_name_and_not_repeated(
    cloud: Cloud, variable: str
) -> None:
    refused = cloud.run("up", **{variable: "hush"})

    assert refused.returncode == 1
    assert variable in refused.stderr
    assert "hush" not in refused.stderr


def test_a_child_that_never_serves_is_named_with_its_last_words(
    make_cloud: Callable[..., Cloud],
) -> None:
    cloud = make_cloud(STANDIN_BROKEN="yes")

    with pytest.raises(AssertionError, match=r"api ended with 1[\s\S]*this child never serves"):
        cloud.start()

    assert cloud.run("status").returncode == 1
    assert not working_below(cloud)


def test_stop_waits_until_everything_has_ended(cloud: Cloud) -> None:
    stopped = cloud.run("stop")

    assert stopped.returncode == 0
    assert stopped.stdout == "Stopped.\n"
    assert not working_below(cloud)
    assert cloud.run("stop").stdout == "Nothing runs here.\n"


def test_somebody_elses_folder_is_not_taken_for_a_state_directory(
    make_cloud: Callable[..., Cloud],
) -> None:
    cloud = make_cloud()
    cloud.state.path.mkdir()
    (cloud.state.path / "letter.txt").write_text("Dear …")

    with pytest.raises(AssertionError, match="holds something else"):
        cloud.start()


def test_nats_alone_is_not_enough(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud(NATS_URL="nats://127.0.0.1:1")

    with pytest.raises(AssertionError, match="NATS_AUTH_URL and ROLLCALL_ISSUER_SEED must be set"):
        cloud.start()


def test_a_state_directory_may_have_a_long_name(make_cloud: Callable[..., Cloud]) -> None:
    """A socket's path may not, so it is then elsewhere, for our eyes only."""
    cloud = make_cloud(name="long" * 30)
    cloud.start()
    conninfo = conninfo_to_dict(cloud.status["database"])

    socket_folder = Path(str(conninfo["host"]))

    assert socket_folder.parent == Path("/tmp")
    assert stat.S_IMODE(socket_folder.stat().st_mode) == 0o700
    cloud.stop()
    socket_folder.rmdir()


def test_a_log_that_is_too_long_moves_aside(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud()
    cloud.start()
    cloud.stop()
    log = cloud.state.logs / "api.log"
    log.write_bytes(b"x" * (LOG_BYTES_MAX + 1))

    cloud.start()

    assert log.stat().st_size == 0
    assert log.with_name("api.log.old").stat().st_size == LOG_BYTES_MAX + 1


def test_logs_shows_what_a_process_wrote(cloud: Cloud) -> None:
    shown = cloud.run("logs", "postgres", "--lines", "50")

    assert "ready to accept connections" in shown.stdout
    assert "No log of 'nobody'" in cloud.run("logs", "nobody").stderr


def test_psql_reaches_the_database(cloud: Cloud) -> None:
    shown = cloud.run("psql", "-Atc", "SELECT count(*) FROM secrets.person_key")

    assert shown.stdout == "1\n"


def test_migrating_twice_applies_nothing(cloud: Cloud) -> None:
    assert cloud.run("migrate").stdout == "Nothing to apply.\n"


def working_below(cloud: Cloud) -> str:
    """The command lines that name this cloud's folder."""
    listed = subprocess.run(["ps", "axww", "-o", "args="], capture_output=True, text=True)
    return "\n".join(row for row in listed.stdout.splitlines() if str(cloud.state.path) in row)
