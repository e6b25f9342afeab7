"""A company on the installation: its people, and something of everything that can be named."""

import secrets
import time
from dataclasses import dataclass
from typing import Any

import httpx

from api.auth import CACHED_S
from domain.log.fleet import Fleet
from domain.ownership import ClaimDevice, RequestTransfer
from domain.roles import Role
from tests.api.teams import FAR, Around, Somebody, ago
from tests.api.world import World


@dataclass
class Company:
    """A product and an organization with something of everything, and their owner.

    `known` is what can be named of it, by the part of a path that names it.
    """

    around: Around
    owner: Somebody
    world: World
    org: str
    known: dict[str, list[str]]

    @property
    def http(self) -> httpx.Client:
        return self.around.call(self.owner)

    def everything(self) -> list[Any]:
        """All that the owner can read of it."""
        addresses = [
            *(self.world.path + below for below in ("", "/devices", "/groups", "/firmware")),
            *(self.world.path + below for below in ("/team", "/clients", "/history")),
            *("/v1/devices", "/v1/clients", "/v1/user", "/v1/orgs", "/v1/access_tokens/current"),
            *(f"/v1/orgs/{self.org}" + below for below in ("", "/team", "/products")),
            *("/v1/user/device_transfers", "/v1/user/invitations", "/v1/user/transfers"),
        ]
        answers = [self.http.get(address) for address in addresses]
        assert [answer.status_code for answer in answers] == [200] * len(answers)
        return [answer.json() for answer in answers]


def company(around: Around, fleet: Fleet) -> Company:
    owner = around.user("owner")
    world = World(around.call(owner), fleet, name=f"product of {secrets.token_hex(4)}")
    around.team = str(world.id)
    device_id = world.import_devices()[0]
    world.record(ClaimDevice(device_id=device_id, user_id=owner.user_id, reachable=True))
    device_name = f"named-{secrets.token_hex(4)}"
    world.put(f"/devices/{device_id}", name=device_name)
    transfer = secrets.token_hex(12)
    world.record(
        RequestTransfer(
            device_id=device_id,
            user_id=around.user("asking").user_id,
            transfer_id=transfer,
            at=ago(),
            expires_at=FAR,
        )
    )
    group = f"group-{secrets.token_hex(4)}"
    world.create_group(group)
    version = 1_000 + secrets.randbelow(60_000)
    world.upload(version)
    client = {"name": "theirs", "type": "installed"}
    clients = [
        world.api.post(path, json=client).json()["client"]["id"]
        for path in ("/v1/clients", world.path + "/clients")
    ]
    member = around.member(Role.DEVELOPER)
    program = {"friendly_name": "program", "scopes": ["devices:list"]}
    created = world.api.post(world.path + "/team", json=program).json()["created"]
    org = around.organization(owner)
    around.team = org
    around.member(Role.SUPPORT)
    slug = world.api.get(f"/v1/orgs/{org}").json()["organization"]["slug"]
    time.sleep(CACHED_S)  # until the owner's token knows of the organization
    known = {
        "product": [str(world.id), world.product["slug"]],
        "org": [org, slug],
        "device": [device_id, device_id.upper(), device_name],
        "group": [group],
        "version": [str(version)],
        "client": clients,
        "username": [member.email, owner.email, created["username"]],
        "token": [owner.token_id, member.token_id],
        "team": [str(world.id), org],
        "transfer": [transfer],
        "serial_number": ["SERIAL-NUMBER"],
    }
    return Company(around, owner, world, org, known)
