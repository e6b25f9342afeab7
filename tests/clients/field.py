"""Simulated devices that stay connected while clients talk to them."""

import asyncio
import secrets
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx

from device_edge.credentials import secret_of
from rollcall.ending import end
from rollcall.reference_device import ReferenceDevice
from rollcall.secret_keys import secrets_of
from tests.cloud import Cloud
from tests.projections.patience import eventually

ONLINE_TIMEOUT_S = 30.0
PLATFORM = 6  # a Photon's
RETRY_S = 0.2  # there is no other fleet here to be considerate of

T = TypeVar("T")


class Field:
    """Devices, each with a real connection; they live in a thread of their own."""

    def __init__(
        self, rollcall: Cloud, loop: asyncio.AbstractEventLoop, http: httpx.AsyncClient
    ) -> None:
        self._rollcall = rollcall
        self._loop = loop
        self._http = http
        self._lives: dict[str, asyncio.Task[None]] = {}

    def connect(self, device_id: str = "", **said: Any) -> ReferenceDevice:
        """A device that everybody knows to be online when this returns, and that stays so."""
        device = self._make(device_id or new_id(), said)
        self._do(self._start(device))
        eventually(lambda: self._is_seen(device.device_id))
        return device

    def disconnect(self, device: ReferenceDevice) -> None:
        """Off, and known to be."""
        self._do(self._end(device.device_id))
        eventually(lambda: not self._is_seen(device.device_id))

    def until(self, device: ReferenceDevice, holds: Callable[[ReferenceDevice], bool]) -> None:
        """Wait until it holds of the device. Raises TimeoutError."""
        self._do(device.until(holds, ONLINE_TIMEOUT_S))

    def publish(self, device: ReferenceDevice, name: str, data: str) -> None:
        """Until it is kept."""
        ack = self._do(device.publish([{"name": name, "data": data}]))
        assert ack["stored"] == 1, ack

    def disconnect_all(self) -> None:
        for device_id in [*self._lives]:
            self._do(self._end(device_id))

    def _make(self, device_id: str, said: dict[str, Any]) -> ReferenceDevice:
        key = bytes.fromhex(secrets_of(self._rollcall.state).device_master_key)
        mqtt = urlsplit(self._rollcall.status["mqtt"])
        about = {"product_id": None, "version": None, "platform_id": PLATFORM, **said}
        return ReferenceDevice(
            device_id=device_id,
            secret=secret_of(key, device_id).hex(),
            host=str(mqtt.hostname),
            mqtt_port=int(mqtt.port or 0),
            http=self._http,
            wait_s=RETRY_S,
            **about,
        )

    def _is_seen(self, device_id: str) -> bool:
        answer = self._rollcall.http.get(f"/v1/devices/{device_id}")
        return answer.status_code == 200 and bool(answer.json()["online"])

    async def _start(self, device: ReferenceDevice) -> None:
        self._lives[device.device_id] = asyncio.create_task(device.run())
        await device.until(lambda it: it.answers > 0, ONLINE_TIMEOUT_S)

    async def _end(self, device_id: str) -> None:
        await end(self._lives.pop(device_id))

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


@contextmanager
def field(rollcall: Cloud) -> Iterator[Field]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="devices")
    thread.start()
    http = httpx.AsyncClient(trust_env=False)
    devices = Field(rollcall, loop, http)
    try:
        yield devices
    finally:
        devices.disconnect_all()
        asyncio.run_coroutine_threadsafe(http.aclose(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def new_id() -> str:
    return secrets.token_hex(12)
