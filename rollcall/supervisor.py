"""Keeps processes running: starts them, waits until they serve, starts those that die again."""

import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Protocol

from rollcall.embedded.processes import Identity, identify
from rollcall.logs import rotate, tail
from rollcall.trouble import Trouble

BACKOFF_S_MIN = 0.2
BACKOFF_S_MAX = 5.0
BACKOFF_DOUBLINGS_MAX = 10
STEADY_S = 10.0  # who ran for so long and then died starts with the shortest pause again
STARTS_MAX = 5  # of one that never became ready, while we wait for it
READY_TIMEOUT_S = 60.0
READY_POLL_S = 0.03
ROTATE_EVERY_S = 60.0
TAIL_LINES = 20
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Program(Protocol):
    """Something that can be started again and again, and says when it serves."""

    @property
    def name(self) -> str: ...
    @property
    def log(self) -> Path: ...
    @property
    def stop_signal(self) -> signal.Signals: ...
    @property
    def stop_timeout_s(self) -> float: ...

    def start(self) -> subprocess.Popen[bytes]: ...
    def is_ready(self) -> bool: ...


class Interrupted(Trouble):
    """Stopped before everything was ready."""


@dataclass
class Kept:
    """A program we keep running. `starts` counts those since it last ran steadily."""

    program: Program
    process: subprocess.Popen[bytes]
    identity: Identity
    started_at: float
    starts: int = 1
    ready: bool = False
    restart_at: float | None = None


@dataclass
class Supervisor:
    """Programs in layers: a later layer needs the earlier ones, and is stopped before them."""

    changed: Callable[[], None]
    say: Callable[[str], None]
    logs: Path
    _layers: list[list[Kept]] = field(default_factory=list)
    _stopping: bool = False
    _rotate_at: float = 0.0

    def __post_init__(self) -> None:
        self._wakeup, waker = socket.socketpair()
        self._wakeup.setblocking(False)
        waker.setblocking(False)
        self._waker = waker  # kept: the interpreter writes to its number
        signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        for number in STOP_SIGNALS:
            signal.signal(number, self._ask_to_stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # it only has to wake us up

    @property
    def identities(self) -> dict[str, Identity]:
        return {kept.program.name: kept.identity for kept in self._all if kept.restart_at is None}

    @property
    def ready(self) -> bool:
        return all(kept.ready for kept in self._all)

    def start(self, programs: Sequence[Program], timeout_s: float = READY_TIMEOUT_S) -> None:
        """Start a layer and wait until all of it serves. Raises Trouble naming who does not."""
        self.check_interrupted()
        layer: list[Kept] = []
        self._layers.append(layer)
        for program in programs:
            layer.append(self._started(program))
        self.changed()
        end = time.monotonic() + timeout_s
        while not all(kept.ready for kept in layer):
            self._tick()
            self.check_interrupted()
            for kept in layer:
                late = time.monotonic() > end or (kept.restart_at and kept.starts >= STARTS_MAX)
                if late and not kept.ready:
                    raise Trouble(not_ready(kept, timeout_s))

    def check_interrupted(self) -> None:
        """Raises Interrupted."""
        if self._stopping:
            raise Interrupted("Stopped before everything was ready.")

    def keep_running(self) -> None:
        """Until somebody asks us to stop."""
        while not self._stopping:
            self._tick()

    def stop(self) -> None:
        for layer in reversed(self._layers):
            stop_all(kept for kept in layer if kept.restart_at is None)
        signal.set_wakeup_fd(-1)
        self._wakeup.close()
        self._waker.close()

    @property
    def _all(self) -> list[Kept]:
        return [kept for layer in self._layers for kept in layer]

    def _ask_to_stop(self, number: int, frame: FrameType | None) -> None:
        self._stopping = True

    def _tick(self) -> None:
        """Look after everyone once; where nothing changed, sleep until something can have."""
        changes = [self._look_after(kept, time.monotonic()) for kept in self._all]
        if any(changes):
            self.changed()
            return
        if time.monotonic() > self._rotate_at:
            for log in self.logs.glob("*.log"):
                rotate(log)
            self._rotate_at = time.monotonic() + ROTATE_EVERY_S
        select.select([self._wakeup], [], [], self._pause_s())
        with suppress(BlockingIOError):
            self._wakeup.recv(4096)

    def _pause_s(self) -> float:
        now = time.monotonic()
        waits = [max(0.0, kept.restart_at - now) for kept in self._all if kept.restart_at]
        if any(not kept.ready and kept.restart_at is None for kept in self._all):
            waits.append(READY_POLL_S)
        return min([*waits, ROTATE_EVERY_S])

    def _look_after(self, kept: Kept, now: float) -> bool:
        """Whether something changed."""
        if kept.restart_at is not None:
            if now < kept.restart_at:
                return False
            self._start_again(kept)
            return True
        if kept.process.poll() is not None:
            self._plan_restart(kept, now)
            return True
        if not kept.ready and kept.program.is_ready():
            kept.ready = True
            return True
        return False

    def _plan_restart(self, kept: Kept, now: float) -> None:
        if now - kept.started_at > STEADY_S:
            kept.starts = 1
        pause_s = backoff_s(kept.starts)
        kept.ready = False
        kept.restart_at = now + pause_s
        how = ended(kept.process)
        when = datetime.now(UTC).isoformat(timespec="seconds")
        self.say(f"{when} {kept.program.name} {how}; starting it again in {pause_s:.1f} s.")

    def _start_again(self, kept: Kept) -> None:
        fresh = self._started(kept.program)
        kept.process, kept.identity = fresh.process, fresh.identity
        kept.started_at, kept.restart_at = fresh.started_at, None
        kept.starts += 1

    def _started(self, program: Program) -> Kept:
        process = program.start()
        return Kept(program, process, identify(process.pid), time.monotonic())


def stop_all(layer: Iterable[Kept]) -> None:
    """Ask all of them at once, wait for each, kill whoever does not hear."""
    kept_ones = list(layer)
    for kept in kept_ones:
        if kept.process.poll() is None:
            kept.process.send_signal(kept.program.stop_signal)
    asked_at = time.monotonic()
    for kept in kept_ones:
        left_s = max(0.0, asked_at + kept.program.stop_timeout_s - time.monotonic())
        try:
            kept.process.wait(left_s)
        except subprocess.TimeoutExpired:
            kept.process.kill()
            kept.process.wait()


def backoff_s(starts: int) -> float:
    """How long to wait after that many starts, each of which soon ended."""
    return min(BACKOFF_S_MAX, BACKOFF_S_MIN * 2.0 ** min(starts - 1, BACKOFF_DOUBLINGS_MAX))


def ended(process: subprocess.Popen[bytes]) -> str:
    code = process.returncode
    if code >= 0:
        return f"ended with {code}"
    named = {number.value: number.name for number in signal.Signals}
    return f"was ended by {named.get(-code, -code)}"


def not_ready(kept: Kept, timeout_s: float) -> str:
    name = kept.program.name
    why = f"{name} is not ready after {timeout_s:.0f} s"
    if kept.restart_at is not None:
        why = f"{name} {ended(kept.process)}, start after start"
    lines = "".join(f"  {line}\n" for line in tail(kept.program.log, TAIL_LINES))
    return f"{why}. The end of {kept.program.log}:\n{lines}".rstrip()
