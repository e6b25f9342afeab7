"""Taking turns, within a process, at what is decided on all others of its kind.

A guard keeps such decisions right whoever makes them. But of many that are made at once one is
recorded, and all others have to look again: taken one after the other, each is right at once.
"""

from asyncio import Lock
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from domain.log.fleet import Contended

WAITING_MAX = 256  # for one turn; more are told to try again, or they would wait past any patience


@dataclass
class Queue:
    """Whoever has the turn now, and those who wait for it: `calls` are both."""

    turn: Lock = field(default_factory=Lock)
    calls: int = 0


class Turns:
    """The queues of a process, by what is decided in them. An empty one is forgotten."""

    def __init__(self) -> None:
        self._queues: dict[str, Queue] = {}

    @asynccontextmanager
    async def take(self, decided: str) -> AsyncIterator[None]:
        """Waits for the turn. Raises Contended where too many are waiting."""
        queue = self._queues.setdefault(decided, Queue())
        if queue.calls > WAITING_MAX:
            raise Contended
        queue.calls += 1
        try:
            async with queue.turn:
                yield
        finally:
            queue.calls -= 1
            if not queue.calls:
                del self._queues[decided]
