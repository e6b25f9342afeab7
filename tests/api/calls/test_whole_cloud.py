"""A device of the real cloud is asked, over MQTT and all processes; which then die, one by one."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from rollcall.ending import end
from rollcall.reference_answers import Offer, returning
from rollcall.reference_device import ReferenceDevice
from tests.api.world import new_id
from tests.cloud import Cloud, cloud
from tests.device_edge.world import until

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(300)]

ANSWER_S = "4"
BACK_S = 60.0
EXPECTED = {200, 408, 503}  # while something is down; and never a wait without end
OFFER = {"name": "stroby", "version": 42, "level": 0.5, "blinking": False}


def stroby() -> Offer:
    return Offer(
        functions={"check": returning(200), "length": len},
        variables=dict(OFFER),
        numbers={"serial_number": f"S{new_id()}"},
        vitals={"device": {"system": {"uptime": 77}}},
    )


@asynccontextmanager
async def living(running: Cloud, product_id: int, offer: Offer) -> AsyncIterator[ReferenceDevice]:
    device_id = new_id()
    secret = running.run("device", "secret", device_id).stdout.strip()
    running.http.post(f"/v1/products/{product_id}/devices", json={"id": device_id})
    device = ReferenceDevice(
        device_id=device_id,
        secret=secret,
        product_id=product_id,
        version=1,
        mqtt_port=int(running.status["mqtt"].rpartition(":")[2]),
        wait_s=0.2,
        offer=offer,
    )
    task = asyncio.create_task(device.run())
    try:
        await device.until(lambda ours: ours.online, BACK_S)
        yield device
    finally:
        await end(task)


async def in_thread(call: Callable[..., httpx.Response], *words: Any, **more: Any) -> Any:
    """So that the device lives on meanwhile."""
    return await asyncio.to_thread(call, *words, **more)


async def statuses_until_back(call: Callable[[], Awaitable[int]]) -> set[int]:
    """What calls are answered until they work again; 0 is a connection that broke."""
    seen: set[int] = set()

    async def works() -> bool:
        started = time.monotonic()
        try:
            seen.add(status := await call())
        except httpx.TransportError:
            status = 0
        assert time.monotonic() - started < 2 * float(ANSWER_S)
        return status == 200

    await until(works, BACK_S)
    return seen


async def test_a_device_is_asked_and_nothing_hangs_when_processes_die() -> None:
    with cloud(environment={"ROLLCALL_DEVICE_ANSWER_S": ANSWER_S}) as running:
        http, offer = running.http, stroby()
        wanted = {"name": "lamps", "platform_id": 6}
        product_id = http.post("/v1/products", json=wanted).json()["product"]["id"]
        async with living(running, product_id, offer) as device:
            path = f"/v1/products/{product_id}/devices/{device.device_id}"
            await asked_for_everything(http, path, device)

            async def call() -> int:
                answer = await in_thread(http.post, f"{path}/length", json={"args": "four"})
                if answer.status_code == 200:
                    assert answer.json()["return_value"] == 4
                return int(answer.status_code)

            # Who decides handshakes has no part in this; who carries connections has.
            running.kill("edge-1")
            assert await call() == 200
            running.kill("nats")
            assert await statuses_until_back(call) <= EXPECTED
            running.kill("api")
            assert await statuses_until_back(call) <= EXPECTED
            await asyncio.to_thread(running.wait_ready)
        assert await call() == 408


async def asked_for_everything(http: httpx.Client, path: str, device: ReferenceDevice) -> None:
    # At once: what the device said in its hello need not be known yet.
    assert (await in_thread(http.post, f"{path}/check")).json()["return_value"] == 200

    async def described() -> bool:
        answer = await in_thread(http.get, path)
        return bool(answer.json()["functions"])

    await until(described, BACK_S)
    shown = (await in_thread(http.get, path)).json()
    assert shown["functions"] == ["check", "length"]
    assert shown["variables"] == {
        "name": "string",
        "version": "int32",
        "level": "double",
        "blinking": "bool",
    }
    assert shown["serial_number"] == device.offer.numbers["serial_number"]
    assert (await in_thread(http.post, f"{path}/check")).json()["return_value"] == 200
    for name, held in OFFER.items():
        assert (await in_thread(http.get, f"{path}/{name}")).json()["result"] == held
    assert (await in_thread(http.put, f"{path}/ping")).json() == {"online": True, "ok": True}
    signaled = await in_thread(http.put, path, json={"signal": "1"})
    assert (signaled.json()["signaling"], device.offer.signaling) == (True, True)

    vitals = f"/v1/diagnostics/{device.device_id}"
    assert (await in_thread(http.post, f"{vitals}/update")).status_code == 202

    async def said() -> Any:
        answer = await in_thread(http.get, f"{vitals}/last")
        return answer.status_code == 200 and answer.json()

    found = await until(said, BACK_S)
    assert found["diagnostics"]["payload"] == device.offer.vitals
    found = await in_thread(http.get, f"/v1/serial_numbers/{shown['serial_number']}")
    assert found.json()["device_id"] == device.device_id
    published = await in_thread(http.post, "/v1/devices/events", json={"name": "hello"})
    assert published.json() == {"ok": True}
