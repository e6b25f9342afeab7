import os
import signal
import stat
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import psycopg
import pytest

from rollcall.embedded.processes import spawn, unprivileged
from tests.cloud import Cloud
from tests.servers import NatsServer, running, state_folder

SYSTEM_POSTGRES = Path("/usr/lib/postgresql/15/bin")


class SystemPostgres:
    """A PostgreSQL 15 as an operator has it, from the system's package."""

    name = "postgres"
    stop_signal = signal.SIGINT
    stop_timeout_s = 30.0

    def __init__(self, folder: Path) -> None:
        self.log = folder / "postgres.log"
        self.conninfo = f"host={folder / 'cluster'} user=owner dbname=postgres"
        self._cluster = folder / "cluster"
        self._account = unprivileged()

    def start(self) -> subprocess.Popen[bytes]:
        self._cluster.mkdir(mode=0o700)
        if self._account:
            os.chown(self._cluster, self._account.uid, self._account.gid)
        subprocess.run(
            [SYSTEM_POSTGRES / "initdb", "-D", self._cluster, "-U", "owner", "-A", "trust", "-N"],
            check=True,
            capture_output=True,
            cwd="/",
            **(self._account.popen_options if self._account else {}),
        )
        return spawn(
            [
                SYSTEM_POSTGRES / "postgres",
                *("-D", self._cluster, "-k", self._cluster, "--listen_addresses=", "--fsync=off"),
            ],
            log=self.log,
            environment=os.environ,
            death_signal=signal.SIGINT,
            account=self._account,
        )

    def is_ready(self) -> bool:
        try:
            psycopg.connect(self.conninfo).close()
        except psycopg.OperationalError:
            return False
        return True


@pytest.fixture(scope="module")
def postgres_15() -> Iterator[str]:
    if not SYSTEM_POSTGRES.exists():
        pytest.skip(f"the system has no PostgreSQL in {SYSTEM_POSTGRES}")
    with state_folder() as folder, running(postgres := SystemPostgres(folder)):
        yield postgres.conninfo


def of(server: NatsServer) -> Mapping[str, str]:
    return {
        "NATS_URL": server.url,
        "NATS_AUTH_URL": server.auth_url,
        "ROLLCALL_ISSUER_SEED": server.issuer_seed,
    }


def test_a_database_of_ones_own_replaces_the_embedded_one(
    make_cloud: Callable[..., Cloud], postgres_15: str
) -> None:
    cloud = make_cloud(DATABASE_URL=postgres_15)
    cloud.start()

    assert "postgres" not in cloud.status["pids"]
    assert cloud.status["database"] == postgres_15
    assert not (cloud.state.path / "postgres").exists()
    with psycopg.connect(postgres_15) as connection:
        row = connection.execute("SELECT count(*) FROM public.migration").fetchone()
    assert row is not None
    assert row[0] > 0


def test_a_nats_of_ones_own_replaces_the_embedded_one(
    make_cloud: Callable[..., Cloud], clean_nats: NatsServer
) -> None:
    cloud = make_cloud(**of(clean_nats))
    cloud.start()

    assert "nats" not in cloud.status["pids"]
    assert cloud.status["nats_url"] == clean_nats.url
    assert cloud.status["mqtt"] is None
    assert not (cloud.state.path / "nats.conf").exists()


@pytest.mark.parametrize(
    "url", ["host=/tmp/rollcall-nowhere", "postgresql://127.0.0.1:1/x", "nonsense"]
)
def test_a_database_that_cannot_be_used_is_said_and_nothing_is_left_running(
    make_cloud: Callable[..., Cloud], url: str
) -> None:
    cloud = make_cloud(DATABASE_URL=url)

    with pytest.raises(AssertionError, match="The database cannot be used: "):
        cloud.start()

    assert not cloud.status["pids"]


def test_psql_and_migrate_follow_the_database_of_ones_own(
    make_cloud: Callable[..., Cloud], database: str
) -> None:
    cloud = make_cloud(DATABASE_URL=database)

    assert cloud.run("psql", "-Atc", "SELECT count(*) FROM access.token").stdout == "0\n"
    assert cloud.run("migrate").stdout == "Nothing to apply.\n"


def test_where_nothing_is_started_by_us_an_administrator_is_made_by_asking(
    make_cloud: Callable[..., Cloud], database: str
) -> None:
    cloud = make_cloud(DATABASE_URL=database)

    said = cloud.run("administrator")

    assert said.returncode == 0, said.stderr
    assert "admin@rollcall.local" in said.stdout
    for path in (cloud.state.admin_password, cloud.state.admin_token, cloud.state.master_key):
        assert str(path) in said.stdout
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    count = ("psql", "-Atc", "SELECT count(*) FROM log.entry")
    events = cloud.run(*count).stdout
    assert int(events) > 0
    assert cloud.run("administrator").stdout == said.stdout
    assert cloud.run(*count).stdout == events
