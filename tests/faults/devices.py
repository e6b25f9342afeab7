"""Devices under load: reference devices that also lose power, fail updates, and note every ack."""

import asyncio
import json
from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count, islice
from random import Random
from typing import Any

import aiomqtt

from rollcall.ending import end
from rollcall.reference_device import ReferenceDevice

FAILS = 0.15  # of the updates, while it is troubled
PAUSE_S_MAX = 1.5  # between two things that a device does by itself
POWER_LOST = 0.15
EVENTS_MAX = 10  # in a message
STORY_SENTENCES = 12  # remembered of each, for whoever asks why


@dataclass
class Told:
    """Everything that reached a device, which it may rely on from then on."""

    answers: Counter[tuple[str, int | None, int]] = field(default_factory=Counter)
    started: set[int] = field(default_factory=set)
    delivered: Counter[int] = field(default_factory=Counter)
    failed: set[str] = field(default_factory=set)  # reasons, each of them given once
    stored: set[str] = field(default_factory=set)  # device events, by their data
    refused: list[Any] = field(default_factory=list)


class FieldDevice(ReferenceDevice):
    """A reference device whose updates fail now and then, each for a reason of its own."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.heard = Told()
        self.published: list[str] = []
        self.troubled = True
        self.story: deque[str] = deque(maxlen=STORY_SENTENCES)
        self.say = self._tell
        self.random = Random(self.device_id)
        self._events = (f"{self.device_id}-{number}" for number in count(1))
        self._faults = (f"{self.device_id}: fault {number}" for number in count(1))

    def _tell(self, sentence: str) -> None:
        now = datetime.now(UTC).strftime("%H:%M:%S.%f")
        self.story.append(f"{now} {sentence}")

    async def live(self) -> None:
        """Until cancelled: run, publish, say hello at times, lose power at others."""
        while True:
            running = asyncio.create_task(self.run())
            try:
                await self._be_busy(running)
            finally:
                self.say("power lost")
                await end(running)

    async def _be_busy(self, running: asyncio.Task[None]) -> None:
        """Until the power goes. Raises what broke the device, which nothing should."""
        while not (self.troubled and self.online and self.random.random() < POWER_LOST):
            pause_s = self.random.uniform(0.0, PAUSE_S_MAX)
            done, _ = await asyncio.wait([running], timeout=pause_s)
            if done:
                await running
            if self.online and self.troubled:
                await self._publish_some()

    async def _publish_some(self) -> None:
        """Published once only, so that it can be stored once only; the ack may come or not."""
        names = [*islice(self._events, self.random.randint(1, EVENTS_MAX))]
        try:
            events = [{"name": "measured", "data": name, "id": name} for name in names]
            self.published += names
            await self._client.publish(f"d/{self.device_id}/up/events", json.dumps(events))
        except aiomqtt.MqttError:
            return  # the connection broke: `run` makes another

    async def _update(self, answer: dict[str, Any]) -> bool:
        fails = self.troubled and self.random.random() < FAILS
        self.behaviour.fail = next(self._faults) if fails else ""
        self.behaviour.by_chunks = self.random.random() < 0.5
        return await super()._update(answer)

    async def _report(self, version: int, state: str, reason: str = "") -> None:
        await super()._report(version, state, reason)
        if state == "started":
            self.heard.started.add(version)
        elif state == "delivered":
            self.heard.delivered[version] += 1
        elif reason == self.behaviour.fail:
            self.heard.failed.add(reason)

    async def _listen(self, client: aiomqtt.Client) -> None:
        before = len(f"d/{self.device_id}/dn/")
        async for message in client.messages:
            payload = message.payload
            assert isinstance(payload, bytes)
            what = str(message.topic)[before:]
            self._note(what, payload)
            self._inbox.put_nowait((what, payload))

    def _note(self, what: str, payload: bytes) -> None:
        if what not in {"hello", "ack"}:
            return
        said = json.loads(payload)
        if "error" in said:
            self.heard.refused.append(said)
        elif what == "hello":
            self.heard.answers[said["told"], said.get("version"), said["position"]] += 1
        elif said["about"] == "events":
            self.heard.stored |= {*said["ids"]}
            self.heard.refused += said["refused"]
