"""A whole cloud of its own, on free ports and in a temporary folder, gone when done with."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rollcall.embedded.processes import spawn
from rollcall.secret_keys import secrets_of
from rollcall.settings import WISHES
from rollcall.state import CHECKOUT, State
from rollcall.status import status
from rollcall.trouble import Trouble

READY_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 60.0
COMMAND_TIMEOUT_S = 300.0
POLL_S = 0.05
ROLLCALL = (sys.executable, "-m", "rollcall.cli")
# Whatever of ours the environment holds is about the user's own cloud.
OURS = ("ROLLCALL_", "DATABASE_URL", "NATS_")


class ThrowawayCloud:
    """Started as users start it."""

    def __init__(self, folder: Path, *, outlives_us: bool) -> None:
        self.folder = folder
        self.state = State(folder / "state")
        self._outlives_us = outlives_us
        self._environment = environment_for(self.state.path)
        self._output = folder / "output"
        self._supervisor: subprocess.Popen[bytes] | None = None

    def start(self) -> dict[str, Any]:
        """Returns what `rollcall status --json` prints, once everything serves. Raises Trouble."""
        if self._outlives_us:
            started = self.run("up", "--detach")
            if started.returncode != 0:
                raise Trouble(f"The cloud did not start: {started.stdout}{started.stderr}")
            return status(self.state)
        self._supervisor = supervisor = spawn(
            [*ROLLCALL, "up"],
            log=self._output,
            environment=self._environment,
            death_signal=signal.SIGTERM,
            cwd=CHECKOUT,
        )
        until = time.monotonic() + READY_TIMEOUT_S
        while not (found := status(self.state))["ready"]:
            if supervisor.poll() is not None or time.monotonic() > until:
                raise Trouble(f"The cloud did not start: {self._output.read_text()}")
            time.sleep(POLL_S)
        return found

    @property
    def device_master_key(self) -> bytes:
        """What the secrets of devices are made from."""
        return bytes.fromhex(secrets_of(self.state).device_master_key)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """`rollcall` with these words, about this cloud."""
        return subprocess.run(
            [*ROLLCALL, *words],
            env=self._environment,
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            start_new_session=True,  # Ctrl-C is our business
            timeout=COMMAND_TIMEOUT_S,
        )

    def remove(self) -> None:
        """Stop it, and take its folder away. Raises TimeoutExpired if it does not stop."""
        if self._supervisor is not None:
            self._supervisor.terminate()
            self._supervisor.wait(STOP_TIMEOUT_S)
        shutil.rmtree(self.folder)


@contextmanager
def throwaway_cloud(*, keep: bool) -> Iterator[ThrowawayCloud]:
    """Unless kept, it is stopped and removed at the end, however that comes."""
    # A short name, as the paths of sockets may not be long; and PostgreSQL's user may pass.
    folder = Path(tempfile.mkdtemp(prefix="rollcall-demo-", dir="/tmp"))
    folder.chmod(0o711)
    cloud = ThrowawayCloud(folder, outlives_us=keep)
    try:
        yield cloud
    finally:
        if not keep:
            cloud.remove()


def environment_for(state: Path) -> Mapping[str, str]:
    """Ours without any wish about another cloud, but for free ports."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(OURS)}
    return {**kept, "ROLLCALL_STATE": str(state), **{wish.variable: "0" for wish in WISHES}}
