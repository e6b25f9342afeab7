"""kill -9, of one thing or of everything, whatever it is doing at that moment."""

import os
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random

from rollcall.embedded.processes import Identity, identify, runs, wait_until_gone
from tests.cloud import Cloud

GONE_TIMEOUT_S = 30.0
STARTED_TIMEOUT_S = 30.0
POLL_S = 0.01


class Killer:
    """Each `victims` entry kills one kind of thing, and starts again what nobody else would."""

    def __init__(self, cloud: Cloud, random: Random) -> None:
        self._cloud = cloud
        self._random = random
        children = ("api", "projections", "edge-1", "edge-2", "journal", "intake", "nats")
        self.victims: dict[str, Callable[[], None]] = {
            **{name: self._killing(name) for name in children},
            "postgres": self._postgres,
            "a backend of postgres": self._backend,
            "supervisor": self._supervisor,
            "everything": self._everything,
        }

    def _killing(self, name: str) -> Callable[[], None]:
        return lambda: kill([self._running(name)])

    def _postgres(self) -> None:
        """The postmaster with all its backends: nothing in shared memory is written any more."""
        postmaster = self._running("postgres")
        kill([postmaster, *children_of(postmaster.pid)])

    def _backend(self) -> None:
        """PostgreSQL then ends every session by itself, and recovers."""
        postmaster = self._running("postgres")
        backends = [one for one in children_of(postmaster.pid) if serves_a_client(one.pid)]
        if backends:
            kill([self._random.choice(backends)])

    def _supervisor(self) -> None:
        """What it started ends by itself, in its own time; the next start does not wait."""
        kill([self._running("supervisor")])
        self._start_again()

    def _everything(self) -> None:
        pids = self._cloud.status["pids"]
        backends = children_of(pids["postgres"]) if "postgres" in pids else []
        kill([*(identify(pid) for pid in pids.values()), *backends])
        self._start_again()

    def _start_again(self) -> None:
        self._cloud.stop()  # it is dead: this is only heard of here
        self._cloud.start()

    def _running(self, name: str) -> Identity:
        """It may just be on its way back from the last time."""
        until = time.monotonic() + STARTED_TIMEOUT_S
        while True:
            pid = self._cloud.status["pids"].get(name)
            if pid is not None and runs(known := identify(pid)):
                return known
            assert time.monotonic() < until, f"{name} does not come back"
            time.sleep(POLL_S)


def kill(victims: Iterable[Identity]) -> None:
    """Kill them, as close together as can be; returns once all are gone."""
    killed = list(victims)
    for victim in killed:
        try:
            os.kill(victim.pid, signal.SIGKILL)
        except ProcessLookupError:
            continue  # it ended in between, by the death of another
    assert wait_until_gone(killed, GONE_TIMEOUT_S)


def children_of(pid: int) -> list[Identity]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # gone meanwhile
        if fields[1] == str(pid):
            found.append(identify(int(stat.parent.name)))
    return found


def serves_a_client(pid: int) -> bool:
    """PostgreSQL writes into its processes' titles what each of them does."""
    try:
        return b"[local]" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False
