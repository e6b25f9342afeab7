"""How far the read models are, as their followers say it; and waiting until they are far enough."""

import asyncio
import logging
from collections.abc import Sequence
from heapq import heappop, heappush
from itertools import count

import psycopg
from psycopg import AsyncConnection

from api.database import POSITIONS

log = logging.getLogger("rollcall.api")

MODELS = ("fleet", "history", "access", "integrations")
WAIT_S = 2.0
LOOK_S = 0.5  # with nothing said for so long, look
RECONNECT_S = 0.5
WAITERS_MAX = 10_000


class Followed:
    """One connection listens for all calls of the process."""

    def __init__(self, conninfo: str, wait_s: float = WAIT_S) -> None:
        self._conninfo = conninfo
        self._wait_s = wait_s
        self._positions = dict.fromkeys(MODELS, 0)
        self._waiting: dict[str, list[tuple[int, int, asyncio.Future[None]]]] = {
            model: [] for model in MODELS
        }
        self._arrivals = count()

    async def listen(self) -> None:
        """Listens until cancelled; comes back by itself when the connection is lost."""
        while True:
            try:
                async with await AsyncConnection.connect(
                    self._conninfo, autocommit=True
                ) as connection:
                    await connection.execute("LISTEN followed")
                    await self._follow(connection)
            except psycopg.OperationalError as error:
                log.warning("not listening to the followers: %s", error)
                # Read models that a crash of the database threw back are behind where they were.
                self._positions = dict.fromkeys(MODELS, 0)
                await asyncio.sleep(RECONNECT_S)

    async def _follow(self, connection: AsyncConnection[tuple[int, ...]]) -> None:
        while True:
            row = await (await connection.execute(POSITIONS)).fetchone()
            assert row is not None
            for model, position in zip(MODELS, row, strict=True):
                self.reach(model, position)
            async for notify in connection.notifies(timeout=LOOK_S):
                model, _, reached = notify.payload.partition(" ")
                if model in self._positions and reached.isdigit():
                    self.reach(model, int(reached))

    def reach(self, model: str, position: int) -> None:
        """The model is at the position: whoever waited for it goes on."""
        self._positions[model] = max(self._positions[model], position)
        waiting = self._waiting[model]
        while waiting and waiting[0][0] <= position:
            future = heappop(waiting)[2]
            if not future.done():
                future.set_result(None)

    async def behind(self, position: int, models: Sequence[str] = MODELS) -> list[str]:
        """Waits, bounded, for the models to reach the position; names those that did not."""
        futures: dict[str, asyncio.Future[None]] = {}
        for model in models:
            if self._positions[model] < position:
                futures[model] = self._wait(model, position)
        if futures:
            await asyncio.wait(futures.values(), timeout=self._wait_s)
        late = [model for model, future in futures.items() if not future.done()]
        for model in late:
            futures[model].cancel()
        return late

    def _wait(self, model: str, position: int) -> asyncio.Future[None]:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = self._waiting[model]
        if len(waiting) >= WAITERS_MAX:
            waiting[:] = sorted(one for one in waiting if not one[2].done())
        if len(waiting) < WAITERS_MAX:
            heappush(waiting, (position, next(self._arrivals), future))
        return future
