"""Workers as processes of their own, to be killed."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from domain.log.master_keys import spelled
from rollcall.state import CHECKOUT
from tests.people import MASTER_KEY

READY_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0
POLL_S = 0.02
NO_NATS = "nats://127.0.0.1:9"


class WorkerProcess:
    """A program that is a worker; it may be killed and started again."""

    def __init__(self, database: str, folder: Path, module: str, more: Mapping[str, str]) -> None:
        self._module = module
        self._ready = folder / "ready"
        self._log = folder / "log"
        self._environment = {
            "PATH": os.environ["PATH"],
            "DATABASE_URL": database,
            "NATS_URL": NO_NATS,
            "ROLLCALL_MASTER_KEY": spelled(MASTER_KEY),
            "ROLLCALL_DELIVER_PRIVATE": "1",
            "ROLLCALL_READY_FILE": str(self._ready),
            **more,
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._ready.unlink(missing_ok=True)
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", self._module],
                env=self._environment,
                cwd=CHECKOUT,
                stdout=log,
                stderr=log,
            )

    def wait_ready(self) -> None:
        assert self.process is not None
        end = time.monotonic() + READY_TIMEOUT_S
        while not self._ready.exists():
            assert self.process.poll() is None, self._log.read_text()
            assert time.monotonic() < end, self._log.read_text()
            time.sleep(POLL_S)

    def kill(self) -> None:
        """kill -9, whatever it is doing."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """Its exit code must be 0: what is under way is brought to an end."""
        if self.process is None or self.process.poll() is not None:
            return
        self.wait_ready()  # from then on it hears
        self.process.terminate()
        assert self.process.wait(STOP_TIMEOUT_S) == 0, self._log.read_text()


@contextmanager
def worker_processes(
    database: str, count: int, module: str = "projections.deliveries", **more: str
) -> Iterator[list[WorkerProcess]]:
    """So many, all ready, until the end of the block."""
    with tempfile.TemporaryDirectory(prefix="rollcall-workers-") as name:
        folders = [Path(name) / str(number) for number in range(count)]
        workers = []
        try:
            for folder in folders:
                folder.mkdir()
                workers.append(WorkerProcess(database, folder, module, more))
                workers[-1].start()
            for worker in workers:
                worker.wait_ready()
            yield workers
            for worker in workers:
                worker.stop()
        finally:
            for worker in workers:
                if worker.process is not None:
                    worker.process.kill()
                    worker.process.wait()
