"""Everything a step of the story may look at or act on, and who plays which part."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from rollcall.story.calls import Api
from rollcall.story.fleet import SimulatedFleet
from rollcall.story.log import Entry, Log
from rollcall.story.telling import NotAsTold, Telling
from rollcall.story.throwaway import ThrowawayCloud

PLATFORM = 6  # photon
DEVICES_MIN = 40
DEVICES_MAX = 2_000  # one process plays them all
LATECOMER = "e00fce680000ffffffff0001"
STRANGER = "e00fce680000ffffffff0002"
NEIGHBOUR = "e00fce680000ffffffff0003"  # belongs to another product

STANDSTILL_S = 60.0
POLL_S = 0.05
POLL_SLOW_S = 0.25


class Cast:
    """Who plays which part: a few alone, then those in groups; the last are never switched on."""

    def __init__(self, size: int) -> None:
        self.everybody = [f"e00fce68{number:016x}" for number in range(1, size + 1)]
        alone, rest = self.everybody[:6], self.everybody[6:]
        self.pioneer, self.scout, self.developer, self.failing, self.flaky, self.unwilling = alone
        tenth = max(4, size // 10)
        self.beta = set(rest[:tenth])
        # Half of those in beta are in early too, and so are as many others.
        self.early = set(rest[tenth // 2 : tenth + tenth // 2])
        self.sleeping = set(rest[-tenth:])  # imported, but never switched on
        self.awake = set(self.everybody) - self.sleeping

    @property
    def in_both(self) -> set[str]:
        return self.beta & self.early


@dataclass
class World:
    """Where the story stands."""

    cloud: ThrowawayCloud
    api: Api
    log: Log
    fleet: SimulatedFleet
    telling: Telling
    cast: Cast
    product_id: int = 0
    positions: dict[str, int] = field(default_factory=dict)  # worth coming back to
    binaries: dict[int, bytes] = field(default_factory=dict)

    @property
    def product(self) -> str:
        return f"/v1/products/{self.product_id}"

    async def device(self, device_id: str, **query: Any) -> Any:
        return await self.api.get(f"{self.product}/devices/{device_id}", **query)

    async def change(self, device_id: str, **wanted: Any) -> Any:
        return await self.api.put(f"{self.product}/devices/{device_id}", wanted)

    async def online(self) -> int:
        """How many devices of the product the API shows as online."""
        path = f"{self.product}/devices"
        total: int = (await self.api.get(path, online=True, per_page=1))["meta"]["total"]
        return total

    def runs(self, version: int) -> Callable[[], Awaitable[int]]:
        """Asks the API how many devices run a version."""

        async def look() -> int:
            found = await self.api.get(f"{self.product}/firmware/{version}")
            return int(found["device_count"])

        return look

    async def until(
        self,
        what: str,
        expected: int,
        look: Callable[[], Awaitable[int]],
        poll_s: float = POLL_S,
    ) -> None:
        """Wait until a count is as expected, showing it. Raises NotAsTold when it stands still."""
        before, moved_at = -1, time.monotonic()
        with self.telling.counting() as counter:
            while (found := await look()) != expected:
                counter.count(f"{what}: {found:,} of {expected:,}")
                if found != before:
                    before, moved_at = found, time.monotonic()
                elif time.monotonic() - moved_at > STANDSTILL_S:
                    raise NotAsTold(f"{what}, for {STANDSTILL_S:.0f} s", expected, found)
                await asyncio.sleep(poll_s)

    async def event(self, name: str, *, after: int = 0, **having: Any) -> Entry:
        """The first such event, once it is in the log."""
        found: list[Entry] = []

        async def look() -> int:
            found[:] = await self.log.events(name, after=after, **having)
            return min(len(found), 1)

        await self.until(f"{name} with {having} in the log", 1, look)
        self.api.known = max(self.api.known, found[0].position)
        return found[0]

    async def now(self) -> int:
        """The last position of the log; the API is asked for nothing older from here on."""
        self.api.known = await self.log.head()
        return self.api.known
