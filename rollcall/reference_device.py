"""A device that keeps to docs/device-protocol.md, written from that page alone, over MQTT.

It runs no firmware: "starting" a version means to connect anew and say that it runs.
"""

import asyncio
import hmac
import json
import random
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, nullcontext, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import count
from typing import Any

import aiomqtt
import httpx

from rollcall.ending import end
from rollcall.reference_answers import REQUESTS, Offer
from rollcall.reference_fetch import ByChunks, ByHttp, Fetched, FetchFailed

KEEP_ALIVE_S = 45
ANSWER_TIMEOUT_S = 10.0
WAIT_S_MIN = 5.0
WAIT_S_MAX = 300.0
ASKING_S_MAX = 60.0  # then the connection is given up
CONNECT_TIMEOUT_S = 10.0
HEARD_KEPT = 1_000  # device events


class NoAnswer(Exception):
    """Rollcall did not answer in time."""


def token_of(secret: str, device_id: str, unix_time: int) -> str:
    """The password of one connection."""
    said = f"{device_id}.{unix_time}".encode()
    return f"v1.{unix_time}.{hmac.digest(bytes.fromhex(secret), said, sha256).hex()}"


@dataclass
class Behaviour:
    """How the device takes updates. `fail` is the reason why each of them fails."""

    updates_enabled: bool = True
    fail: str = ""
    never_confirm: bool = False
    by_chunks: bool = False


