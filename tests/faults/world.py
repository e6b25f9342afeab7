"""A cloud under load: programs that use its API, devices that live with it, and its one killer."""

import asyncio
import hmac
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from hashlib import sha256
from random import Random
from typing import Any
from urllib.parse import urlsplit

import httpx
import nats
from nats.aio.client import Client as Nats

from domain.subjects import DEVICE_EVENTS_STREAM, JOURNAL_STREAM
from rollcall.sample_firmware import build
from rollcall.secret_keys import secrets_of
from tests.cloud import Cloud, cloud
from tests.faults.announced import announcements_wrong, facts_wrong
from tests.faults.client import ATTEMPT_TIMEOUT_S, Acknowledged, Client
from tests.faults.devices import FieldDevice
from tests.faults.killing import Killer
from tests.faults.log import Log
from tests.faults.nats import messages_left
from tests.faults.program import SHARED_GROUP, Program

PLATFORM = 6
EDGES = 2
PROGRAMS = 4
DEVICES_EACH = 8
SHARED_DEVICES = 4
BINARY_BYTES = 40_000  # more than a chunk
QUEUES = (JOURNAL_STREAM, DEVICE_EVENTS_STREAM)
SETTLED_TIMEOUT_S = 90.0
POLL_S = 0.1
SLOW_POLL_S = 0.5
PAUSE_S_MAX = 2.0
WAITED_FOR = 0.5  # of the victims
COMMANDS_BETWEEN_MAX = 30
PAGE_ROWS = 100
# A fleet of this size reconnects every few seconds here, all from one address.
ENVIRONMENT = {"ROLLCALL_DEVICE_MESSAGES_PER_S": "1000"}


