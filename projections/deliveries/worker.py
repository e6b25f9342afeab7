"""A worker of deliveries: takes lanes that are due, carries what waits in them, writes down what
came of it. Any number of workers share the work."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from time import monotonic
from typing import Any
from uuid import UUID, uuid4

import psycopg
from msgspec import Struct
from psycopg import AsyncConnection

from projections.deliveries import leases
from projections.deliveries.carrying import Carrier, Publishing
from projections.deliveries.circuits import Circuits
from projections.deliveries.claiming import Claims, Lane
from projections.deliveries.dispatch import DELIVERIES_CHANNEL
from projections.deliveries.meters import Meters
from projections.deliveries.opening import Opening
from projections.deliveries.results import Left, Result
from projections.deliveries.sending import Sender
from projections.deliveries.settling import settle
from projections.integrations.stored import Opened

IDLE_S = 0.5  # how long to wait for news before looking: what is tried again is due without any
RESULTS_AT_ONCE_MAX = 1_000

Connection = AsyncConnection[tuple[Any, ...]]


class Pace(Struct, frozen=True):
    """How much a worker does at a time, and how long its lease lasts."""

    lanes_max: int = 512
    lanes_per_integration_max: int = (
        128  # half of them wait for the others, so that none waits for us
    )
    at_once_per_integration_max: int = 64
    lease_s: float = leases.LEASE_S
    renew_every_s: float = leases.RENEW_EVERY_S


PACE = Pace()


class Worker:
    """Works until told to stop, over connections of its own. `connect` gives one that commits by
    itself."""

    def __init__(
        self,
        connect: Callable[[], Awaitable[Connection]],
        opening: Opening,
        sender: Sender,
        publishing: Publishing,
        *,
        pace: Pace = PACE,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        self.lease_id: UUID = uuid4()
        self._connect = connect
        self._opening = opening
        self._pace = pace
        self._now = now or (lambda: datetime.now(UTC))
        self._stopping = asyncio.Event()
        self._claimed_all = False  # nothing more is claimed
        self._done = asyncio.Event()  # and everything is written down
        self._news = asyncio.Event()  # something may be due, or there is room for it
        self._some = asyncio.Event()  # results
        self._results: list[Result] = []
        self._lefts: list[Left] = []
        self._busy = Counter[str]()  # lanes that we hold, by integration
        self._circuits = Circuits()
        self._gates: dict[str, asyncio.Semaphore] = {}  # for those that are not at work yet
        self._meters = Meters(self.lease_id)
        self._claims = Claims(
            self.lease_id, self._meters, lanes_per_integration=pace.lanes_per_integration_max
        )
        self._carrier = Carrier(
            sender,
            publishing,
            self._circuits,
            now=self._now,
            say=self._hear,
            stopping=self._stopping,
        )

    def stop(self) -> None:
        """Return from `run` once what is under way has ended and is written down."""
        self._stopping.set()
        self._news.set()

    async def run(self, ready: Callable[[], None] | None = None) -> None:
        """Raises an ExceptionGroup: of LeaseLost, of what PostgreSQL raises."""
        async with AsyncExitStack() as held:
            claiming, settling, aside, listening = [
                await held.enter_async_context(await self._connect()) for _ in range(4)
            ]
            # What was taken may be lost with the server: nothing is counted by it. What came of it
            # waits for the disk, and takes all that was committed before along.
            await settling.execute("SET synchronous_commit = on")
            self._circuits.ask(aside)
            await leases.begin(aside, self.lease_id, self._pace.lease_s)
            await held.enter_async_context(ending(aside, self.lease_id))
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._settle_on(settling))
                tasks.create_task(self._stay(aside))
                tasks.create_task(self._listen(listening))
                if ready is not None:
                    ready()
                await self._claim_on(claiming, tasks)

    async def _claim_on(self, connection: Connection, tasks: asyncio.TaskGroup) -> None:
        free_at = 0.0
        while not self._stopping.is_set():
            self._news.clear()
            if monotonic() > free_at:
                await leases.free_what_is_over(connection)
                free_at = monotonic() + leases.LOOK_EVERY_S
            if not await self._claim(connection, tasks):
                await wait_for(self._news, IDLE_S)
        self._claimed_all = True
        self._some.set()

    async def _claim(self, connection: Connection, tasks: asyncio.TaskGroup) -> bool:
        """Whether there may be more to claim at once."""
        room = self._pace.lanes_max - self._busy.total()
        if room < self._pace.lanes_max // 8:
            return False
        claiming = self._claims.claim(connection, self._now(), room, self._busy)
        lanes, _ = await asyncio.gather(claiming, self._circuits.look())
        opened = await self._opening.open([lane.integration for lane in lanes if lane.integration])
        for lane in lanes:
            self._busy[lane.name.integration_id] += 1
            tasks.create_task(self._carry(lane, opened.get(lane.name.integration_id)))
        return bool(lanes) or not self._claims.is_round

    async def _carry(self, lane: Lane, integration: Opened | None) -> None:
        whose = lane.name.integration_id
        if whose not in self._gates:
            self._gates[whose] = asyncio.Semaphore(self._pace.at_once_per_integration_max)
        async with self._gates[whose]:
            left = await self._carrier.carry(lane, integration)
        self._lefts.append(left)
        self._some.set()

    def _hear(self, result: Result) -> None:
        self._results.append(result)
        self._some.set()

    async def _settle_on(self, connection: Connection) -> None:
        while not (self._claimed_all and not self._busy.total()):
            await self._some.wait()
            self._some.clear()
            while self._results or self._lefts:
                await self._settle(connection)
        self._done.set()

    async def _settle(self, connection: Connection) -> None:
        results = self._results[:RESULTS_AT_ONCE_MAX]
        # What came of a lane is written down before the lane is left, or together with it.
        lefts = self._lefts[:] if len(results) == len(self._results) else []
        await settle(connection, self.lease_id, self._meters, results, lefts, self._now())
        del self._results[: len(results)]
        del self._lefts[: len(lefts)]
        for left in lefts:
            whose = left.name.integration_id
            self._busy[whose] -= 1
            if not self._busy[whose]:
                del self._busy[whose], self._gates[whose]
        if lefts:
            self._news.set()
            self._some.set()

    async def _stay(self, connection: Connection) -> None:
        while not self._done.is_set():
            await leases.renew(connection, self.lease_id, self._pace.lease_s)
            await wait_for(self._done, self._pace.renew_every_s)

    async def _listen(self, connection: Connection) -> None:
        await connection.execute(f"LISTEN {DELIVERIES_CHANNEL}".encode())
        while not self._done.is_set():
            async for _ in connection.notifies(timeout=IDLE_S, stop_after=1):
                self._news.set()


@asynccontextmanager
async def ending(connection: Connection, lease_id: UUID) -> AsyncIterator[None]:
    """At the end of the block everything is free that is still held."""
    try:
        yield
    finally:
        try:
            async with connection.transaction():
                await leases.end(connection, lease_id)
        except psycopg.Error as error:
            # The lease runs out by itself.
            print(f"what was held is not free yet: {error}", flush=True)


async def wait_for(event: asyncio.Event, timeout_s: float) -> None:
    """Until it is set, or that long."""
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return
