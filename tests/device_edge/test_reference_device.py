"""The reference device, written from the page alone, gets along with the edge."""

import ast
import asyncio
import hashlib
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from nats.aio.client import Client

from device_edge.credentials import secret_of
from device_edge.edge import Settings
from rollcall import reference_device
from rollcall.ending import end
from rollcall.reference_answers import Offer
from rollcall.reference_device import Behaviour, Pauses, ReferenceDevice
from tests.device_edge import processes, world
from tests.device_edge.test_content import store
from tests.device_edge.test_journal import environment
from tests.device_edge.world import (
    MASTER_KEY,
    PRODUCT,
    TIMEOUT_S,
    Announcer,
    device_id,
    journal,
    until,
)
from tests.servers import NatsServer

ONE = device_id(1)
FIRMWARE = os.urandom(100_000)
SHA256 = hashlib.sha256(FIRMWARE).hexdigest()
MEMBER = {"product_id": PRODUCT}


@pytest_asyncio.fixture
async def serving(
    clean_nats: NatsServer, facts: Announcer, database: str, tmp_path: Path
) -> AsyncIterator[Settings]:
    """An edge whose one member is to update to version 3."""
    store(database, FIRMWARE)
    await facts.firmware(3, SHA256, len(FIRMWARE))
    await facts.announce({ONE: MEMBER}, {"default": 3})
    async with world.edge(world.settings_of(clean_nats, tmp_path, database)) as settings:
        yield settings


@asynccontextmanager
async def living(server: NatsServer, **options: Any) -> AsyncIterator[ReferenceDevice]:
    """A device that runs version 2 at first."""
    async with httpx.AsyncClient(trust_env=False) as http:
        ours = ReferenceDevice(
            device_id=ONE,
            secret=secret_of(MASTER_KEY, ONE).hex(),
            product_id=PRODUCT,
            version=2,
            mqtt_port=server.mqtt_port,
            http=http,
            wait_s=0.05,
            **options,
        )
        task = asyncio.create_task(ours.run())
        try:
            yield ours
        finally:
            await end(task)


async def states(connection: Client) -> list[str]:
    return [one["state"] for one in await journal(connection) if one["report"] == "progress"]


@pytest.mark.asyncio
@pytest.mark.parametrize("by_chunks", [False, True])
async def test_it_updates_when_told_to(
    serving: Settings, clean_nats: NatsServer, connection: Client, by_chunks: bool
) -> None:
    async with living(clean_nats, behaviour=Behaviour(by_chunks=by_chunks)) as ours:
        await ours.until(lambda it: it.online and it.told.get("told") == "nothing", TIMEOUT_S)
        assert (ours.version, ours.firmware) == (3, FIRMWARE)
    assert await states(connection) == ["started", "delivered"]


@pytest.mark.asyncio
async def test_it_may_fail(serving: Settings, clean_nats: NatsServer, connection: Client) -> None:
    async with living(clean_nats, behaviour=Behaviour(fail="no power")) as ours:

        async def failed_twice() -> bool:
            return (await states(connection)).count("failed") >= 2

        await until(failed_twice)
        assert ours.version == 2
    reports = [one for one in await journal(connection) if one["report"] == "progress"]
    assert {one["reason"] for one in reports if one["state"] == "failed"} == {"no power"}


@pytest.mark.asyncio
async def test_it_may_come_back_as_it_was(
    serving: Settings, clean_nats: NatsServer, connection: Client
) -> None:
    async with living(clean_nats, behaviour=Behaviour(never_confirm=True)) as ours:
        await ours.until(lambda it: it.answers >= 2, TIMEOUT_S)
    reports = await journal(connection)
    assert [one["report"] for one in reports[:4]] == [
        "handshake",
        "progress",
        "progress",
        "handshake",
    ]
    assert reports[3]["running"] == 2