@dataclass
class ReferenceDevice:
    """`run` it; look at `version`, `told` and `online`, and wait for them with `until`.

    `wait_s` is the first pause before asking again, `reconnect_s_max` the longest one before it
    connects again. `turns` is what many devices of one program share, so that they do not all
    connect at once.
    """

    device_id: str
    secret: str
    product_id: int | None
    version: int | None
    platform_id: int | None = None
    host: str = "127.0.0.1"
    mqtt_port: int = 1883
    behaviour: Behaviour = field(default_factory=Behaviour)
    offer: Offer = field(default_factory=Offer)
    http: httpx.AsyncClient | None = None
    say: Callable[[str], None] = lambda sentence: None
    claim_code: str = ""
    wait_s: float = WAIT_S_MIN
    reconnect_s_max: float = WAIT_S_MAX
    answer_timeout_s: float = ANSWER_TIMEOUT_S
    turns: AbstractAsyncContextManager[Any] = field(default_factory=nullcontext)

    online: bool = False
    told: dict[str, Any] = field(default_factory=dict)
    answers: int = 0
    flashed: str = ""
    heard: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=HEARD_KEPT))
    firmware: bytes = b""

    def __post_init__(self) -> None:
        self._ids = (f"{number}" for number in count(1))
        self._fetched = Fetched()
        self._tried: int | None = None
        self._update_pauses = Pauses(self.wait_s)
        self._changed = asyncio.Condition()
        self._wishes: deque[tuple[list[dict[str, Any]], asyncio.Future[dict[str, Any]]]] = deque()
        self._inbox: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
        self._deferred: deque[tuple[str, bytes]] = deque()
        self._client: aiomqtt.Client

    async def run(self) -> None:
        """Until cancelled: connect, stay, connect again."""
        pauses = Pauses(self.wait_s, self.reconnect_s_max)
        while True:
            answers = self.answers
            try:
                await self._session()
            except (aiomqtt.MqttError, NoAnswer) as error:
                self.say(f"connection lost: {error}")
                if self.answers > answers:
                    pauses = Pauses(self.wait_s, self.reconnect_s_max)
                await asyncio.sleep(next(pauses))

    async def until(self, check: Callable[["ReferenceDevice"], bool], timeout_s: float) -> None:
        """Wait until the check holds of this device. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s), self._changed:
            await self._changed.wait_for(lambda: check(self))

    async def publish(self, events: list[dict[str, Any]]) -> dict[str, Any]:
        """Publish device events; returns the acknowledgement, however long it takes."""
        return await self._wish(events)

    def _wish(self, events: list[dict[str, Any]]) -> asyncio.Future[dict[str, Any]]:
        wish: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._wishes.append((events, wish))
        self._inbox.put_nowait(("wish", b""))
        return wish

    async def hello(self, at_least: int = 0) -> None:
        """Say hello once more, as after a change of `behaviour`; answered as of that position."""
        self._inbox.put_nowait(("again", json.dumps({"position": at_least}).encode()))

    async def _session(self) -> None:
        """One connection. Returns when the device starts something else."""
        now = int(time.time())
        client = aiomqtt.Client(
            self.host,
            self.mqtt_port,
            identifier=self.device_id,
            username=self.device_id,
            password=token_of(self.secret, self.device_id, now),
            keepalive=KEEP_ALIVE_S,
            clean_session=True,
            timeout=CONNECT_TIMEOUT_S,
        )
        async with AsyncExitStack() as connected:
            async with self.turns:
                self._client = await connected.enter_async_context(client)
                self._inbox = asyncio.Queue()
                self._deferred.clear()
                await client.subscribe(f"d/{self.device_id}/dn/#")
            listening = asyncio.create_task(self._listen(client))
            living = asyncio.create_task(self._live())
            try:
                await asyncio.wait({listening, living}, return_when=asyncio.FIRST_COMPLETED)
                if listening.done():
                    listening.result()
                await living
            finally:
                # At once: nobody is to use a connection that is being given up.
                await self._set(online=False)
                await end(listening, living)

    async def _listen(self, client: aiomqtt.Client) -> None:
        before = len(f"d/{self.device_id}/dn/")
        async for message in client.messages:
            payload = message.payload
            assert isinstance(payload, bytes)
            what = str(message.topic)[before:]
            if what == "event":
                self._hear(json.loads(payload))
            elif what in REQUESTS:
                # At once, whatever else is going on: somebody waits.
                await self._answer_request(client, what, json.loads(payload))
            else:
                self._inbox.put_nowait((what, payload))

    def _hear(self, event: dict[str, Any]) -> None:
        self.heard.append(event)
        self.say(f"heard {event['name']} of {event['device_id']}: {event['data']}")

    async def _answer_request(
        self, client: aiomqtt.Client, what: str, asked: dict[str, Any]
    ) -> None:
        answer = self.offer.answer(what, asked)
        await client.publish(f"d/{self.device_id}/up/answer/{asked['id']}", json.dumps(answer))
        self.say(f"asked to {what}: {answer}")
        if what == "vitals":
            self._wish([self.offer.vitals_event()])

    async def _live(self) -> None:
        """Say hello, do as told, then listen; returns when the device starts something else."""
        if await self._say_hello():
            return
        self._inbox.put_nowait(("wish", b""))
        while True:
            what, payload = self._deferred.popleft() if self._deferred else await self._inbox.get()
            if what == "again":
                if await self._say_hello(json.loads(payload).get("position", 0)):
                    return
            elif what == "flash":
                if await self._take_flash(json.loads(payload)):
                    return
            elif what == "wish":
                await self._publish_wishes()

    async def _say_hello(self, at_least: int = 0) -> bool:
        """Say hello, and do as told. Returns whether something else is to be started."""
        rested = False
        while True:
            answer = await self._hello(at_least)
            if answer["told"] != "update":
                return False
            # Not at once again what did not work out, nor what is not there.
            if not rested and (answer["version"] == self._tried or "sha256" not in answer):
                await asyncio.sleep(next(self._update_pauses))
                rested = True
            elif "sha256" in answer:
                rested = False
                if await self._update(answer):
                    return True

    async def _hello(self, at_least: int) -> dict[str, Any]:
        said = {
            "product_id": self.product_id,
            "version": self.version,
            "platform_id": self.platform_id,
            "updates_enabled": self.behaviour.updates_enabled,
            "id": next(self._ids),
            "at_least": at_least,
            "claim_code": self.claim_code or None,
            **self.offer.described(),
        }
        answer = await self._ask("hello", {k: v for k, v in said.items() if v is not None}, "hello")
        if "error" in answer:
            raise NoAnswer(answer["reason"])
        await self._set(online=True, told=answer, answers=self.answers + 1)
        self.say(f"told {answer['told']} by rule {answer['rule']}, as of {answer['position']}")
        return answer

    async def _update(self, answer: dict[str, Any]) -> bool:
        """Fetch, check, report. Returns whether something else is to be started."""
        version = answer["version"]
        if version != self._tried:
            self._tried, self._update_pauses = version, Pauses(self.wait_s)
        await self._report(version, "started")
        if self.behaviour.fail:
            await self._report(version, "failed", self.behaviour.fail)
            return False
        try:
            self.firmware = await self._fetch(answer)
        except FetchFailed as failed:
            await self._report(version, "failed", str(failed))
            return False
        await self._report(version, "delivered")
        if not self.behaviour.never_confirm:
            await self._set(version=version, product_id=answer["product_id"])
            self._tried = None
        self.say(f"starting, running version {self.version}")
        return True

    async def _take_flash(self, flash: dict[str, Any]) -> bool:
        try:
            self.firmware = await self._fetch(flash)
        except FetchFailed as failed:
            self.say(f"flash failed: {failed}")
            return False
        await self._set(flashed=flash["sha256"])
        return True

    async def _fetch(self, wanted: dict[str, Any]) -> bytes:
        """The bytes, checked. What was fetched before the connection broke is not fetched again."""
        fetched = self._fetched.of(wanted["sha256"], wanted["size_bytes"])
        url = wanted.get("url")
        if url and self.http and not self.behaviour.by_chunks:
            now = int(time.time())
            token = token_of(self.secret, self.device_id, now)
            await ByHttp(self.http, url, f"Device {self.device_id}:{token}").fetch(fetched)
        else:
            await ByChunks(self._ask_chunk).fetch(fetched)
        return fetched.checked()

    async def _ask_chunk(self, asked: dict[str, Any]) -> bytes:
        return await self._ask_bytes("chunk", asked, "chunk", lambda payload: True)

    async def _report(self, version: int, state: str, reason: str = "") -> None:
        report = {"version": version, "state": state, "id": next(self._ids)}
        await self._ask("update", {**report, "reason": reason} if reason else report, "ack")
        self.say(f"update to {version}: {state}{': ' + reason if reason else ''}")

    async def _publish_wishes(self) -> None:
        while self._wishes:
            events, wish = self._wishes[0]
            numbered = [{"id": next(self._ids), **event} for event in events]
            ids = {event["id"] for event in numbered}

            def ours(payload: bytes, ids: set[str] = ids) -> bool:
                ack = json.loads(payload)
                named = {*ack.get("ids", ()), *(one["id"] for one in ack.get("refused", ()))}
                return bool(named & ids)

            ack = json.loads(await self._ask_bytes("events", numbered, "ack", ours))
            self._wishes.popleft()
            if not wish.done():
                wish.set_result(ack)

    async def _ask(self, topic: str, message: dict[str, Any], answers_on: str) -> dict[str, Any]:
        def ours(payload: bytes) -> bool:
            answer = json.loads(payload)
            return answer.get("id") == message["id"] or "error" in answer

        answer: dict[str, Any] = json.loads(await self._ask_bytes(topic, message, answers_on, ours))
        return answer

    async def _ask_bytes(
        self, topic: str, message: Any, answers_on: str, ours: Callable[[bytes], bool]
    ) -> bytes:
        """Ask, and ask again with growing pauses; raises NoAnswer when they have grown enough."""
        for pause_s in Pauses(self.wait_s):
            await self._client.publish(f"d/{self.device_id}/up/{topic}", json.dumps(message))
            with suppress(TimeoutError):
                async with asyncio.timeout(self.answer_timeout_s):
                    return await self._answer(answers_on, ours)
            if pause_s >= ASKING_S_MAX:
                break
            await asyncio.sleep(pause_s)
        raise NoAnswer(f"none to {topic}")

    async def _answer(self, answers_on: str, ours: Callable[[bytes], bool]) -> bytes:
        while True:
            what, payload = await self._inbox.get()
            if what == answers_on and ours(payload):
                return payload
            self._deferred.append((what, payload))

    async def _set(self, **changes: Any) -> None:
        for name, value in changes.items():
            setattr(self, name, value)
        async with self._changed:
            self._changed.notify_all()


class Pauses:
    """How long to wait before each next attempt: doubling, bounded, and never in step."""

    def __init__(self, first_s: float, longest_s: float = WAIT_S_MAX) -> None:
        self._next_s = first_s
        self._longest_s = longest_s

    def __iter__(self) -> "Pauses":
        return self

    def __next__(self) -> float:
        pause_s = self._next_s
        self._next_s = min(2 * pause_s, self._longest_s)
        return pause_s * random.uniform(0.5, 1.5)
