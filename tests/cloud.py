"""The whole cloud for an end-to-end test, started as users start it, in a folder of its own."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

from rollcall.embedded.processes import Account, Identity, identify, spawn, wait_until_gone
from rollcall.settings import WISHES
from rollcall.state import CHECKOUT, State
from rollcall.status import status
from tests.place import place

READY_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 60.0
POLL_S = 0.05
HTTP_TIMEOUT_S = 30.0
UP = ("rollcall.cli", "up")
OURS = ("ROLLCALL_", "DATABASE_URL", "NATS_")


class Cloud:
    """One state directory, and what runs there. It may be stopped or killed, and started again."""

    def __init__(
        self,
        state: Path,
        *,
        environment: Mapping[str, str],
        words: Sequence[str] = UP,
        python: Sequence[str] = (sys.executable,),
        account: Account | None = None,
    ) -> None:
        self.state = State(state)
        self.environment = {**plain_environment(state), **environment}
        self.output = state.with_name(state.name + ".output")
        self._command = [*python, "-m", *words]
        self._python = python
        self._account = account
        self._supervisor: subprocess.Popen[bytes] | None = None
        self._http: httpx.Client | None = None

    @property
    def status(self) -> dict[str, Any]:
        """What `rollcall status --json` prints, now."""
        return status(self.state)

    @property
    def http(self) -> httpx.Client:
        """Talks to the API with the administrator's token."""
        if self._http is None:
            found = self.status
            token = {"Authorization": f"Bearer {found['admin_token']}"}
            self._http = httpx.Client(
                base_url=found["http"], headers=token, timeout=HTTP_TIMEOUT_S, trust_env=False
            )
        return self._http

    def start(self) -> None:
        """Start everything and wait until it serves."""
        # Not --detach: like this it dies with the test, however that ends.
        self._supervisor = spawn(
            list(self._command),
            log=self.output,
            environment=self.environment,
            death_signal=signal.SIGTERM,
            cwd=CHECKOUT,
            account=self._account,
        )
        self.wait_ready()

    def wait_ready(self, timeout_s: float = READY_TIMEOUT_S) -> None:
        """Wait until everything serves, also after something was killed."""
        end = time.monotonic() + timeout_s
        while not self.status["ready"]:
            ended = self._supervisor is None or self._supervisor.poll() is not None
            assert not ended, self.output.read_text()
            assert time.monotonic() < end, self.output.read_text()
            time.sleep(POLL_S)

    def run(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """`rollcall` with these words, on this state directory."""
        return subprocess.run(
            [*self._python, "-m", "rollcall.cli", *words],
            env={**self.environment, **environment},
            **(self._account.popen_options if self._account else {}),
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            timeout=STOP_TIMEOUT_S,
        )

    def kill(self, name: str) -> None:
        """kill -9 of one: "supervisor", "postgres", "nats", "api", "edge-1" …; waits until dead."""
        self._kill([identify(self.status["pids"][name])])

    def kill_all(self) -> None:
        """kill -9 of everything at once, the supervisor first."""
        # PostgreSQL's own children are not in the list; they end by themselves.
        self._kill([identify(pid) for pid in self.status["pids"].values()])

    def stop(self) -> None:
        """As Ctrl-C does it. Nothing happens where nothing runs."""
        self.close_http()
        if self._supervisor is not None:
            if self._supervisor.poll() is None:
                self._supervisor.send_signal(signal.SIGTERM)
            self._supervisor.wait(STOP_TIMEOUT_S)

    def close_http(self) -> None:
        if self._http is not None:
            self._http.close()
            self._http = None

    def _kill(self, victims: list[Identity]) -> None:
        for victim in victims:
            with suppress(ProcessLookupError):  # it ended in between, by the death of another
                os.kill(victim.pid, signal.SIGKILL)
        assert wait_until_gone(victims, STOP_TIMEOUT_S)
        if self._supervisor is not None and self._supervisor.pid in {v.pid for v in victims}:
            self._supervisor.wait(STOP_TIMEOUT_S)


@contextmanager
def cloud(*, edges: int = 1, environment: Mapping[str, str] | None = None) -> Iterator[Cloud]:
    """A running cloud on free ports, with nothing in it."""
    with home() as folder:
        words = (*UP, "--edges", str(edges))
        ours = Cloud(folder / "state", words=words, environment=environment or {})
        try:
            ours.start()
            yield ours
        finally:
            ours.stop()


@contextmanager
def home(where: Path | None = None) -> Iterator[Path]:
    """A folder to keep a state directory in, with a short name; PostgreSQL's user may pass."""
    folder = Path(tempfile.mkdtemp(prefix="rollcall-cloud-", dir=where or place()))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def plain_environment(state: Path) -> dict[str, str]:
    """This process's environment without any wish of Rollcall's, but for free ports."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(OURS)}
    return {**kept, "ROLLCALL_STATE": str(state), **{wish.variable: "0" for wish in WISHES}}
