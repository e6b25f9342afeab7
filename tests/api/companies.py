"""A company on the installation: its people, and something of everything that can be named."""

import secrets
import time
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg

from api.auth import CACHED_S
from domain.log.fleet import Fleet
from domain.ownership import ClaimDevice, RequestTransfer
from domain.roles import Role
from tests.api.teams import FAR, Around, Somebody, ago
from tests.api.world import World

PARK = """
    INSERT INTO outbound.delivery (place, published_at, integration_id, device_id, meter, state,
                                   since, settled_at)
    VALUES (1, now(), %s, 'api', 'test', 'parked', now(), now()) RETURNING delivery_id
"""


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
            *(self.world.path + below for below in ("/customers", "/activation_codes")),
            *(self.world.path + "/integrations", f"/v1/orgs/{self.org}/integrations"),
            "/v1/integrations",
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
    buyer = f"{secrets.token_hex(4)}@example.com"
    buyer_id = around.those.sell_to(world.id, buyer)
    invited = around.those.invite_buyer(world.id, buyer, "AB23")
    program = {"friendly_name": "program", "scopes": ["devices:list"]}
    created = world.api.post(world.path + "/team", json=program).json()["created"]
    org = around.organization(owner)
    around.team = org
    around.member(Role.SUPPORT)
    slug = world.api.get(f"/v1/orgs/{org}").json()["organization"]["slug"]
    hook = {"event": "temp", "url": "http://127.0.0.1:9/nobody"}
    integrations = [
        world.api.post(path + "/webhooks", json=hook).json()["id"]
        for path in (world.path, "/v1", f"/v1/orgs/{org}")
    ]
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
        "customer": [buyer, buyer_id],
        "integration": integrations,
        "webhook": integrations,
        "delivery": [parked_at(around.served.database, integrations[0])],
        "activation": [invited],
        "meter": [f"product-{world.id}", f"user-{owner.user_id}"],
        "serial_number": ["SERIAL-NUMBER"],
    }
    return Company(around, owner, world, org, known)


def parked_at(database: str, integration_id: str) -> str:
    """A delivery to an integration that was given up."""
    with psycopg.connect(database, autocommit=True) as connection:
        row = connection.execute(PARK, [integration_id]).fetchone()
    assert row is not None
    return str(row[0])
