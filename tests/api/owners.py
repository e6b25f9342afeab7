"""People and devices of theirs, in a product of the test's own and in none."""

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx

from domain.device_commands import ImportDevice
from domain.hello import Answer, Hello, Told
from domain.model import Command
from domain.ownership import ClaimDevice
from domain.roles import Role
from domain.session import RecordHandshake
from tests.api.serving import Served
from tests.api.teams import Around, Somebody, joining
from tests.api.world import PLATFORM, World, moment, new_id
from tests.people import People


@dataclass
class Person:
    """Somebody with an account, and the client that calls for them."""

    owners: "Owners"
    who: Somebody
    client: httpx.Client

    @property
    def email(self) -> str:
        return self.who.email

    @property
    def user_id(self) -> str:
        return self.who.user_id

    def get(self, path: str) -> Any:
        answer = self.client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def put(self, path: str, **changes: Any) -> Any:
        answer = self.client.put(path, json=changes)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def claim(self, device_id: str, **more: Any) -> httpx.Response:
        return self.client.post("/v1/devices", json={"id": device_id, **more})

    def device(self) -> str:
        """A device of theirs that is online, and in no product."""
        device_id = self.owners.online_device()
        assert self.claim(device_id).status_code == 200
        return device_id


class Owners:
    """`those` are people as the log knows them, `world` is a product."""

    def __init__(self, served: Served, those: People, world: World, clients: ExitStack) -> None:
        self.world = world
        self.those = those
        self.clients = clients
        self._around = Around(served, those, str(world.id), clients)

    def person(self, name: str) -> Person:
        who = self._around.user(name)
        return Person(self, who, self._around.call(who))

    def member(self, role: Role) -> Person:
        who = self._around.member(role)
        return Person(self, who, self._around.call(who))

    def token_of(self, person: Person) -> httpx.Client:
        """Another client of the same person, with a token of its own."""
        return self._around.call(self._around.holder(person.user_id, person.email))

    def bearer(self) -> httpx.Client:
        """Who calls with the credentials of the product."""
        return self._around.call(
            self._around.holder(product_id=self.world.id, client_id="some-client")
        )

    def joining(self, person: Person, team: str = "") -> list[Command]:
        """What makes a member of them, of the product's team or another: invitation, acceptance."""
        return joining(team or str(self.world.id), person.user_id, Role.VIEW_ONLY)

    def organization(self, owner: Person) -> str:
        """A new organization's id."""
        return self._around.organization(owner.who)

    def online_device(self, claim_code: str = "") -> str:
        """A device that has shaken hands, and is in no product."""
        return self.hello(new_id(), claim_code)

    def hello(self, device_id: str, claim_code: str = "") -> str:
        """`claim_code` is as it comes from the edge: hashed."""
        self.world.record(
            RecordHandshake(
                device_id=device_id,
                said=Hello(platform_id=PLATFORM, claim_code=claim_code),
                told=Answer(told=Told.UNKNOWN),
                based_on=0,
                running=None,
                attempts_max=3,
                at=moment(),
                connection=device_id,
            )
        )
        return device_id

    def import_devices(self, *device_ids: str) -> dict[str, Any]:
        answer = self.world.api.post(self.world.path + "/devices", json={"ids": device_ids})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def member_device(self, owner: Person) -> str:
        """A device of the product that is online, and that somebody has claimed."""
        device_id = self.online_device()
        self.world.record(ImportDevice(device_id=device_id, product_id=self.world.id))
        self.claim_in_log(device_id, owner.user_id)
        return device_id

    def claim_in_log(self, device_id: str, user_id: str) -> None:
        """As a claim code does it, whoever the person is."""
        self.world.record(ClaimDevice(device_id=device_id, user_id=user_id, reachable=True))
