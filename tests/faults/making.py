"""The fleet under load: a product, its firmware and devices, and programs that work on them."""

import hmac
from hashlib import sha256
from random import Random
from typing import Any
from urllib.parse import urlsplit

import httpx

from rollcall.sample_firmware import build
from rollcall.secret_keys import secrets_of
from tests.faults.client import Client, Fact
from tests.faults.devices import FieldDevice
from tests.faults.program import SHARED_GROUP, Program
from tests.faults.world import World

PLATFORM = 6
PROGRAMS = 4
DEVICES_EACH = 8
SHARED_DEVICES = 4
VERSIONS = [*range(1, PROGRAMS + 2)]  # the first is what devices come with, then one a program
BINARY_BYTES = 40_000  # more than a chunk
PAUSE_S = 0.2  # the first pause of a device before it asks again
RECONNECT_S_MAX = 10.0  # whoever finds nobody again and again must not sleep through the end
ANSWER_TIMEOUT_S = 2.0


async def make(world: World, http: httpx.AsyncClient) -> None:
    """Each version is proven by a device that runs it. `http` is what devices download with. What
    they measure goes to the receiver."""
    await create_product(world)
    await create_webhook(world)
    for version in VERSIONS:
        await upload(world, version)
    count = PROGRAMS * DEVICES_EACH + SHARED_DEVICES
    ids = [f"e00fce68{number:016x}" for number in range(1, count + 1)]
    imported = [Fact(f"device-{device_id}", "DeviceImported") for device_id in ids]
    await world.operator.ask("POST", f"{world.path}/devices", {"ids": ids}, facts=imported)
    shared = {"name": SHARED_GROUP}
    created = Fact(f"group-{world.product_id}-{SHARED_GROUP}", "GroupCreated", shared)
    await world.operator.ask("POST", f"{world.path}/groups", shared, facts=[created])
    world.switch_on(devices(world, ids, http))
    world.programs = [program(world, number, ids) for number in range(PROGRAMS)]

    async def offline() -> str:
        return " ".join(one.device_id for one in world.devices.values() if not one.online)

    async def unproven() -> str:
        versions = await world.operator.read(f"{world.path}/firmware")
        return " ".join(str(one["version"]) for one in versions if not one["proven_by"])

    await world.until(offline, "every device is answered")
    await world.until(unproven, "every version is proven")


async def create_product(world: World) -> None:
    def created(reply: Any) -> list[Fact]:
        return [Fact(f"product-{reply['product']['id']}", "ProductCreated")]

    product = {"product": {"name": "Tried", "platform_id": PLATFORM}}
    reply = await world.operator.ask("POST", "/v1/products", product, facts=created)
    world.product_id = reply["product"]["id"]


async def create_webhook(world: World) -> None:
    def created(reply: Any) -> list[Fact]:
        return [Fact(f"integration-{reply['id']}", "IntegrationCreated")]

    body = "{{{PARTICLE_DEVICE_ID}}} {{{PARTICLE_EVENT_VALUE}}}"
    webhook = {"event": "measured", "url": world.receiving.url, "body": body}
    # A reply with a secret in it is not kept: nobody asks afterwards what this one was answered.
    once = Client(world.http, "integrator", Random(world.seed))
    await once.ask("POST", f"{world.path}/webhooks", webhook, facts=created)


async def upload(world: World, version: int) -> None:
    content = build(world.product_id, version, PLATFORM, BINARY_BYTES, seed=version)
    await world.operator.ask(
        "POST",
        f"{world.path}/firmware",
        files={"file": (f"{version}.bin", content)},
        data={"version": str(version), "title": f"Version {version}"},
        facts=[Fact(f"firmware-{world.product_id}-{version}", "FirmwareUploaded")],
    )


def devices(world: World, ids: list[str], http: httpx.AsyncClient) -> dict[str, FieldDevice]:
    """The first ones run the later versions, and so prove them."""
    address = urlsplit(world.cloud.status["mqtt"])
    key = bytes.fromhex(secrets_of(world.cloud.state).device_master_key)
    return {
        device_id: FieldDevice(
            device_id=device_id,
            secret=hmac.digest(key, device_id.encode(), sha256).hex(),
            product_id=world.product_id,
            version=VERSIONS[number] if number < len(VERSIONS) else VERSIONS[0],
            platform_id=PLATFORM,
            host=str(address.hostname),
            mqtt_port=address.port or 0,
            http=http,
            wait_s=PAUSE_S,
            reconnect_s_max=RECONNECT_S_MAX,
            answer_timeout_s=ANSWER_TIMEOUT_S,
        )
        for number, device_id in enumerate(ids)
    }


def program(world: World, number: int, ids: list[str]) -> Program:
    """One with devices of its own, and the last few of all for everybody."""
    random = Random(f"{world.seed} program {number}")
    return Program(
        Client(world.http, f"program-{number}", random),
        random,
        product_id=world.product_id,
        number=number,
        version=VERSIONS[number + 1],
        versions=VERSIONS,
        devices=ids[number * DEVICES_EACH : (number + 1) * DEVICES_EACH],
        shared=ids[-SHARED_DEVICES:],
    )
