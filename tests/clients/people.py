"""People who signed up as anybody does, with the library; each at a terminal of their own too."""

import secrets
from dataclasses import dataclass
from typing import Any

import pyotp

from tests.clients.particle_js import ParticleJs
from tests.cloud import Cloud
from tests.projections.patience import eventually

PASSWORD = "correct horse battery staple"


@dataclass(frozen=True)
class Person:
    """Somebody with an account. `js` calls with their token."""

    email: str
    password: str
    token: str
    js: ParticleJs

    def create_product(self, name: str = "", platform_id: int = 6) -> dict[str, Any]:
        """A product of theirs; the library has no method for it."""
        asked = {"name": name or f"fleet {secrets.token_hex(4)}", "platform_id": platform_id}
        answer = self.js.call("post", uri="/v1/user/products", data={"product": asked})
        product: dict[str, Any] = answer["product"]
        return product


class People:
    """Signs people up."""

    def __init__(self, rollcall: Cloud, library: ParticleJs) -> None:
        self._rollcall = rollcall
        self._library = library

    def sign_up(self, **told: Any) -> Person:
        email = f"{secrets.token_hex(6)}@example.com"
        made = self._library.call("createUser", username=email, password=PASSWORD, **told)
        assert made["ok"] is True
        token = self._library.call("login", username=email, password=PASSWORD)["access_token"]
        return Person(email, PASSWORD, token, self._library.having(auth=token))


def with_second_factor(person: Person) -> list[str]:
    """Has them use one from now on; returns their recovery codes, each good for one log-in."""
    offer = person.js.call("enableMfa")
    told = {"mfaToken": offer["mfa_token"], "otp": pyotp.TOTP(offer["secret"]).now()}
    codes: list[str] = person.js.call("confirmMfa", **told)["recovery_codes"]
    return codes


def must_be_out(js: ParticleJs) -> None:
    """The token works no longer, or soon."""
    eventually(lambda: not js.succeeds("getUserInfo"))
    refused = js.refused("getUserInfo")
    assert (refused.status, refused.body["error"]) == (401, "invalid_token")
