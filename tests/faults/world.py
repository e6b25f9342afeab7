"""A cloud under load: programs that use its API, devices that live with it, and its one killer."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from random import Random

import httpx
from nats.aio.client import Client as Nats

from rollcall.ending import end
from tests.cloud import Cloud
from tests.faults.client import Acknowledged, Client
from tests.faults.devices import FieldDevice
from tests.faults.killing import Killer
from tests.faults.log import Log
from tests.faults.program import Program
from tests.faults.receiving import Receiving

PATIENCE_S = 90.0
POLL_S = 0.1


class World:
    """Everything of one run. What is random in it follows from the seed; the timing does not."""

    def __init__(
        self,
        running: Cloud,
        seed: int,
        http: httpx.AsyncClient,
        nats: Nats,
        receiving: Receiving,
    ) -> None:
        self.cloud = running
        self.seed = seed
        self.random = Random(seed)
        self.http = http
        self.nats = nats  # one connection for all looks: NATS tells the journal of each
        self.receiving = receiving
        self.killer = Killer(running, receiving, Random(f"{seed} killer"))
        self.log = Log(running.status["database"])
        self.operator = Client(http, "operator", Random(f"{seed} operator"))
        self.devices: dict[str, FieldDevice] = {}
        self.programs: list[Program] = []
        self.product_id = 0
        self._living: list[asyncio.Task[None]] = []
        self._working: list[asyncio.Task[None]] = []
        self._quiet = asyncio.Event()

    @property
    def path(self) -> str:
        return f"/v1/products/{self.product_id}"

    @property
    def acknowledged(self) -> list[Acknowledged]:
        clients = [self.operator, *(program.client for program in self.programs)]
        return [command for client in clients for command in client.acknowledged]

    def switch_on(self, devices: dict[str, FieldDevice]) -> None:
        self.devices = devices
        self._living = [asyncio.create_task(device.live()) for device in devices.values()]

    async def work(self) -> None:
        """Have the programs ask and the devices be troubled, until `rest`."""
        self._quiet.clear()
        for device in self.devices.values():
            device.troubled = True
        self._working = [asyncio.create_task(self._work(program)) for program in self.programs]

    async def rest(self) -> None:
        """Every command under way is acknowledged, then none is given; devices calm down."""
        self._quiet.set()
        await asyncio.gather(*self._working)
        for device in self.devices.values():
            device.troubled = False

    async def kill(self, victim: str) -> None:
        """Raises what the load has broken with, if it has."""
        self.check()
        await asyncio.to_thread(self.killer.kill, victim)

    def check(self) -> None:
        """Raises what a program or a device has broken with."""
        for task in [*self._working, *self._living]:
            if task.done():
                task.result()

    async def until_acknowledged_more(self, commands: int) -> None:
        """The load goes on: it is not only that nothing was lost because nothing was done."""
        wanted = len(self.acknowledged) + commands

        async def done() -> str:
            self.check()
            return "" if len(self.acknowledged) >= wanted else f"{len(self.acknowledged)}"

        await self.until(done, f"{wanted} commands are acknowledged")

    async def until(
        self,
        look: Callable[[], Awaitable[str]],
        what: str,
        poll_s: float = POLL_S,
        patience_s: float = PATIENCE_S,
    ) -> None:
        """Wait, bounded, until there is nothing wrong any more, as `look` says it."""
        until = time.monotonic() + patience_s
        while wrong := await look():
            self.check()
            assert time.monotonic() < until, f"not after {patience_s:.0f} s: {what}: {wrong}"
            await asyncio.sleep(poll_s)

    async def end(self) -> None:
        await end(*self._working, *self._living)

    async def _work(self, program: Program) -> None:
        while not self._quiet.is_set():
            await program.step()
