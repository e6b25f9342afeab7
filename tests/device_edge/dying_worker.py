"""A worker that kills itself, as kill -9 does, the n-th time that it comes to a certain step."""

import os
import runpy
import signal
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

from device_edge.intake import store as intake_store
from device_edge.intake.worker import Intake
from device_edge.journal import store as journal_store
from device_edge.journal.store import Store
from device_edge.journal.worker import Worker

# What is replaced, and whether death comes before it or after it.
STEPS: dict[str, tuple[Any, str, bool]] = {
    "journal before deciding": (Store, "ledger", True),
    "journal before storing": (Store, "keep", True),
    "journal between checkpoint and sessions": (journal_store, "keep_sessions", True),
    "journal between sessions and events": (journal_store, "keep_connections", False),
    "journal after storing": (Store, "keep", False),
    "journal before removing": (Worker, "_purge", True),
    "intake before storing": (intake_store.Store, "keep", True),
    "intake before copying": (intake_store.Store, "_copy", True),
    "intake after copying": (intake_store.Store, "_copy", False),
    "intake after counting": (intake_store.Store, "_count", False),
    "intake before acknowledging": (Intake, "_acknowledge", True),
    "intake before removing": (Intake, "_purge", True),
}


def die_at(step: str, time: int) -> None:
    owner, name, before = STEPS[step]
    original: Callable[..., Any] = getattr(owner, name)
    times = 0

    def come() -> None:
        nonlocal times
        times += 1
        if times == time:
            os.kill(os.getpid(), signal.SIGKILL)

    @wraps(original)
    def sync(*arguments: Any, **named: Any) -> Any:
        if before:
            come()
        outcome = original(*arguments, **named)
        if not before:
            come()
        return outcome

    @wraps(original)
    async def aware(*arguments: Any, **named: Any) -> Any:
        if before:
            come()
        outcome = await original(*arguments, **named)
        if not before:
            come()
        return outcome

    coroutine = original.__code__.co_flags & 0x80  # inspect.CO_COROUTINE
    setattr(owner, name, aware if coroutine else sync)


if __name__ == "__main__":
    module, step, time = sys.argv[1:]
    die_at(step, int(time))
    runpy.run_module(module, run_name="__main__", alter_sys=True)
