"""The state directory: where it is, who owns it, and what is remembered in it."""

import fcntl
import hashlib
import os
import subprocess
import time
from pathlib import Path
from typing import IO

import msgspec
from msgspec import Struct

from rollcall.embedded.processes import Account, Identity, reachable_by_others
from rollcall.trouble import Trouble

CHECKOUT = Path(__file__).resolve().parent.parent
OWN_TIMEOUT_S = 0.5  # `status` holds the owner file for an instant while it looks


class Runtime(Struct, frozen=True, kw_only=True):
    """What runs now, as the supervisor last wrote it."""

    supervisor: Identity
    children: dict[str, Identity] = {}
    ready: bool = False
    ports: dict[str, int] = {}
    http: str | None = None
    device_http: str | None = None
    mqtt: str | None = None
    nats: str | None = None
    nats_url: str | None = None
    database: str | None = None
    admin_email: str | None = None
    mails: str | None = None


def state_path(asked: str | None) -> Path:
    """`<checkout>/.run`, unless asked otherwise or PostgreSQL's user could not get there."""
    if asked:
        return Path(asked).absolute()
    if os.geteuid() == 0 and not reachable_by_others(CHECKOUT):
        name = hashlib.sha256(bytes(CHECKOUT)).hexdigest()[:10]
        return Path("/var/lib") / f"rollcall-{name}"
    return CHECKOUT / ".run"


class State:
    """One state directory. Only the owner writes; everybody with the right may read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.logs = path / "log"
        self.ready = path / "ready"
        self.admin_token = path / "admin_token"
        self.admin_password = path / "admin_password"
        self.master_key = path / "master_key"
        self.secrets = path / "secrets.json"
        self._owner = path / "owner"
        self._ports = path / "ports.json"
        self._runtime = path / "runtime.json"

    def own(self, admitted: Account | None = None) -> IO[str]:
        """Make the directory ours until the file returned is closed. Raises Trouble.

        `admitted` is the other user who may pass through it to a folder of their own.
        """
        self._make(admitted)
        owner = self._owner.open("w")
        end = time.monotonic() + OWN_TIMEOUT_S
        while not _taken(owner, fcntl.LOCK_EX):
            if time.monotonic() > end:
                owner.close()
                raise Trouble(f"Rollcall already runs here: {self._whoever()}.")
            time.sleep(0.01)
        return owner

    def is_owned(self) -> bool:
        if not self._owner.exists():
            return False
        with self._owner.open() as owner:
            return not _taken(owner, fcntl.LOCK_SH)

    def runtime(self) -> Runtime | None:
        """What runs, or what ran when the last supervisor was killed; None after a clean stop."""
        try:
            return msgspec.json.decode(self._runtime.read_bytes(), type=Runtime)
        except FileNotFoundError:
            return None

    def remember_runtime(self, runtime: Runtime) -> None:
        write_private(self._runtime, msgspec.json.encode(runtime))

    def forget_runtime(self) -> None:
        self._runtime.unlink(missing_ok=True)

    def ports(self) -> dict[str, int]:
        try:
            return msgspec.json.decode(self._ports.read_bytes(), type=dict[str, int])
        except FileNotFoundError:
            return {}

    def remember_ports(self, ports: dict[str, int]) -> None:
        write_private(self._ports, msgspec.json.encode(ports))

    def _make(self, admitted: Account | None) -> None:
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._check()
            self._admit(admitted)
            for folder in (self.logs, self.ready):
                folder.mkdir(mode=0o700, exist_ok=True)
        except (PermissionError, NotADirectoryError, FileExistsError) as error:
            raise Trouble(
                f"The state directory {self.path} cannot be made: {error.strerror} "
                f"({error.filename}). ROLLCALL_STATE names another."
            ) from None

    def _check(self) -> None:
        """Nobody else's directory becomes ours by a slip of the keyboard."""
        if self.path.stat().st_uid != os.geteuid():
            raise Trouble(f"The state directory {self.path} belongs to another user.")
        if not self._owner.exists() and any(self.path.iterdir()):
            raise Trouble(f"{self.path} holds something else than the state of a Rollcall.")

    def _admit(self, account: Account | None) -> None:
        if account is None:
            self.path.chmod(0o700)
            return
        os.chown(self.path, 0, account.gid)
        self.path.chmod(0o710)
        enter: list[str | Path] = ["/bin/sh", "-c", 'cd "$0"', self.path]
        tried = subprocess.run(enter, cwd="/", capture_output=True, **account.popen_options)
        if tried.returncode != 0:
            raise Trouble(
                f"PostgreSQL never runs as root but as {account.name}, who cannot reach the state "
                f"directory {self.path}. ROLLCALL_STATE names another, DATABASE_URL another server."
            )

    def _whoever(self) -> str:
        runtime = self.runtime()
        if runtime is None:
            return f"it is starting or stopping, state directory {self.path}"
        return (
            f"process {runtime.supervisor.pid}, {runtime.http or 'HTTP not yet up'}, "
            f"state directory {self.path}. `rollcall stop` stops it"
        )


def write_private(path: Path, content: bytes) -> None:
    """The whole content or none of it, for the owner's eyes only."""
    partial = path.with_name(path.name + ".partial")
    partial.unlink(missing_ok=True)
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.rename(path)
    persist_names(path.parent)


def persist_names(folder: Path) -> None:
    """What was renamed in the folder is so from now on, also after a power cut."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _taken(file: IO[str], how: int) -> bool:
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
