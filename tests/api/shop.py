"""A product that sells to people: its clients, its customers, and their devices."""

import secrets
from dataclasses import dataclass
from typing import Any

import httpx

from domain.claim_code import hash_of
from tests.api.company import until
from tests.api.owners import Owners
from tests.api.serving import Served

PASSWORD = "correct horse battery"


@dataclass
class Customer:
    """Somebody with a token of the product, and the client that calls for them."""

    shop: "Shop"
    username: str
    token: dict[str, Any]
    client: httpx.Client

    @property
    def id(self) -> str:
        return str(self.shop.named(self.username)["id"])

    def devices(self) -> list[str]:
        answer = self.client.get("/v1/devices")
        assert answer.status_code == 200, answer.text
        return [device["id"] for device in answer.json()]

    def code(self, **sent: Any) -> str:
        answer = self.client.post(self.shop.path + "/device_claims", json=sent)
        assert answer.status_code == 200, answer.text
        code: str = answer.json()["claim_code"]
        return code

    def set_up(self, device_id: str = "") -> str:
        """A device of the product that shows a code of theirs, and is theirs."""
        device_id = device_id or self.shop.owners.world.import_devices()[0]
        self.shop.owners.hello(device_id, hash_of(self.code()))
        self.shop.owners.world.until(lambda: device_id in self.devices())
        return device_id

    def is_out(self, token: str = "") -> bool:
        """Whether a token works no longer: within the time that any process may remember it."""
        until(lambda: not self.works(token))
        return True

    def works(self, token: str = "") -> bool:
        """Whether a token works, theirs where none is named."""
        headers = {"Authorization": f"Bearer {token or self.token['access_token']}"}
        answer = self.shop.nobody.get("/v1/access_tokens/current", headers=headers)
        assert answer.status_code in (200, 401)
        return answer.status_code == 200


class Shop:
    """The product as its makers see it; `nobody` calls without a token."""

    def __init__(self, served: Served, owners: Owners, nobody: httpx.Client) -> None:
        self.served = served
        self.owners = owners
        self.nobody = nobody
        self.path = owners.world.path
        self.team = owners.world.api

    def register(self, **more: Any) -> dict[str, str]:
        """A client of the product; what it shows."""
        wanted = {"name": "app", "type": "installed", **more}
        answer = self.team.post(self.path + "/clients", json=wanted)
        assert answer.status_code == 200, answer.text
        made = answer.json()["client"]
        return {"client_id": made["id"], "client_secret": made["secret"]}

    def app(self) -> dict[str, str]:
        """A mobile app's: it may make customers, and no more."""
        return self.register(scope="customers:create")

    def server(self) -> dict[str, str]:
        """The company's own server's, which may everything."""
        return self.register()

    def sign_up(self, username: str = "", **more: Any) -> Customer:
        """A customer made by the team."""
        username = username or f"{secrets.token_hex(6)}@example.com"
        wanted = {"email": username, "password": PASSWORD, **more}
        answer = self.team.post(self.path + "/customers", json=wanted)
        assert answer.status_code == 201, answer.text
        return self.customer(username, answer.json())

    def customer(self, username: str, token: dict[str, Any]) -> Customer:
        client = self.owners.clients.enter_context(self.served.client(token["access_token"]))
        return Customer(self, username, token, client)

    def ask(self, **fields: Any) -> httpx.Response:
        """What is answered to whoever asks for a token."""
        return self.nobody.post("/oauth/token", data=fields)

    def log_in(self, username: str, password: str = PASSWORD, **more: Any) -> httpx.Response:
        fields = {**self.app(), **more} if "client_id" not in more else more
        return self.ask(grant_type="password", username=username, password=password, **fields)

    def listed(self, **query: Any) -> Any:
        answer = self.team.get(self.path + "/customers", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def named(self, username: str) -> dict[str, Any]:
        (found,) = [one for one in self.listed()["customers"] if one["username"] == username]
        return dict(found)
