"""Fetching firmware: by HTTP and in chunks."""

import hashlib
import json
import os
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from device_edge.edge import Settings
from tests.device_edge import world
from tests.device_edge.test_content import store
from tests.device_edge.world import PRODUCT, Announcer, device, device_id, token, until
from tests.servers import NatsServer

pytestmark = pytest.mark.asyncio
ONE, TWO = device_id(1), device_id(2)
FIRMWARE = os.urandom(100_000)
SHA256 = hashlib.sha256(FIRMWARE).hexdigest()
HEADER = struct.Struct(">B3xI8s")


@pytest_asyncio.fixture
async def serving(
    clean_nats: NatsServer, facts: Announcer, database: str, tmp_path: Path
) -> AsyncIterator[Settings]:
    """An edge of a product with one version, whose member is device 1."""
    store(database, FIRMWARE)
    await facts.firmware(3, SHA256, len(FIRMWARE))
    await facts.announce({ONE: {"product_id": PRODUCT}}, {"default": 3})
    async with world.edge(world.settings_of(clean_nats, tmp_path, database)) as settings:
        yield settings


async def get(
    settings: Settings, *, who: str = ONE, sha256: str = SHA256, method: str = "GET", **headers: str
) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    named.setdefault("Authorization", f"Device {who}:{token(who)}")
    async with httpx.AsyncClient(trust_env=False) as http:
        return await http.request(method, f"{settings.http_url}/firmware/{sha256}", headers=named)


async def test_the_whole_firmware(serving: Settings) -> None:
    reply = await get(serving)
    assert (reply.status_code, reply.content) == (200, FIRMWARE)
    assert reply.headers["etag"] == f'"{SHA256}"'
    assert reply.headers["accept-ranges"] == "bytes"


@pytest.mark.parametrize(
    ("asked", "first", "end"),
    [("0-0", 0, 1), ("500-999", 500, 1000), ("99000-", 99_000, 100_000), ("-7", 99_993, 100_000)],
)
async def test_a_range(serving: Settings, asked: str, first: int, end: int) -> None:
    reply = await get(serving, Range=f"bytes={asked}")
    assert (reply.status_code, reply.content) == (206, FIRMWARE[first:end])
    assert reply.headers["content-range"] == f"bytes {first}-{end - 1}/100000"


async def test_a_download_is_taken_up_where_it_stopped(serving: Settings) -> None:
    begun = FIRMWARE[:12_345]
    first = await get(serving, Range="bytes=0-12344")
    rest = await get(serving, Range=f"bytes={len(begun)}-", If_Range=first.headers["etag"])
    assert (rest.status_code, begun + rest.content) == (206, FIRMWARE)
    other = await get(serving, Range="bytes=5-", If_Range='"another"')
    assert (other.status_code, other.content) == (200, FIRMWARE)


async def test_a_range_behind_the_end(serving: Settings) -> None:
    reply = await get(serving, Range="bytes=100000-")
    assert reply.status_code == 416
    assert reply.headers["content-range"] == "bytes */100000"


async def test_how_long_it_is(serving: Settings) -> None:
    reply = await get(serving, method="HEAD")
    assert (reply.status_code, reply.content) == (200, b"")
    assert reply.headers["content-length"] == "100000"


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer x",
        f"Device {ONE}",
        f"Device {ONE}:wrong",
        f"Device {ONE}:{token(TWO)}",
        f"Device {ONE}:{token(ONE, offset_s=-1000)}",
    ],
)
async def test_only_devices_are_served(serving: Settings, authorization: str) -> None:
    reply = await get(serving, Authorization=authorization)
    assert reply.status_code == 401
    assert reply.headers["www-authenticate"] == "Device"
    assert reply.json()["error"].endswith(".")