@pytest.mark.asyncio
async def test_it_may_want_no_update_and_be_forced(
    serving: Settings, clean_nats: NatsServer, facts: Announcer, connection: Client
) -> None:
    async with living(clean_nats, behaviour=Behaviour(updates_enabled=False)) as ours:
        await ours.until(lambda it: it.told.get("told") == "pending", TIMEOUT_S)
        position = await facts.announce({ONE: {**MEMBER, "forced": True}})
        again = f'{{"position": {position}}}'.encode()
        await connection.publish(f"d.{ONE}.dn.again", again)
        await ours.until(lambda it: it.version == 3, TIMEOUT_S)


@pytest.mark.asyncio
async def test_it_takes_a_flash(
    serving: Settings, clean_nats: NatsServer, facts: Announcer, database: str
) -> None:
    await facts.announce({ONE: {**MEMBER, "development": True}})
    digest = store(database, b"development build")
    async with living(clean_nats) as ours:
        await ours.until(lambda it: it.online, TIMEOUT_S)
        flash = f'{{"sha256": "{digest}", "size_bytes": 17}}'.encode()
        await facts.connection.publish(f"d.{ONE}.dn.flash", flash)
        await ours.until(lambda it: it.flashed == digest, TIMEOUT_S)
        assert ours.firmware == b"development build"


@pytest.mark.asyncio
async def test_it_publishes_until_it_is_acknowledged(
    serving: Settings, clean_nats: NatsServer, database: str
) -> None:
    told = environment(clean_nats, database)
    async with processes.running("device_edge.intake", told), living(clean_nats) as ours:
        async with asyncio.timeout(TIMEOUT_S):
            ack = await ours.publish([{"name": "temperature", "data": "21.5"}, {"name": ""}])
    assert (ack["stored"], ack["refused"][0]["index"]) == (1, 1)


@pytest.mark.asyncio
async def test_it_hears_what_it_subscribed_to(
    serving: Settings, clean_nats: NatsServer, connection: Client
) -> None:
    said: list[str] = []
    offer = Offer(subscriptions=["weather/"])
    async with living(clean_nats, offer=offer, say=said.append) as ours:
        await ours.until(lambda it: it.online, TIMEOUT_S)
        event = {"name": "weather/rain", "data": "12", "device_id": "api"}
        await connection.publish(f"d.{ONE}.dn.event", json.dumps(event).encode())

        async def hears() -> bool:
            return list(ours.heard) == [event]

        await until(hears)
    assert "heard weather/rain of api: 12" in said
    described = [one for one in await journal(connection) if one["report"] == "description"]
    assert described[0]["has"] == {"subscriptions": ["weather/"]}


@pytest.mark.asyncio
async def test_it_comes_back_when_its_edge_does(
    clean_nats: NatsServer, facts: Announcer, tmp_path: Path
) -> None:
    await facts.announce({ONE: MEMBER}, {})
    async with living(clean_nats, answer_timeout_s=0.2) as ours:
        async with world.edge(world.settings_of(clean_nats, tmp_path)):
            await ours.until(lambda it: it.online, TIMEOUT_S)
            before = ours.answers
        await ours.hello()
        async with world.edge(world.settings_of(clean_nats, tmp_path)):
            await ours.until(lambda it: it.answers > before, TIMEOUT_S)


def test_pauses_grow_to_a_bound_and_are_never_in_step() -> None:
    pauses = Pauses(5)
    taken = [next(pauses) for _ in range(20)]
    assert 2.5 <= taken[0] <= 7.5
    assert all(150 <= pause <= 450 for pause in taken[-5:])
    assert len(set(taken[-5:])) == 5


@pytest.mark.parametrize(
    "name", ["reference_device.py", "reference_fetch.py", "reference_answers.py"]
)
def test_it_knows_the_page_only(name: str) -> None:
    source = (Path(reference_device.__file__).parent / name).read_text()
    imported = {
        module.split(".")[0]
        for node in ast.walk(ast.parse(source))
        for module in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert not imported & {"device_edge", "domain", "projections", "api"}
