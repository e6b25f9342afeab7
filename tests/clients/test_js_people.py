"""Accounts, log-ins, tokens and OAuth clients, by particle-api-js."""

import secrets
from typing import Any

import pyotp
import pytest

from tests.clients.particle_js import ParticleJs
from tests.clients.people import PASSWORD, People, Person, must_be_out

BAD_CREDENTIALS = "User credentials are invalid"
TOKEN_DIGITS = 40


@pytest.fixture
def someone(people: People) -> Person:
    return people.sign_up()


def log_in(library: ParticleJs, person: Person, **more: Any) -> dict[str, Any]:
    told = {"username": person.email, "password": person.password, **more}
    found: dict[str, Any] = library.call("login", **told)
    return found


def test_somebody_signs_up_logs_in_and_is_known(library: ParticleJs) -> None:
    email, name = f"{secrets.token_hex(6)}@example.com", {"first_name": "Ada"}
    told = {"username": email, "password": PASSWORD}
    assert library.call("createUser", **told, accountInfo=name) == {"ok": True}
    let_in = library.call("login", **told, tokenDuration=3_600)
    assert let_in["token_type"].lower() == "bearer"
    assert let_in["expires_in"] == 3_600
    assert len(let_in["access_token"]) == TOKEN_DIGITS
    assert let_in["refresh_token"]

    js = library.having(auth=let_in["access_token"])
    found = js.call("getUserInfo")
    assert (found["username"], found["account_info"]["first_name"]) == (email, "Ada")
    assert found["mfa"] == {"enabled": False}
    identity = js.call("trackingIdentity", full=True)
    assert (identity["email"], identity["id"]) == (email, found["id"])


def test_an_account_is_not_made_twice(library: ParticleJs, someone: Person) -> None:
    again = {"username": someone.email.upper(), "password": PASSWORD}
    assert library.refused("createUser", **again).status == 400


def test_a_wrong_password_and_an_unknown_name_are_told_alike(
    library: ParticleJs, someone: Person
) -> None:
    wrong = library.refused("login", username=someone.email, password="a guess of mine")
    unknown = library.refused("login", username="nobody@example.com", password=PASSWORD)
    assert wrong.status == unknown.status == 400
    assert wrong.body["error"] == "invalid_grant"
    assert wrong.body["error_description"] == BAD_CREDENTIALS
    assert wrong.body == {**unknown.body, "response": wrong.body["response"]}


def test_somebody_changes_name_address_and_password(library: ParticleJs, someone: Person) -> None:
    js, email = someone.js, f"{secrets.token_hex(6)}@example.com"
    assert js.call("setUserInfo", accountInfo={"last_name": "Lovelace"})["ok"] is True
    assert js.call("getUserInfo")["account_info"]["last_name"] == "Lovelace"

    moved = {"username": email, "currentPassword": PASSWORD}
    assert js.call("changeUsername", **moved)["ok"] is True
    assert js.call("getUserInfo")["username"] == email

    new = "another horse, another battery"
    wrong = js.refused("changeUserPassword", password=new, currentPassword="not this one")
    assert wrong.status in (400, 403)
    right = {"password": new, "currentPassword": PASSWORD, "invalidateTokens": True}
    assert js.call("changeUserPassword", **right)["ok"] is True
    assert library.call("login", username=email, password=new)["access_token"]
    assert library.refused("login", username=email, password=PASSWORD).status == 400


def test_a_forgotten_password_is_told_of_to_nobody(library: ParticleJs, someone: Person) -> None:
    known = library.call("resetPassword", username=someone.email)
    assert known["ok"] is True
    assert library.call("resetPassword", username="nobody@example.com") == known


def test_tokens_are_revoked_by_whoever_has_them(library: ParticleJs, someone: Person) -> None:
    one, two, three = (log_in(library, someone)["access_token"] for _ in range(3))
    assert library.call("deleteAccessToken", token=one) == {"ok": True}
    assert library.having(auth=two).call("deleteCurrentAccessToken") == {"ok": True}
    must_be_out(library.having(auth=one))
    must_be_out(library.having(auth=two))
    assert library.having(auth=three).call("getUserInfo")["username"] == someone.email
    assert someone.js.call("deleteActiveAccessTokens") == {"ok": True}
    must_be_out(library.having(auth=three))
    must_be_out(someone.js)


def test_a_second_factor_is_asked_for(library: ParticleJs, someone: Person) -> None:
    offer = someone.js.call("enableMfa")
    assert offer["qr_url"].startswith("otpauth://totp/")
    otp = pyotp.TOTP(offer["secret"]).now()
    confirmed = someone.js.call("confirmMfa", mfaToken=offer["mfa_token"], otp=otp)
    assert confirmed["enrolled"] is True

    half = library.refused("login", username=someone.email, password=PASSWORD)
    assert (half.status, half.body["error"]) == (403, "mfa_required")
    code = {"mfaToken": half.body["mfa_token"], "otp": confirmed["recovery_codes"][0]}
    let_in = library.call("sendOtp", **code)["access_token"]
    assert library.having(auth=let_in).call("getUserInfo")["mfa"] == {"enabled": True}

    assert someone.js.call("disableMfa", currentPassword=PASSWORD)["ok"] is True
    assert log_in(library, someone)["access_token"]


def test_somebody_leaves_for_good(library: ParticleJs, people: People) -> None:
    leaving = people.sign_up()
    assert leaving.js.refused("deleteUser", password="a guess of mine").status in (400, 403)
    assert leaving.js.call("deleteUser", password=PASSWORD)["ok"] is True
    gone = library.refused("login", username=leaving.email, password=PASSWORD)
    assert gone.body["error_description"] == BAD_CREDENTIALS


def test_clients_are_made_and_let_in_by_their_own_name(
    library: ParticleJs, someone: Person
) -> None:
    product = someone.create_product()["id"]
    made = someone.js.call("createOAuthClient", product=product, name="app", type="installed")
    client = made["client"]
    assert client["id"].startswith("app-")
    assert client["secret"]
    listed = someone.js.call("listOAuthClients", product=product)["clients"]
    assert [(one["id"], "secret" in one) for one in listed] == [(client["id"], False)]

    itself = library.having(clientId=client["id"], clientSecret=client["secret"])
    token = itself.call("loginAsClientOwner")["access_token"]
    as_product = library.having(auth=token)
    assert as_product.call("listDevices", product=product)["devices"] == []
    assert as_product.refused("getProduct", product=65_000).status == 403

    of = {"product": product, "clientId": client["id"]}
    assert someone.js.call("updateOAuthClient", **of, name="new app")["client"]["name"] == "new app"
    assert someone.js.call("deleteOAuthClient", **of) == {}
    assert someone.js.call("listOAuthClients", product=product)["clients"] == []
    assert itself.refused("loginAsClientOwner").body["error"] == "invalid_client"