@pytest.mark.parametrize("sha256", ["ab" * 32, "x", "AB" * 32, "..%2f..%2fetc%2fpasswd"])
async def test_what_is_no_firmware_is_not_found(serving: Settings, sha256: str) -> None:
    assert (await get(serving, sha256=sha256)).status_code == 404


async def test_firmware_of_another_product_is_not_found(
    serving: Settings, facts: Announcer, clean_nats: NatsServer
) -> None:
    assert (await get(serving, who=TWO)).status_code == 404
    position = await facts.announce({TWO: {"product_id": PRODUCT, "standing": "quarantined"}})
    async with device(clean_nats, TWO) as ours:
        await ours.hello(at_least=position)
    assert (await get(serving, who=TWO)).status_code == 404


async def test_a_device_that_joins_may_fetch_at_once(
    serving: Settings, facts: Announcer, clean_nats: NatsServer
) -> None:
    position = await facts.announce(product={"default": 3, "auto_approves": True})
    async with device(clean_nats, TWO) as ours:
        told = await ours.hello(product_id=PRODUCT, at_least=position)
        assert told["told"] == "update"
    assert (await get(serving, who=TWO)).content == FIRMWARE


async def test_a_binary_that_is_flashed_directly_is_served_to_who_knows_it(
    serving: Settings, database: str
) -> None:
    digest = store(database, b"development build")
    assert (await get(serving, sha256=digest)).content == b"development build"


async def test_firmware_is_here_before_anybody_asks(serving: Settings) -> None:
    async def here() -> bool:
        return (serving.content_folder / SHA256).exists()

    assert await until(here)


async def test_without_postgresql_what_is_here_is_served_and_the_rest_is_put_off(
    edge: Settings, facts: Announcer
) -> None:
    reply = await get(edge)
    assert reply.status_code == 503
    assert int(reply.headers["retry-after"]) > 0
    (edge.content_folder / SHA256).write_bytes(FIRMWARE)
    assert (await get(edge)).content == FIRMWARE


async def chunk(ours: world.Device, **asked: Any) -> bytes:
    await ours.publish("chunk", {"sha256": SHA256, "offset": 0, "length": 32_768, **asked})
    return await ours.heard("chunk")


async def test_firmware_comes_in_chunks_over_the_session(
    serving: Settings, clean_nats: NatsServer
) -> None:
    fetched = b""
    async with device(clean_nats, ONE) as ours:
        while len(fetched) < len(FIRMWARE):
            answer = await chunk(ours, offset=len(fetched))
            assert HEADER.unpack_from(answer) == (1, len(fetched), bytes.fromhex(SHA256)[:8])
            fetched += answer[HEADER.size :]
    assert fetched == FIRMWARE


@pytest.mark.parametrize(
    ("asked", "error", "field"),
    [
        ({"length": 32_769}, "malformed", "length"),
        ({"length": 0}, "malformed", "length"),
        ({"offset": 100_000}, "malformed", "offset"),
        ({"offset": -1}, "malformed", "offset"),
        ({"sha256": "../secrets"}, "malformed", "sha256"),
        ({"sha256": "ab" * 32}, "unknown", "sha256"),
    ],
)
async def test_a_chunk_that_is_not_there_is_refused(
    serving: Settings, clean_nats: NatsServer, asked: Any, error: str, field: str
) -> None:
    async with device(clean_nats, ONE) as ours:
        refusal = json.loads(await chunk(ours, **asked))
    assert (refusal["about"], refusal["error"], refusal["field"]) == ("chunk", error, field)


async def test_chunks_of_another_products_firmware_are_refused(
    serving: Settings, clean_nats: NatsServer
) -> None:
    async with device(clean_nats, TWO) as ours:
        assert json.loads(await chunk(ours))["error"] == "unknown"


async def test_chunks_are_put_off_without_postgresql(
    edge: Settings, clean_nats: NatsServer
) -> None:
    async with device(clean_nats, ONE) as ours:
        assert json.loads(await chunk(ours))["error"] == "unavailable"
