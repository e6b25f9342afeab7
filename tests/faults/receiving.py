"""A receiver of webhooks that is a process of its own, to be killed like everything else."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rollcall.state import CHECKOUT
from tests.faults.accepting import FOLDER, PORT, READY, SEED, TAKEN, TROUBLED, read_taken

# Below those that the kernel hands out: nobody gets it while we are away.
PORTS = range(20_000, 30_000)
READY_TIMEOUT_S = 30.0
POLL_S = 0.01


class Receiving:
    """Killed, it comes back at the same address, and knows what it has taken."""

    def __init__(self, folder: Path, seed: str) -> None:
        self._folder = folder
        self._port = free_port(seed)
        self._environment = {
            "PATH": os.environ["PATH"],
            FOLDER: str(folder),
            PORT: str(self._port),
            SEED: seed,
        }
        self._process: subprocess.Popen[bytes] | None = None
        self.kills = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/"

    @property
    def accepted(self) -> dict[str, str]:
        """What was said, by id, in the order of coming. Raises AssertionError for one twice."""
        taken = read_taken(self._folder)
        accepted = dict(taken)
        assert len(accepted) == len(taken)
        return accepted

    def trouble(self, *, troubled: bool) -> None:
        """Whether it fails now and then by itself."""
        if troubled:
            (self._folder / TROUBLED).touch()
        else:
            (self._folder / TROUBLED).unlink(missing_ok=True)

    def start(self) -> None:
        """Returns once it answers."""
        ready = self._folder / READY
        ready.unlink(missing_ok=True)
        program = [sys.executable, "-m", "tests.faults.accepting"]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                program, env=self._environment, cwd=CHECKOUT, stdout=log, stderr=log
            )
        end = time.monotonic() + READY_TIMEOUT_S
        while not ready.exists():
            assert self._process.poll() is None, (self._folder / "log").read_text()
            assert time.monotonic() < end, "the receiver does not come back"
            time.sleep(POLL_S)

    def kill(self) -> None:
        """kill -9, whatever it is doing."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self.kills += 1


def free_port(seed: str) -> int:
    """One of PORTS that nobody listens at; from which on it is looked for, the seed says."""
    first = sum(seed.encode()) * 97 % len(PORTS)
    for number in range(len(PORTS)):
        port = PORTS[(first + number) % len(PORTS)]
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port
    raise AssertionError("every port is taken")


@contextmanager
def receiving(seed: str) -> Iterator[Receiving]:
    """One that runs, until the end of the block."""
    with tempfile.TemporaryDirectory(prefix="rollcall-receiver-") as name:
        folder = Path(name)
        (folder / TAKEN).touch()
        ours = Receiving(folder, seed)
        ours.start()
        try:
            yield ours
        finally:
            ours.kill()
