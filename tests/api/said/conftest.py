"""People around a product whose devices say something."""

import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from domain.log.fleet import Fleet
from domain.ownership import ClaimDevice
from tests.api.said.saying import say
from tests.api.serving import Served
from tests.api.teams import Around, Somebody
from tests.api.world import World
from tests.people import people


@dataclass
class Scene(Around):
    """A product of somebody, with a device that its owner claimed."""

    owner: Somebody = None  # type: ignore[assignment]
    world: World = None  # type: ignore[assignment]
    device: str = ""

    @property
    def http(self) -> httpx.Client:
        """The owner's."""
        return self.call(self.owner)

    def say(self, *events: dict[str, Any]) -> int:
        """In the product, by its device unless it is said otherwise; all at once. Returns the
        place of the last one."""
        usual = {"device_id": self.device, "product_id": self.world.id, "name": "said"}
        own = {"user_id": self.owner.user_id, "version": 3}
        return say(self.served.database, *({**usual, **own, **event} for event in events))

    def count(self, *numbers: int) -> int:
        """Say numbers."""
        return self.say(*({"data": str(number)} for number in numbers))

    def claim(self, who: Somebody) -> str:
        """A new device of the product, which somebody claims."""
        device_id = self.world.import_devices()[0]
        claim = ClaimDevice(device_id=device_id, user_id=who.user_id, reachable=True)
        self.world.record(claim)
        return device_id


@pytest.fixture
def scene(served: Served, fleet: Fleet) -> Iterator[Scene]:
    with people(served.database) as those, ExitStack() as clients:
        yield make_scene(served, fleet, Scene(served, those, clients=clients))


def make_scene(served: Served, fleet: Fleet, scene: Scene) -> Scene:
    scene.owner = scene.user("owner")
    scene.world = World(scene.http, fleet, name=f"saying {secrets.token_hex(4)}")
    scene.team = str(scene.world.id)
    scene.device = scene.claim(scene.owner)
    return scene
