"""Operating system processes: started so that they die with us, known again later, stopped."""

import ctypes
import os
import pwd
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from msgspec import Struct

from rollcall.trouble import Trouble

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
LEFTOVERS_TIMEOUT_S = 10.0
POLL_S = 0.02
OPEN_FILES = 1 << 17


class Account(NamedTuple):
    """The user that PostgreSQL runs as where we are root, whom it refuses."""

    name: str
    uid: int
    gid: int

    @property
    def popen_options(self) -> dict[str, Any]:
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


class Identity(Struct, frozen=True):
    """A process, told apart from a later one that got the same number."""

    pid: int
    started: str


def unprivileged() -> Account | None:
    """None where we are an ordinary user ourselves. Raises Trouble."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        # initdb asks for the user's name, so a bare number would not do.
        if entry := next((entry for entry in pwd.getpwall() if entry.pw_name == name), None):
            return Account(name, entry.pw_uid, entry.pw_gid)
    raise Trouble("PostgreSQL refuses to run as root and there is no user postgres or nobody.")


def reachable_by_others(path: Path) -> bool:
    path = path.resolve()
    return all(folder.stat().st_mode & 0o001 for folder in (path, *path.parents))


def spawn(
    command: list[str | Path],
    *,
    log: Path,
    environment: Mapping[str, str],
    death_signal: signal.Signals,
    cwd: Path = Path("/"),
    account: Account | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own: Ctrl-C reaches the supervisor alone."""
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=cwd,
            start_new_session=True,
            preexec_fn=die_with_parent(death_signal),  # noqa: PLW1509, it takes no lock
            **(account.popen_options if account else {}),
        )


def die_with_parent(death_signal: signal.Signals) -> Callable[[], None] | None:
    """Linux only. Elsewhere the next start ends what was left behind."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    parent = os.getpid()

    def ask() -> None:
        libc.prctl(PR_SET_PDEATHSIG, death_signal.value)
        if os.getppid() != parent:  # it died before we asked
            os._exit(1)

    return ask


def adopt_orphans() -> None:
    """Linux only: what our children start and leave behind at their end is our child from then."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)


def children_of(pid: int) -> list[Identity]:
    """Those that run. Linux only: elsewhere none is found."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # gone meanwhile
        if fields[1] == str(pid):
            found.append(identify(int(stat.parent.name)))
    return [known for known in found if known.started]


def raise_open_files_max() -> None:
    """Each connection is an open file: take as many as we may have, for us and our children."""
    _, allowed = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if allowed == resource.RLIM_INFINITY else min(OPEN_FILES, allowed)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, allowed))


def identify(pid: int) -> Identity:
    """`started` is empty where no such process runs; a zombie does not run."""
    return Identity(pid, _started_linux(pid) if sys.platform == "linux" else _started(pid))


def runs(known: Identity) -> bool:
    return bool(known.started) and identify(known.pid) == known


def end(left: Mapping[str, Identity], *, signals: Mapping[str, signal.Signals]) -> None:
    """End processes that a killed supervisor left behind: asked first, killed when time is up."""
    running = {name: known for name, known in left.items() if runs(known)}
    for name, known in running.items():
        _signal(known, signals.get(name, signal.SIGTERM))
    if not wait_until_gone(running.values(), LEFTOVERS_TIMEOUT_S):
        for known in running.values():
            _signal(known, signal.SIGKILL)
        wait_until_gone(running.values(), LEFTOVERS_TIMEOUT_S)


def wait_until_gone(processes: Iterable[Identity], timeout_s: float) -> bool:
    left = list(processes)
    until = time.monotonic() + timeout_s
    while left := [known for known in left if runs(known)]:
        if time.monotonic() > until:
            return False
        time.sleep(POLL_S)
    return True


def _signal(known: Identity, number: signal.Signals) -> None:
    if runs(known):
        try:
            os.kill(known.pid, number)
        except ProcessLookupError:
            return  # it ended in between, which is what we want


def _started_linux(pid: int) -> str:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    # The name in parentheses may hold anything; state and start time are counted from its end.
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] in "ZX" else fields[19]


def _started(pid: int) -> str:
    shown = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True
    )
    status, _, started = shown.stdout.strip().partition(" ")
    return "" if status.startswith("Z") else started.strip()
