"""A device on MQTT that answers as a test wants it to."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from domain.description import Description, VariableType
from domain.session import RecordDescription
from rollcall.ending import end
from tests.api.world import World, moment
from tests.device_edge.world import Device, device
from tests.servers import NatsServer

FUNCTIONS = ("blink", "check")
VARIABLES = {
    "count": VariableType.INT32,
    "level": VariableType.DOUBLE,
    "name": VariableType.STRING,
    "on": VariableType.BOOL,
}

# What a device makes of a request, by its kind; None: no answer at all.
Answers = Callable[[str, dict[str, Any]], Any]


@dataclass
class Lamp:
    """Where it is found, in its product and by itself."""

    id: str
    path: str

    @property
    def own_path(self) -> str:
        return f"/v1/devices/{self.id}"


def lamp_of(world: World) -> Lamp:
    (device_id,) = world.import_devices()
    describe(world, device_id, functions=FUNCTIONS, variables=VARIABLES)
    return Lamp(device_id, f"{world.path}/devices/{device_id}")


def describe(world: World, device_id: str, **has: Any) -> None:
    """The device says what it has, and the API knows."""
    description = Description(**has)
    world.record(RecordDescription(device_id=device_id, at=moment(), has=description))
    world.until(
        lambda: (
            tuple((shown := world.device(device_id))["functions"]) == description.functions
            and shown["variables"] == description.variables
            and (shown["serial_number"] or "") == description.serial_number
        )
    )


class Gadget:
    """A connected device, and what it was asked, in order."""

    def __init__(self, device: Device, answers: Answers) -> None:
        self.device = device
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self._answers = answers

    async def listen(self) -> None:
        before = len(f"d/{self.device.id}/dn/")
        async for message in self.device.client.messages:
            assert isinstance(message.payload, bytes)
            what, asked = str(message.topic)[before:], json.loads(message.payload)
            self.asked.append((what, asked))
            answer = self._answers(what, asked)
            if answer is not None:
                await self.device.publish(f"answer/{asked['id']}", answer)

    async def until_asked(self) -> dict[str, Any]:
        """What it was asked last, once it was."""
        async with asyncio.timeout(10):
            while not self.asked:
                await asyncio.sleep(0.01)
        return self.asked[-1][1]


@asynccontextmanager
async def gadget(server: NatsServer, device_id: str, answers: Answers) -> AsyncIterator[Gadget]:
    """Connected, listening, and gone at the end of the block."""
    async with device(server, device_id) as connected:
        ours = Gadget(connected, answers)
        listening = asyncio.create_task(ours.listen())
        try:
            yield ours
        finally:
            await end(listening)


def always(answer: Any) -> Answers:
    return lambda what, asked: answer


def never(what: str, asked: dict[str, Any]) -> None:
    """It hears, and says nothing."""
