"""A command was carried out, but its reply was lost: repeated, it succeeds, and does nothing."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, LiteralString, NamedTuple

import psycopg
import pytest

from rollcall.sample_firmware import build
from tests.faults.client import Client, Fact
from tests.faults.log import promise_broken
from tests.faults.making import PLATFORM, VERSIONS
from tests.faults.world import World

pytestmark = pytest.mark.asyncio(loop_scope="package")

NEW_VERSION = max(VERSIONS) + 1
NEW_ID = "f" * 24
NEW_PRODUCT = {"name": "New", "platform_id": PLATFORM}
FORGET: LiteralString = """
    CREATE FUNCTION api.forget() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'this reply is lost' USING ERRCODE = 'connection_failure'; END $$;
    CREATE TRIGGER forget BEFORE UPDATE ON api.idempotent_call
        FOR EACH ROW WHEN (NEW.status IS NOT NULL) EXECUTE FUNCTION api.forget();
"""
REMEMBER: LiteralString = "DROP FUNCTION api.forget() CASCADE"


class Wanted(NamedTuple):
    """A command, and what it leads to, once."""

    method: str
    path: str
    content: dict[str, Any]
    facts: list[Fact]


@contextmanager
def replies_lost(conninfo: str) -> Iterator[None]:
    """The database takes events, but no reply that is to be kept for a repetition."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(FORGET)
        try:
            yield
        finally:
            connection.execute(REMEMBER)


async def test_every_kind_of_command_may_be_repeated_after_it_was_carried_out(
    battered: World,
) -> None:
    client = Client(battered.http, "repeating", battered.random)
    wanted = commands(battered, await prepared(battered))
    keys = {f"repeating-{number}" for number in range(1, len(wanted) + 1)}

    async def unwritten() -> str:
        return " ".join(sorted(keys - {entry.request for entry in battered.log.events()}))

    with replies_lost(battered.cloud.status["database"]):
        asking = [
            asyncio.create_task(client.ask(one.method, one.path, facts=one.facts, **one.content))
            for one in wanted
        ]
        await battered.until(unwritten, "every command is carried out")
        await battered.kill("api")
    replies = await asyncio.gather(*asking)

    assert [one for one in client.acknowledged if one.attempts == 1] == []
    entries = battered.log.events()
    assert {promise_broken(one, entries) for one in client.acknowledged} == {""}
    said = {(one.method, one.path): reply for one, reply in zip(wanted, replies, strict=True)}
    assert said["POST", f"{battered.path}/devices"]["updatedDeviceIds"] == [NEW_ID]
    assert said["PUT", f"{battered.path}/groups/to-rename"]["group"]["name"] == "renamed"


async def prepared(world: World) -> int:
    """What the commands are about; returns a product to retire."""
    client = Client(world.http, "preparing", world.random)
    for name in ("to-rename", "to-remove", "to-fill"):
        await client.ask("POST", f"{world.path}/groups", {"name": name})
    reply = await client.ask("POST", "/v1/products", {"product": NEW_PRODUCT})
    return int(reply["product"]["id"])


def commands(world: World, retired: int) -> list[Wanted]:
    """One of every kind that a repetition could take for something else than itself."""
    path, product = world.path, world.product_id
    first, second, third = list(world.devices)[-3:]  # which no program counts on
    fill = {"action": "groups", "devices": [second, third], "metadata": {"add": ["to-fill"]}}
    lock = {"desired_firmware_version": 1, "flash": True}
    upload = {
        "files": {"file": ("new.bin", build(product, NEW_VERSION, PLATFORM))},
        "data": {"version": str(NEW_VERSION), "title": "New"},
    }
    return [
        Wanted(
            "POST",
            f"{path}/groups",
            {"body": {"name": "created"}},
            [Fact(f"group-{product}-created", "GroupCreated")],
        ),
        Wanted(
            "PUT",
            f"{path}/groups/to-rename",
            {"body": {"name": "renamed"}},
            [Fact(f"group-{product}-to-rename", "GroupRenamed", {"name": "renamed"})],
        ),
        Wanted(
            "DELETE",
            f"{path}/groups/to-remove",
            {},
            [Fact(f"group-{product}-to-remove", "GroupRemoved")],
        ),
        Wanted(
            "PUT",
            f"{path}/devices",
            {"body": fill},
            [Fact(f"device-{one}", "DeviceGrouped") for one in (second, third)],
        ),
        Wanted(
            "PUT",
            f"{path}/devices/{first}",
            {"body": lock},
            [Fact(f"device-{first}", "FirmwareLocked", {"version": 1})],
        ),
        Wanted(
            "POST",
            f"{path}/firmware",
            upload,
            [Fact(f"firmware-{product}-{NEW_VERSION}", "FirmwareUploaded")],
        ),
        Wanted(
            "POST",
            f"{path}/devices",
            {"body": {"ids": [NEW_ID]}},
            [Fact(f"device-{NEW_ID}", "DeviceImported")],
        ),
        Wanted(
            "POST",
            "/v1/products",
            {"body": {"product": NEW_PRODUCT}},
            [Fact(f"product-{retired + 1}", "ProductCreated")],
        ),
        Wanted(
            "DELETE",
            f"/v1/products/{retired}",
            {},
            [Fact(f"product-{retired}", "ProductRetired")],
        ),
    ]
