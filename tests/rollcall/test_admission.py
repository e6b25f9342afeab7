"""Devices with owners at a product that takes whoever asks: through every process of the cloud."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from rollcall.reference_device import ReferenceDevice
from tests.api.world import new_id
from tests.cloud import Cloud, cloud

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(200)]

TIMEOUT_S = 60.0


@asynccontextmanager
async def switched_on(running: Cloud) -> AsyncIterator[ReferenceDevice]:
    """A device whose firmware asks for no product yet."""
    device_id = new_id()
    device = ReferenceDevice(
        device_id=device_id,
        secret=running.run("device", "secret", device_id).stdout.strip(),
        product_id=None,
        version=1,
        mqtt_port=int(running.status["mqtt"].rpartition(":")[2]),
        wait_s=0.2,
    )
    life = asyncio.create_task(device.run())
    try:
        await device.until(lambda it: it.answers > 0, TIMEOUT_S)
        yield device
    finally:
        life.cancel()
        await asyncio.gather(life, return_exceptions=True)


def signed_up(running: Cloud, email: str) -> httpx.Client:
    """Somebody who has nothing to do with the administrator's products."""
    body = {"username": email, "password": "a password that nobody guesses"}
    reply = running.http.post("/v1/users", json=body)
    assert reply.status_code in (200, 201), reply.text
    form = {**body, "grant_type": "password", "client_id": "particle", "client_secret": "particle"}
    token = running.http.post("/oauth/token", data=form, headers={"Authorization": ""}).json()
    return httpx.Client(
        base_url=running.http.base_url,
        headers={"Authorization": f"Bearer {token['access_token']}"},
        trust_env=False,
    )


async def claimed(client: httpx.Client, device: ReferenceDevice) -> None:
    """Once it is known that it is online."""
    async with asyncio.timeout(TIMEOUT_S):
        while True:
            body = {"id": device.device_id}
            reply = await asyncio.to_thread(client.post, "/v1/devices", json=body)
            if reply.status_code == 200:
                return
            await asyncio.sleep(0.05)


async def asking(device: ReferenceDevice, product_id: int, at_least: int) -> None:
    """It runs the product's firmware from now on, and says so."""
    device.product_id = product_id
    before = device.answers
    await device.hello(at_least)
    await device.until(lambda it: it.answers > before, TIMEOUT_S)


async def test_an_auto_approving_product_takes_its_teams_devices_and_no_outsiders() -> None:
    with cloud() as running:
        wanted = {"name": "Lamp", "platform_id": 6}
        product = running.http.post("/v1/products", json={"product": wanted}).json()["product"]
        settings = {"product": {"settings": {"quarantine": False}}}
        changed = running.http.put(f"/v1/products/{product['id']}", json=settings)
        assert changed.status_code == 200, changed.text
        with signed_up(running, "outsider@example.com") as outsider:
            async with switched_on(running) as teams, switched_on(running) as others:
                await claimed(running.http, teams)
                await claimed(outsider, others)
                known = int(running.http.get("/v1/devices").headers["x-rollcall-position"])

                await asking(others, product["id"], known)
                assert others.told["told"] == "quarantined"
                await asking(teams, product["id"], known)
                # It is asked to say hello again by itself.
                await teams.until(lambda it: it.told["told"] == "nothing", TIMEOUT_S)

                assert others.told["told"] == "quarantined"
                listed = running.http.get(f"/v1/products/{product['id']}/devices")
                assert listed.status_code == 200, listed.text
                found = listed.json()["devices"]
                assert {one["id"]: one["quarantined"] for one in found} == {
                    teams.device_id: False,
                    others.device_id: True,
                }
