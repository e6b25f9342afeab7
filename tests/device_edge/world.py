"""What the edge's tests stand on: an announcer of facts, an edge, devices that connect to it."""

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import msgspec
import nats
from nats.aio.client import Client
from nats.js.api import StorageType, StreamConfig

from device_edge.credentials import secret_of, token_of
from device_edge.edge import Settings, run_edge
from domain.facts import DeviceFacts, ProductFacts
from domain.subjects import (
    FACTS_HEAD,
    FACTS_STREAM,
    FACTS_SUBJECTS,
    JOURNAL_STREAM,
    facts_of_device,
    facts_of_firmware,
    facts_of_product,
)
from rollcall.embedded.ports import Ports
from tests.servers import NatsServer

TIMEOUT_S = 10.0
POLL_S = 0.01
MASTER_KEY = bytes(range(32))
PRODUCT = 94
PHOTON = 6


def device_id(number: int) -> str:
    return f"{number:024x}"


def token(device: str, *, offset_s: int = 0, secret: bytes | None = None) -> str:
    return token_of(secret or secret_of(MASTER_KEY, device), device, int(time.time()) + offset_s)


async def until(check: Callable[[], Awaitable[Any]], timeout_s: float = TIMEOUT_S) -> Any:
    """Wait, bounded, until the check gives something true; returns it."""
    end = time.monotonic() + timeout_s
    while not (found := await check()):
        assert time.monotonic() < end, "waited too long"
        await asyncio.sleep(POLL_S)
    return found


class Announcer:
    """Publishes facts as projections do."""

    def __init__(self, connection: Client) -> None:
        self.connection = connection
        self.position = 0

    async def make(self) -> None:
        await self.connection.jetstream().add_stream(
            StreamConfig(
                name=FACTS_STREAM,
                subjects=[FACTS_SUBJECTS],
                max_msgs_per_subject=1,
                storage=StorageType.FILE,
            )
        )

    async def put(self, subject: str, fact: bytes) -> None:
        await self.connection.jetstream().publish(subject, fact)

    async def device(self, device: str, **facts: Any) -> None:
        await self.put(facts_of_device(device), msgspec.json.encode(DeviceFacts(**facts)))

    async def product(self, product_id: int = PRODUCT, **facts: Any) -> None:
        known = ProductFacts(product_id=product_id, **{"platform_id": PHOTON, **facts})
        await self.put(facts_of_product(product_id), msgspec.json.encode(known))

    async def firmware(self, version: int, sha256: str, size_bytes: int) -> None:
        fact = {"sha256": sha256, "size_bytes": size_bytes}
        await self.put(facts_of_firmware(PRODUCT, version), msgspec.json.encode(fact))

    async def head(self, position: int | None = None) -> int:
        self.position = position if position is not None else self.position + 1
        await self.put(FACTS_HEAD, msgspec.json.encode({"position": self.position}))
        return self.position

    async def announce(
        self,
        devices: Mapping[str, Mapping[str, Any]] | None = None,
        product: Mapping[str, Any] | None = None,
    ) -> int:
        """One batch: the product if given, devices by id, and the head. Returns its position."""
        if product is not None:
            await self.product(**product)
        for device, facts in (devices or {}).items():
            await self.device(device, **facts)
        return await self.head()


class Device:
    """A device on MQTT, by a real client."""

    def __init__(self, client: aiomqtt.Client, device: str) -> None:
        self.client = client
        self.id = device

    async def publish(self, what: str, message: Any, qos: int = 0) -> None:
        payload = message if isinstance(message, bytes) else json.dumps(message).encode()
        await self.client.publish(f"d/{self.id}/up/{what}", payload, qos=qos)

    async def heard(self, what: str, timeout_s: float = TIMEOUT_S) -> bytes:
        """The next message on that topic; others are dropped."""
        async with asyncio.timeout(timeout_s):
            async for message in self.client.messages:
                if str(message.topic) == f"d/{self.id}/dn/{what}":
                    assert isinstance(message.payload, bytes)
                    return message.payload
        raise AssertionError("the connection ended")

    async def ask(self, what: str, message: Any, answers_on: str = "") -> Any:
        await self.publish(what, message)
        return json.loads(await self.heard(answers_on or what))

    async def hello(self, **said: Any) -> Any:
        return await self.ask("hello", said)


@asynccontextmanager
async def device(
    server: NatsServer, device: str, *, password: str = "", client_id: str = "", **options: Any
) -> AsyncIterator[Device]:
    client = aiomqtt.Client(
        "127.0.0.1",
        server.mqtt_port,
        identifier=client_id or device,
        username=device,
        password=password or token(device),
        timeout=TIMEOUT_S,
        **options,
    )
    async with client:
        await client.subscribe(f"d/{device}/dn/#")
        yield Device(client, device)


NOWHERE = "host=/nowhere dbname=none"


def settings_of(
    server: NatsServer, folder: Path, database: str = NOWHERE, **changes: Any
) -> Settings:
    """Without a database, as an edge that is cut off from it."""
    port = free_port()
    settings = Settings(
        name=f"edge-{secrets.token_hex(3)}",
        nats_url=server.url,
        nats_auth_url=server.auth_url,
        issuer_seed=server.issuer_seed,
        master_key=MASTER_KEY,
        database_url=database,
        http_host="127.0.0.1",
        http_port=port,
        http_url=f"http://127.0.0.1:{port}",
        content_folder=folder / "content",
        messages_per_s_max=100,
    )
    return msgspec.structs.replace(settings, **changes)


def free_port() -> int:
    ports = Ports({}, {})
    number = ports.choose("edge")
    ports.close()
    return number


@asynccontextmanager
async def edge(settings: Settings) -> AsyncIterator[Settings]:
    """A running edge; it ends cleanly with the block, and what broke in it is raised."""
    stopping, ready = asyncio.Event(), asyncio.Event()
    running = asyncio.create_task(run_edge(settings, stopping, ready.set))
    waiting = asyncio.create_task(ready.wait())
    try:
        async with asyncio.timeout(TIMEOUT_S):
            await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
        yield settings
    finally:
        waiting.cancel()
        stopping.set()
        await running


async def journal(connection: Client) -> Sequence[Any]:
    """Every report in the journal stream, in order."""
    streams = connection.jetstream()
    state = (await streams.stream_info(JOURNAL_STREAM)).state
    reports: list[Any] = []
    if not state.messages:
        return reports
    for sequence in range(state.first_seq, state.last_seq + 1):
        message = await streams.get_msg(JOURNAL_STREAM, sequence)
        assert message.subject is not None
        if message.subject.startswith("journal."):
            assert message.data is not None
            reports += json.loads(message.data)
    return reports


@asynccontextmanager
async def connected(url: str, **options: Any) -> AsyncIterator[Client]:
    connection = await nats.connect(url, **options)
    try:
        yield connection
    finally:
        await connection.close()
