"""Simulated devices with real connections; what they know of themselves is the fleet's truth."""

import asyncio
from collections.abc import Awaitable, Iterable
from urllib.parse import urlsplit

import httpx

from device_edge.credentials import secret_of
from rollcall.ending import end
from rollcall.reference_device import Behaviour, ReferenceDevice
from rollcall.story.interrupted import InterruptedOnce
from rollcall.story.telling import NotAsTold

CONNECTING_MAX = 48  # at once: each keeps this process busy for some milliseconds
ONLINE_TIMEOUT_S = 300.0  # the last of them waits for all the others' turns
ANSWER_TIMEOUT_S = 120.0
RETRY_S = 1.0  # there is no other fleet here to be considerate of


class SimulatedFleet:
    """Every device switched on so far, by its id."""

    def __init__(self, mqtt: str, master_key: bytes, platform_id: int) -> None:
        address = urlsplit(mqtt)
        self._host, self._port = str(address.hostname), int(address.port or 0)
        self._master_key = master_key
        self._platform_id = platform_id
        self._devices: dict[str, ReferenceDevice] = {}
        self._turns = asyncio.Semaphore(CONNECTING_MAX)
        self._lives: list[asyncio.Task[None]] = []
        self.download = InterruptedOnce()
        self._http = httpx.AsyncClient(transport=self.download, trust_env=False)

    @property
    def ever_on(self) -> set[str]:
        return set(self._devices)

    async def switch_on(
        self, ids: Iterable[str], product_id: int, version: int, *, over_http: str = ""
    ) -> None:
        """Devices connect and are answered. All but `over_http` fetch updates in chunks.

        Raises NotAsTold if one is not answered in time.
        """

        async def one(device_id: str) -> None:
            device = self._make(device_id, product_id, version, by_chunks=device_id != over_http)
            self._lives.append(asyncio.create_task(device.run()))
            await wait_for(device, device.until(lambda it: it.answers > 0, ONLINE_TIMEOUT_S))

        await asyncio.gather(*(one(device_id) for device_id in sorted(ids)))

    async def switch_off(self) -> None:
        """All of them, for good."""
        await end(*self._lives)
        await self._http.aclose()

    async def say_hello(self, ids: Iterable[str], at_least: int = 0) -> dict[str, str]:
        """Each says hello once more; returns what each was told, as of that position or later."""
        told = await asyncio.gather(*(self._say_hello(self[one], at_least) for one in ids))
        return dict(told)

    async def _say_hello(self, device: ReferenceDevice, at_least: int) -> tuple[str, str]:
        before, heard = device.answers, ""

        def is_answered(it: ReferenceDevice) -> bool:
            nonlocal heard
            heard = it.told["told"]
            return it.answers > before and it.told["position"] >= at_least

        await device.hello(at_least)
        await wait_for(device, device.until(is_answered, ANSWER_TIMEOUT_S))
        return device.device_id, heard

    def disable_updates(self, device_id: str) -> None:
        """From its next hello on it says that it wants none."""
        self[device_id].behaviour.updates_enabled = False

    def fail_updates(self, device_id: str, reason: str, *, retry_s: float) -> None:
        """From now on each of its updates fails; it takes the next attempt about so much later."""
        device = self[device_id]
        device.behaviour.fail, device.wait_s = reason, retry_s

    def running(self, version: int) -> set[str]:
        return {one for one, device in self._devices.items() if device.version == version}

    def __getitem__(self, device_id: str) -> ReferenceDevice:
        return self._devices[device_id]

    def _make(
        self, device_id: str, product_id: int, version: int, *, by_chunks: bool
    ) -> ReferenceDevice:
        device = self._devices[device_id] = ReferenceDevice(
            device_id=device_id,
            secret=secret_of(self._master_key, device_id).hex(),
            product_id=product_id,
            version=version,
            platform_id=self._platform_id,
            host=self._host,
            mqtt_port=self._port,
            behaviour=Behaviour(by_chunks=by_chunks),
            http=self._http,
            wait_s=RETRY_S,
            turns=self._turns,
        )
        return device


async def wait_for(device: ReferenceDevice, answered: Awaitable[None]) -> None:
    try:
        await answered
    except TimeoutError:
        what = f"what device {device.device_id} was told"
        raise NotAsTold(what, "an answer", device.told or "none") from None
