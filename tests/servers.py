"""Real servers for tests and benchmarks, started in folders of their own and gone afterwards."""

import asyncio
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import nats
import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from device_edge.nkeys import KeyPair
from rollcall.embedded.nats import Nats, accounts
from rollcall.embedded.ports import Ports
from rollcall.embedded.postgres import Postgres
from rollcall.embedded.processes import unprivileged
from rollcall.state import State
from rollcall.supervisor import Program
from tests.place import place

READY_TIMEOUT_S = 60.0
POLL_S = 0.02

# Tests may lose everything in a power cut; benchmarks measure what users get.
FAST = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "max_connections": "200",
    # Several such servers run at once, with little in them.
    "shared_buffers": "128MB",
    "min_wal_size": "32MB",
    "max_wal_size": "128MB",
}
DURABLE = {
    "fsync": "on",
    "synchronous_commit": "on",
    "shared_buffers": "1GB",
    "max_wal_size": "8GB",
    "max_connections": "200",
}


@dataclass(frozen=True)
class NatsServer:
    """A running NATS with Rollcall's accounts. `url` is the edges' address, in account FLEET."""

    url: str
    auth_url: str
    sys_url: str
    issuer_seed: str
    nats_port: int
    mqtt_port: int
    monitoring_url: str

    def clean(self) -> None:
        """Delete every stream of ours. NATS' own, of MQTT sessions, stay: it remembers them."""
        asyncio.run(delete_streams(self.url))


@contextmanager
def postgres_server(settings: Mapping[str, str] = FAST) -> Iterator[str]:
    """A fresh embedded PostgreSQL; gives the conninfo of its first, empty database."""
    with state_folder() as folder:
        postgres = Postgres(folder, folder / "postgres.log", settings)
        with running(postgres):
            yield postgres.conninfo


@contextmanager
def database(server: str, template: str = "template1") -> Iterator[str]:
    """A fresh database of that server; gives its conninfo, and drops it at the end."""
    name = sql.Identifier(f"test_{secrets.token_hex(6)}")
    with psycopg.connect(server, autocommit=True) as connection:
        # The other way takes twice as long: it writes every page into the WAL too.
        create = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy")
        connection.execute(create.format(name, sql.Identifier(template)))
        try:
            yield make_conninfo(server, dbname=name.as_string().strip('"'))
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


@contextmanager
def nats_server() -> Iterator[NatsServer]:
    """A fresh embedded NATS with JetStream, MQTT, and an account issuer of its own."""
    seed = KeyPair.new("A").seed
    passwords = {user: secrets.token_hex(8) for user in ("sys", "auth", "edge")}
    with state_folder() as folder, closing(Ports({}, {})) as chooser:
        ports = {name: chooser.choose(name) for name in ("nats", "mqtt", "monitoring")}
        server = Nats(
            folder,
            folder / "nats.log",
            ports=ports,
            accounts=accounts(issuer_seed=seed, **passwords),
        )
        urls = {user: server.url(user, password) for user, password in passwords.items()}
        with running(server):
            yield NatsServer(
                url=urls["edge"],
                auth_url=urls["auth"],
                sys_url=urls["sys"],
                issuer_seed=seed,
                nats_port=ports["nats"],
                mqtt_port=ports["mqtt"],
                monitoring_url=server.monitoring_url,
            )


@contextmanager
def running(program: Program) -> Iterator[subprocess.Popen[bytes]]:
    """Start it, wait until it serves, and stop it at the end."""
    process = program.start()
    try:
        end = time.monotonic() + READY_TIMEOUT_S
        while not program.is_ready():
            assert process.poll() is None, program.log.read_text()
            assert time.monotonic() < end, program.log.read_text()
            time.sleep(POLL_S)
        yield process
    finally:
        process.send_signal(program.stop_signal)
        process.wait(program.stop_timeout_s)


@contextmanager
def state_folder() -> Iterator[Path]:
    """A folder as `rollcall up` makes it, which PostgreSQL's user may pass through."""
    folder = Path(tempfile.mkdtemp(prefix="rollcall-", dir=place()))
    try:
        with State(folder).own(unprivileged()):
            yield folder
    finally:
        shutil.rmtree(folder)


async def delete_streams(url: str) -> None:
    connection = await nats.connect(url)
    try:
        stream = connection.jetstream()
        for known in await stream.streams_info():
            name = str(known.config.name)
            if not name.startswith("$MQTT_"):
                await stream.delete_stream(name)
    finally:
        await connection.close()
