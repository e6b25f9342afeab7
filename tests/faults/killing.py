"""kill -9, of one thing or of everything, whatever it is doing at that moment."""

import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path
from random import Random

from rollcall.embedded.processes import (
    Identity,
    children_of,
    identify,
    runs,
    wait_until_gone,
)
from tests.cloud import Cloud
from tests.faults.receiving import Receiving

BACKEND = "a backend of postgres"
EVERYTHING = "everything"
RECEIVER = "the receiver"  # of webhooks: outside the cloud
GONE_TIMEOUT_S = 30.0
STARTED_TIMEOUT_S = 30.0
POLL_S = 0.01


VICTIMS = (
    *("api", "projections", "edge-1", "edge-2", "journal", "intake"),
    *("deliveries-1", "deliveries-2", "nats", "postgres", BACKEND, "supervisor", EVERYTHING),
    RECEIVER,
)


class Killer:
    """Aims, and strikes; then starts again what nobody else would."""

    def __init__(self, cloud: Cloud, receiving: Receiving, random: Random) -> None:
        self._cloud = cloud
        self._receiving = receiving
        self._random = random

    def kill(self, victim: str) -> None:
        """One of VICTIMS, whatever it is doing; waits for it if it is just coming back."""
        if victim == RECEIVER:
            self._receiving.kill()
            self._receiving.start()
        else:
            self.strike(victim, self.aim(victim))

    def aim(self, victim: str) -> list[Identity]:
        """The processes of the cloud to kill, all in the same moment."""
        if victim == EVERYTHING:
            running = [identify(pid) for pid in self._cloud.status["pids"].values()]
            return [*running, *self._of_postgres()]
        if victim == BACKEND:
            # PostgreSQL then ends every session by itself, and recovers.
            backends = [one for one in self._of_postgres() if serves_a_client(one.pid)]
            return [self._random.choice(backends)] if backends else []
        # The postmaster with all its backends: nothing in shared memory is written any more.
        return self._of_postgres() if victim == "postgres" else [self._running(victim)]

    def strike(self, victim: str, aimed_at: Iterable[Identity]) -> None:
        """Without a supervisor, what it started ends by itself; the next start does not wait."""
        kill(aimed_at)
        if victim in {"supervisor", EVERYTHING}:
            self._cloud.stop()  # it is dead: this is only heard of here
            self._cloud.start()

    def _of_postgres(self) -> list[Identity]:
        postmaster = self._running("postgres")
        return [postmaster, *children_of(postmaster.pid)]

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


def serves_a_client(pid: int) -> bool:
    """PostgreSQL writes into its processes' titles what each of them does."""
    try:
        return b"[local]" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False
