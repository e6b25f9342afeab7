"""Somebody with an account, seen through the API as a program of theirs sees it."""

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pyotp

from tests.api.serving import Served
from tests.people import people

PASSWORD = "correct horse battery"
CLIENT = "particle-api"
WRONG = {"error": "invalid_grant", "error_description": "User credentials are invalid"}


class Person:
    """Signs up at once. `bearer` calls with the token of a log-in, `nobody` without any."""

    def __init__(self, served: Served, nobody: httpx.Client, **account_info: Any) -> None:
        self.served = served
        self.nobody = nobody
        self.email = f"{secrets.token_hex(6)}@example.com"
        self.password = PASSWORD
        wanted = {"username": self.email, "password": PASSWORD, "account_info": account_info}
        answer = nobody.post("/v1/users", json=wanted)
        assert answer.status_code == 200, answer.text

    def ask(self, **fields: Any) -> httpx.Response:
        """What a client of the cloud is answered when it asks for a token."""
        return self.nobody.post(
            "/oauth/token", data={"client_id": CLIENT, "client_secret": CLIENT, **fields}
        )

    def log_in(self, **fields: Any) -> dict[str, Any]:
        asked = {"grant_type": "password", "username": self.email, "password": self.password}
        answer = self.ask(**{**asked, **fields})
        assert answer.status_code == 200, answer.text
        token: dict[str, Any] = answer.json()
        return token

    @contextmanager
    def bearer(self, token: str = "") -> Iterator[httpx.Client]:
        with self.served.client(token=token or self.log_in()["access_token"]) as client:
            yield client

    def works(self, token: str) -> bool:
        with self.bearer(token) as client:
            status = client.get("/v1/access_tokens/current").status_code
        assert status in (200, 401)
        return status == 200

    def enable_mfa(self, client: httpx.Client) -> "Authenticator":
        offer = client.get("/v1/user/mfa-enable").json()
        authenticator = Authenticator(offer["secret"])
        wanted = {"mfa_token": offer["mfa_token"], "otp": authenticator.code(-1)}
        answer = client.post("/v1/user/mfa-enable", json=wanted)
        assert answer.status_code == 200, answer.text
        authenticator.recovery_codes = answer.json()["recovery_codes"]
        return authenticator


class Authenticator:
    """What a telephone computes."""

    def __init__(self, secret: str) -> None:
        self._totp = pyotp.TOTP(secret)
        self.recovery_codes: list[str] = []

    def code(self, steps_from_now: int = 0) -> str:
        """The one-time password of this half minute, or of one so many before or after."""
        return self._totp.at(int(time.time()), counter_offset=steps_from_now)


def seed_clients(database: str) -> None:
    """The clients that the tools of the market bring along."""
    with people(database) as those:
        for client_id in ("particle", "particle-api", "particle-cli"):
            those.register(client_id)
