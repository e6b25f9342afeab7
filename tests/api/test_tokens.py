"""Access tokens: listed, looked at, revoked by whoever has them."""

import time

import httpx
import pytest

from api.auth import CACHED_S
from tests.api.person import CLIENT, Person


def test_the_current_token_says_what_it_is(person: Person) -> None:
    with person.bearer() as client:
        current = client.get("/v1/access_tokens/current").json()
    assert current["client"] == current["client_id"] == CLIENT
    assert current["scopes"] == ["*"]
    assert current["orgs"] == []
    assert current["expires_at"].endswith("Z")


def test_tokens_are_listed_for_the_password_and_none_is_shown(person: Person) -> None:
    token = person.log_in()["access_token"]
    answer = person.nobody.get("/v1/access_tokens", auth=(person.email, person.password))
    (listed,) = answer.json()
    assert answer.status_code == 200
    assert listed["client"] == CLIENT
    assert token not in answer.text


def test_a_listed_token_is_revoked_by_its_id(person: Person) -> None:
    token = person.log_in()["access_token"]
    auth = (person.email, person.password)
    (listed,) = person.nobody.get("/v1/access_tokens", auth=auth).json()
    assert person.nobody.delete(f"/v1/access_tokens/{listed['token']}").status_code == 404
    answer = person.nobody.delete(f"/v1/access_tokens/{listed['token']}", auth=auth)
    assert answer.json() == {"ok": True}
    assert not person.works(token)


def test_a_token_of_somebody_else_is_not_revoked_by_its_id(
    person: Person, nobody: httpx.Client
) -> None:
    person.log_in()
    auth = (person.email, person.password)
    (listed,) = nobody.get("/v1/access_tokens", auth=auth).json()
    other = Person(person.served, nobody)
    with other.bearer() as theirs:
        assert theirs.delete(f"/v1/access_tokens/{listed['token']}").status_code == 404
    assert len(nobody.get("/v1/access_tokens", auth=auth).json()) == 1


@pytest.mark.parametrize("auth", [("nobody@example.com", "wrong password"), ("", "")])
def test_tokens_are_not_listed_for_a_wrong_password(nobody: httpx.Client, auth) -> None:
    answer = nobody.get("/v1/access_tokens", auth=auth)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


def test_tokens_are_not_listed_for_nobody(nobody: httpx.Client) -> None:
    answer = nobody.get("/v1/access_tokens")
    assert answer.json()["error_description"] == "The access token was not found"


def test_a_second_factor_is_needed_to_list_tokens_too(person: Person) -> None:
    with person.bearer() as client:
        authenticator = person.enable_mfa(client)
    auth = (person.email, person.password)
    without = person.nobody.get("/v1/access_tokens", auth=auth)
    assert (without.status_code, without.json()["error"]) == (403, "mfa_required")
    wrong = person.nobody.get("/v1/access_tokens", auth=auth, params={"otp": "000000"})
    assert wrong.status_code == 400
    code = authenticator.recovery_codes[0]
    for status in (200, 400):
        answer = person.nobody.get("/v1/access_tokens", auth=auth, params={"otp": code})
        assert answer.status_code == status


def test_whoever_has_a_token_can_revoke_it(person: Person) -> None:
    token = person.log_in()["access_token"]
    assert person.nobody.delete(f"/v1/access_tokens/{token}").json() == {"ok": True}
    assert not person.works(token)


@pytest.mark.parametrize("token", ["f" * 40, "x", "%00", "f" * 24])
def test_a_token_that_is_not_known_is_not_found(nobody: httpx.Client, token: str) -> None:
    answer = nobody.delete(f"/v1/access_tokens/{token}")
    assert answer.status_code == 404
    # Tools take these words for the end of the token that they have themselves.
    assert "access token" not in answer.text.lower()


def test_who_logs_out_is_out_within_a_second(person: Person) -> None:
    with person.bearer() as client:
        assert client.delete("/v1/access_tokens/current").json() == {"ok": True}
        time.sleep(CACHED_S)
        assert client.get("/v1/user").status_code == 401


def test_all_tokens_of_a_user_are_revoked_at_once(person: Person, nobody: httpx.Client) -> None:
    tokens = [person.log_in()["access_token"] for _ in range(3)]
    other = Person(person.served, nobody)
    theirs = other.log_in()["access_token"]
    with person.bearer() as client:
        assert client.delete("/v1/access_tokens").json() == {"ok": True}
    assert not any(person.works(token) for token in tokens)
    assert other.works(theirs)