class World:
    """Everything of one run. What is random in it follows from the seed; the timing does not."""

    def __init__(
        self, running: Cloud, seed: int, http: httpx.AsyncClient, devices_http: httpx.AsyncClient
    ) -> None:
        self.cloud = running
        self.seed = seed
        self.random = Random(seed)
        self.http = http
        self._devices_http = devices_http
        self.killer = Killer(running, Random(f"{seed} killer"))
        self.log = Log(running.status["database"])
        self.nats: Nats  # one connection for all looks: NATS tells the journal of each
        self.operator = Client(http, "operator", Random(f"{seed} operator"))
        self.devices: dict[str, FieldDevice] = {}
        self.programs: list[Program] = []
        self.product_id = 0
        self._living: list[asyncio.Task[None]] = []
        self._working: list[asyncio.Task[None]] = []
        self._quiet = asyncio.Event()

    @property
    def path(self) -> str:
        return f"/v1/products/{self.product_id}"

    @property
    def acknowledged(self) -> list[Acknowledged]:
        clients = [self.operator, *(program.client for program in self.programs)]
        return [command for client in clients for command in client.acknowledged]

    async def make(self) -> None:
        """A product, its firmware, each version proven by a device that runs it, and programs."""
        url = str(self.cloud.status["nats_url"])
        self.nats = await nats.connect(url, max_reconnect_attempts=-1, error_cb=ignore)
        product = {"product": {"name": "Tried", "platform_id": PLATFORM}}
        reply = await self.operator.ask("POST", "/v1/products", product)
        self.product_id = reply["product"]["id"]
        versions = [*range(1, PROGRAMS + 2)]
        for version in versions:
            await self._upload(version)
        count = PROGRAMS * DEVICES_EACH + SHARED_DEVICES
        ids = [f"e00fce68{number:016x}" for number in range(1, count + 1)]
        await self.operator.ask("POST", f"{self.path}/devices", {"ids": ids})
        await self.operator.ask("POST", f"{self.path}/groups", {"name": SHARED_GROUP})
        self._make_devices(ids, versions)
        shared = ids[-SHARED_DEVICES:]
        for number in range(PROGRAMS):
            own = ids[number * DEVICES_EACH : (number + 1) * DEVICES_EACH]
            self.programs.append(self._program(number, versions, own, shared))
        await self.until_told(lambda device: device.online, "every device has been answered")
        await self.until(self._proven, "every version is proven")

    async def work(self) -> None:
        """Have the programs ask and the devices be troubled, until `rest`."""
        self._quiet.clear()
        for device in self.devices.values():
            device.troubled = True
        self._working = [asyncio.create_task(self._work(program)) for program in self.programs]

    async def rest(self) -> None:
        """Every command under way is acknowledged, then none is given; devices calm down."""
        self._quiet.set()
        await asyncio.gather(*self._working)
        for device in self.devices.values():
            device.troubled = False

    async def kill(self, victim: str) -> None:
        """Raises what the load has broken with, if it has."""
        self.check()
        await asyncio.to_thread(self.killer.victims[victim])

    def check(self) -> None:
        """Raises what a program or a device has broken with."""
        for task in [*self._working, *self._living]:
            if task.done():
                task.result()

    async def until_acknowledged_more(self, commands: int) -> None:
        """The load goes on: it is not only that nothing was lost because nothing was done."""
        wanted = len(self.acknowledged) + commands

        async def done() -> str:
            self.check()
            return "" if len(self.acknowledged) >= wanted else f"{len(self.acknowledged)}"

        await self.until(done, f"{wanted} commands are acknowledged")

    async def until_converged(self) -> None:
        """Every device is online and runs its target, as the API says it and as the device does.

        A release without `intelligent` reaches a device at its next hello: so each says one.
        """
        head = self.log.head()
        for device in self.devices.values():
            await device.hello(at_least=head)

        async def converged() -> str:
            return await self._not_converged(head)

        await self.until(converged, "every device runs its target", SLOW_POLL_S)

    async def _not_converged(self, head: int) -> str:
        """Which devices are not; one that was answered as of earlier has to ask again."""
        self.check()
        wrong = []
        for shown in await self.shown_devices():
            device = self.devices.get(shown["id"])
            if device is None:
                continue
            if shown["stuck_firmware_version"]:
                path = f"{self.path}/devices/{device.device_id}/retry"
                await self.operator.ask("POST", path, {}, contended=True)
            target = shown["firmware_target"]["version"] or device.version
            found = (shown["online"], shown["firmware_version"], device.online, device.version)
            if found != (True, target, True, target):
                if device.told["position"] < head:
                    await device.hello(at_least=head)
                story = "\n  ".join(device.story)
                wrong.append(f"{device.device_id} is {found}, must run {target}:\n  {story}")
        return "\n".join(wrong)

    async def until_followed(self) -> None:
        """What devices said is in the log, and everything that follows the log is at its end."""
        await self.until(self._followed, "everything is read")

    async def _followed(self) -> str:
        left = {stream: await messages_left(self.nats, stream) for stream in QUEUES}
        head = await asyncio.to_thread(self.log.head)
        positions = await asyncio.to_thread(self.log.follower_positions)
        behind = {name: at for name, at in positions.items() if at != head}
        return "" if not any(left.values()) and not behind else f"{left}, {behind} of {head}"

    async def until_announced(self) -> None:
        """NATS holds the facts of the log's end, and every event of the log, once."""
        await self.until(lambda: facts_wrong(self.log, self.nats), "the facts are right")
        await self.until(
            lambda: announcements_wrong(self.log, self.nats), "every event is announced"
        )

    async def until_answered_anew(self) -> None:
        """Every device says hello, and is answered as of the log's end of now."""
        head = self.log.head()
        for device in self.devices.values():
            await device.hello(at_least=head)
        await self.until_told(
            lambda device: device.told["position"] >= head, f"answers as of {head}"
        )

    async def shown_devices(self) -> list[dict[str, Any]]:
        """Every device of the product, as the API shows it."""
        found: list[dict[str, Any]] = []
        page, pages = 1, 1
        while page <= pages:
            wanted: dict[str, str | int] = {"page": page, "per_page": PAGE_ROWS}
            wanted["sortAttr"] = "deviceId"
            reply = await self.http.get(f"{self.path}/devices", params=wanted)
            assert reply.is_success, reply.text
            found += reply.json()["devices"]
            page, pages = page + 1, reply.json()["meta"]["total_pages"]
        return found

    async def until_told(self, check: Callable[[FieldDevice], bool], what: str) -> None:
        async def told() -> str:
            self.check()
            return " ".join(one.device_id for one in self.devices.values() if not check(one))

        await self.until(told, what)

    async def until(
        self, look: Callable[[], Awaitable[str]], what: str, poll_s: float = POLL_S
    ) -> None:
        """Wait, bounded, until there is nothing wrong any more."""
        until = time.monotonic() + SETTLED_TIMEOUT_S
        while wrong := await look():
            assert time.monotonic() < until, f"not after {SETTLED_TIMEOUT_S:.0f} s: {what}: {wrong}"
            await asyncio.sleep(poll_s)

    async def _upload(self, version: int) -> None:
        content = build(self.product_id, version, PLATFORM, BINARY_BYTES, seed=version)
        await self.operator.ask(
            "POST",
            f"{self.path}/firmware",
            files={"file": (f"{version}.bin", content)},
            data={"version": str(version), "title": f"Version {version}"},
        )

    async def _proven(self) -> str:
        reply = await self.http.get(f"{self.path}/firmware")
        return " ".join(str(one["version"]) for one in reply.json() if not one["proven_by"])

    def _make_devices(self, ids: list[str], versions: list[int]) -> None:
        address = urlsplit(self.cloud.status["mqtt"])
        key = bytes.fromhex(secrets_of(self.cloud.state).device_master_key)
        for number, device_id in enumerate(ids):
            device = FieldDevice(
                device_id=device_id,
                secret=hmac.digest(key, device_id.encode(), sha256).hex(),
                product_id=self.product_id,
                version=versions[number] if number < len(versions) else 1,
                platform_id=PLATFORM,
                host=str(address.hostname),
                mqtt_port=address.port or 0,
                http=self._devices_http,
                wait_s=0.2,
                answer_timeout_s=2.0,
            )
            self.devices[device_id] = device
            self._living.append(asyncio.create_task(device.live()))

    def _program(
        self, number: int, versions: list[int], own: list[str], shared: list[str]
    ) -> Program:
        random = Random(f"{self.seed} program {number}")
        return Program(
            Client(self.http, f"program-{number}", random),
            random,
            product_id=self.product_id,
            number=number,
            version=versions[number + 1],
            versions=versions,
            devices=own,
            shared=shared,
        )

    async def _work(self, program: Program) -> None:
        while not self._quiet.is_set():
            await program.step()

    async def end(self) -> None:
        await self.nats.close()
        for task in self._living:
            task.cancel()
        await asyncio.gather(*self._living, return_exceptions=True)


