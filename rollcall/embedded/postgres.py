"""An embedded PostgreSQL: a data directory, a socket nobody else can reach, one server process."""

import hashlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import psycopg

from rollcall.embedded.binaries import VERSION, postgres_installation_for
from rollcall.embedded.processes import Account, identify, spawn, unprivileged
from rollcall.trouble import Trouble

USER = DATABASE = "rollcall"
SOCKET_PATH_MAX = 103  # bytes, of the strictest platform
SOCKET_NAME = ".s.PGSQL.5432"
STALE_TIMEOUT_S = 15.0  # until the last process of a killed server is gone
CONNECT_TIMEOUT_S = 2

BUFFERS_SHARE = 16  # of the machine's memory, one part in so many
BUFFERS_BYTES_MIN = 128 << 20
BUFFERS_BYTES_MAX = 2 << 30

INITDB_OPTIONS = (
    f"--username={USER}",
    "--auth=trust",  # the socket's folder lets in nobody but us
    "--encoding=UTF8",
    "--locale-provider=builtin",
    "--locale=C.UTF-8",
    "--no-instructions",
)
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    # Half of that, and importing a million devices writes the indexes' pages twice.
    "max_wal_size": "4GB",
    "wal_compression": "on",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_destination": "stderr",
    "logging_collector": "off",
}


class Postgres:
    """The server below `home`. It may be started again after any kind of end."""

    name = "postgres"
    # Fast shutdown: sessions are ended, nothing is lost. SIGTERM would wait for every client.
    stop_signal = signal.SIGINT
    stop_timeout_s = 30.0

    def __init__(self, home: Path, log: Path, settings: Mapping[str, str] | None = None) -> None:
        self.log = log
        self._home = home
        self._settings = {**SETTINGS, "shared_buffers": shared_buffers(), **(settings or {})}
        self._account = unprivileged()
        self._cluster = home / "postgres"
        self._socket = socket_folder(home / "socket")

    @property
    def conninfo(self) -> str:
        return f"host={self._socket} user={USER} dbname={DATABASE}"

    @property
    def _conninfo_at_first(self) -> str:
        return f"host={self._socket} user={USER} dbname=postgres"

    def start(self) -> subprocess.Popen[bytes]:
        """Raises Trouble."""
        installation = postgres_installation_for(self._account, self._home)
        if not self._cluster.exists():
            self._initialize(installation)
        self._check_version()
        own_folder(self._socket, self._account)
        self._clear_what_a_killed_server_left()
        options = [f"--{key}={value}" for key, value in self._settings.items()]
        return spawn(
            [installation / "bin" / "postgres", "-D", self._cluster, "-k", self._socket, *options],
            log=self.log,
            environment=plain_environment(),
            death_signal=signal.SIGINT,
            account=self._account,
        )

    def is_ready(self) -> bool:
        try:
            with psycopg.connect(
                self._conninfo_at_first, autocommit=True, connect_timeout=CONNECT_TIMEOUT_S
            ) as connection:
                self._create_database(connection)
        except psycopg.OperationalError:
            return False
        return True

    def _create_database(self, connection: psycopg.Connection) -> None:
        known = connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE])
        if known.fetchone() is None:
            connection.execute(f"CREATE DATABASE {DATABASE}")

    def _initialize(self, installation: Path) -> None:
        # Beside, then renamed: a first start that was killed begins anew.
        partial = self._home / "postgres.partial"
        shutil.rmtree(partial, ignore_errors=True)
        own_folder(partial, self._account)
        unsafe = ["--no-sync"] if self._settings.get("fsync") == "off" else []
        made = subprocess.run(
            [installation / "bin" / "initdb", "-D", partial, *INITDB_OPTIONS, *unsafe],
            capture_output=True,
            text=True,
            env=plain_environment(),
            cwd="/",
            **(self._account.popen_options if self._account else {}),
        )
        if made.returncode != 0:
            raise Trouble(f"PostgreSQL could not be set up in {partial}:\n{made.stderr.strip()}")
        partial.rename(self._cluster)

    def _check_version(self) -> None:
        found = (self._cluster / "PG_VERSION").read_text().strip()
        if found != str(VERSION):
            raise Trouble(
                f"{self._cluster} was written by PostgreSQL {found}, the embedded one is {VERSION}."
            )

    def _clear_what_a_killed_server_left(self) -> None:
        """A killed server's files name a process that is gone, a zombie, or something else by now.

        The state directory is ours alone, so once no process works in the cluster's folder,
        nobody needs those files; but PostgreSQL itself would refuse to start.
        """
        pid_file = self._cluster / "postmaster.pid"
        if pid_file.exists():
            pid = int(pid_file.read_text().split()[0])
            end = time.monotonic() + STALE_TIMEOUT_S
            while still_works_in(self._cluster.resolve(), pid):
                if time.monotonic() > end:
                    raise Trouble(f"Another PostgreSQL, process {pid}, works in {self._cluster}.")
                time.sleep(0.02)
            pid_file.unlink(missing_ok=True)
        for left in self._socket.glob(".s.PGSQL.*"):
            left.unlink(missing_ok=True)


def still_works_in(cluster: Path, postmaster: int) -> bool:
    """Every process of a PostgreSQL server has its cluster as working directory."""
    if not Path("/proc/self/cwd").exists():
        return bool(identify(postmaster).started)
    return any(_works_in(folder, cluster) for folder in Path("/proc").glob("[0-9]*"))


def _works_in(process_folder: Path, cluster: Path) -> bool:
    try:
        return os.readlink(process_folder / "cwd") == str(cluster)
    except OSError:
        return False  # gone, a zombie, or a stranger's


def socket_folder(wished: Path) -> Path:
    """The folder wished for, or one with a short name: a socket's whole path has a limit."""
    if len(bytes(wished / SOCKET_NAME)) <= SOCKET_PATH_MAX:
        return wished
    name = hashlib.sha256(bytes(wished)).hexdigest()[:10]
    return Path("/tmp") / f".rollcall-{os.geteuid()}-{name}"


def own_folder(folder: Path, account: Account | None) -> None:
    """Make it for the account's eyes only. Raises Trouble where it is a stranger's."""
    folder.mkdir(mode=0o700, exist_ok=True)
    owner = account.uid if account else os.geteuid()
    if folder.is_symlink() or folder.lstat().st_uid not in {owner, os.geteuid()}:
        raise Trouble(f"{folder} belongs to somebody else.")
    folder.chmod(0o700)
    if account:
        os.chown(folder, account.uid, account.gid)


def shared_buffers() -> str:
    """The part of the machine's memory that the server keeps pages in.

    The indexes of a million devices take some 400 MB: where they do not fit, each more is dearer.
    """
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    share = machine // BUFFERS_SHARE
    return f"{min(BUFFERS_BYTES_MAX, max(BUFFERS_BYTES_MIN, share)) >> 20}MB"


def plain_environment() -> dict[str, str]:
    """Nothing in it that PostgreSQL's programs would take as a wish."""
    return {"PATH": os.defpath, "LC_ALL": "C"}
