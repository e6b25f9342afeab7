"""Waiting, bounded, for what other threads and processes do."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE_S = 20.0
POLL_S = 0.02


def eventually(look: Callable[[], T], timeout_s: float = PATIENCE_S) -> T:
    """What `look` gives once it is true. Raises AssertionError if that takes too long."""
    end = time.monotonic() + timeout_s
    while not (found := look()):
        assert time.monotonic() < end, f"waited {timeout_s} s in vain"
        time.sleep(POLL_S)
    return found