async def ignore(error: Exception) -> None:
    """That NATS is away now and then is what these tests are about."""


async def batter(ours: World, rounds: int) -> None:
    """Kill one thing after the other at random moments under load; then let everything calm down.

    All kinds of victims have their turn before one has a second. What comes next does not always
    wait until the last one is back.
    """
    await ours.work()
    turns: list[str] = []
    for number in range(rounds):
        if not turns:
            turns = ours.random.sample(list(ours.killer.victims), k=len(ours.killer.victims))
        victim = turns.pop()
        print(f"round {number}: {victim}")
        await ours.kill(victim)
        if ours.random.random() < WAITED_FOR:
            await ours.until_acknowledged_more(ours.random.randint(0, COMMANDS_BETWEEN_MAX))
        await asyncio.sleep(ours.random.uniform(0.0, PAUSE_S_MAX))
    await asyncio.to_thread(ours.cloud.wait_ready)
    await ours.until_acknowledged_more(COMMANDS_BETWEEN_MAX)
    await ours.rest()
    await ours.until_converged()
    await ours.until_followed()


@asynccontextmanager
async def world(seed: int) -> AsyncIterator[World]:
    """A cloud with two edges, and a fleet in it that lives; all gone at the end."""
    running = cloud(edges=EDGES, environment=ENVIRONMENT)
    ours = await asyncio.to_thread(running.__enter__)
    try:
        async with http_of(ours) as http, httpx.AsyncClient(trust_env=False) as devices_http:
            made = World(ours, seed, http, devices_http)
            try:
                await made.make()
                yield made
            finally:
                await made.end()
    finally:
        await asyncio.to_thread(running.__exit__, None, None, None)


def http_of(running: Cloud) -> httpx.AsyncClient:
    """The API with the administrator's token; its address stays what it is over every restart."""
    found = running.status
    return httpx.AsyncClient(
        base_url=found["http"],
        headers={"Authorization": f"Bearer {found['admin_token']}"},
        timeout=ATTEMPT_TIMEOUT_S,
        trust_env=False,
    )
