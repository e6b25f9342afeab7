"""Accounts: signed up for, looked at, changed, reset by mail, given up."""

import asyncio
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psycopg
import pytest

from api.people.credentials import Passwords
from api.people.password_resets import RESET_ANSWER_S
from domain.user import ChangePassword
from domain.user_events import PASSWORD as SEALED_PASSWORD
from domain.user_events import RESET, PasswordResetRequested
from tests.api.person import PASSWORD, WRONG, Person
from tests.api.serving import Served
from tests.people import people


@pytest.fixture
def client(person: Person) -> Iterator[httpx.Client]:
    with person.bearer() as client:
        yield client


def id_of(client: httpx.Client) -> str:
    found: str = client.get("/v1/user").json()["id"]
    return found


def test_who_signs_up_is_who_they_say(served: Served, nobody: httpx.Client, person: Person) -> None:
    info = {"first_name": "Ada", "business_account": True, "company_name": "Engines"}
    ada = Person(served, nobody, **info)
    with ada.bearer() as client:
        user = client.get("/v1/user").json()
        identity = client.get("/v1/user/identify", params={"tracking": 1}).json()
    assert (user["username"], user["account_info"]) == (ada.email, info)
    assert identity == {"id": user["id"], "email": ada.email}
    assert (user["administrator"], user["mfa"]) == (False, {"enabled": False})


def test_an_email_is_signed_up_once(person: Person) -> None:
    for spelling in (person.email, person.email.upper(), f" {person.email} "):
        answer = person.nobody.post(
            "/v1/users", json={"username": spelling, "password": "another password"}
        )
        assert (answer.status_code, answer.json()["field"]) == (400, "username")
        assert answer.json()["error_description"].startswith("username must be unique")
    assert person.log_in()["access_token"]


def test_of_many_who_sign_up_with_the_same_email_one_does(nobody: httpx.Client) -> None:
    wanted = {"username": "same@example.com", "password": PASSWORD}
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: nobody.post("/v1/users", json=wanted), range(6)))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 5


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"username": "ada"}, "username"),
        ({"username": "a b@example.com"}, "username"),
        ({"username": "a@example.com\nBcc: b@example.com"}, "username"),
        ({"username": "a@example.com\n"}, "username"),
        ({"username": "x" * 243 + "@example.com"}, "username"),
        ({"username": None}, "username"),
        ({"password": "seven77"}, "password"),
        ({"password": "x" * 1_025}, "password"),
        ({"password": 12_345_678}, "password"),
        ({"account_info": {"first_name": "x" * 201}}, "account_info.first_name"),
        ({"account_info": "Ada"}, "account_info"),
    ],
)
def test_who_cannot_be_is_refused(nobody: httpx.Client, change: Any, field: str) -> None:
    wanted = {"username": "ada@example.com", "password": PASSWORD, **change}
    answer = nobody.post("/v1/users", json=wanted)
    assert (answer.status_code, answer.json()["field"]) == (400, field)


def test_nobody_makes_an_administrator_of_themselves(nobody: httpx.Client, person: Person) -> None:
    wanted = {"username": "root@example.com", "password": PASSWORD, "administrator": True}
    assert nobody.post("/v1/users", json={**wanted, "user_id": "0" * 24}).status_code == 200
    person.email = "root@example.com"
    with person.bearer() as client:
        assert client.get("/v1/user").json()["administrator"] is False
        answer = client.put("/v1/user", json={"administrator": True, "account_info": {}})
        assert answer.status_code == 200
        assert client.get("/v1/user").json()["administrator"] is False


def test_what_somebody_says_about_themselves_is_changed_bit_by_bit(client: httpx.Client) -> None:
    client.put("/v1/user", json={"account_info": {"first_name": "Ada", "last_name": "Byron"}})
    client.put("/v1/user", json={"account_info": {"last_name": "Lovelace"}})
    info = client.get("/v1/user").json()["account_info"]
    assert info == {"first_name": "Ada", "last_name": "Lovelace"}


def test_an_email_is_changed_with_the_password(person: Person, client: httpx.Client) -> None:
    wanted = {"username": f"new-{person.email}", "current_password": PASSWORD}
    assert client.put("/v1/user", json=wanted).json()["ok"] is True
    assert client.get("/v1/user").json()["username"] == f"new-{person.email}"
    answer = person.ask(grant_type="password", username=person.email, password=PASSWORD)
    assert answer.json().items() >= WRONG.items()
    person.email = f"new-{person.email}"
    assert person.log_in()["access_token"]


def test_an_email_of_somebody_else_is_not_taken_over(person: Person, client: httpx.Client) -> None:
    other = Person(person.served, person.nobody)
    wanted = {"username": other.email.upper(), "current_password": PASSWORD}
    answer = client.put("/v1/user", json=wanted)
    assert (answer.status_code, answer.json()["field"]) == (400, "username")
    assert client.get("/v1/user").json()["username"] == person.email


def test_ones_own_email_may_be_spelled_anew(person: Person, client: httpx.Client) -> None:
    wanted = {"username": person.email.upper(), "current_password": PASSWORD}
    assert client.put("/v1/user", json=wanted).status_code == 200
    assert client.get("/v1/user").json()["username"] == person.email.upper()


def test_an_email_that_was_given_up_is_free(person: Person, client: httpx.Client) -> None:
    wanted = {"username": f"new-{person.email}", "current_password": PASSWORD}
    assert client.put("/v1/user", json=wanted).status_code == 200
    sign_up = {"username": person.email, "password": PASSWORD}
    assert person.nobody.post("/v1/users", json=sign_up).status_code == 200


def test_a_password_is_changed_with_the_password(person: Person, client: httpx.Client) -> None:
    wanted = {"password": "a better password", "current_password": PASSWORD}
    assert client.put("/v1/user", json=wanted).status_code == 200
    answer = person.ask(grant_type="password", username=person.email, password=PASSWORD)
    assert answer.status_code == 400
    person.password = "a better password"
    assert person.log_in()["access_token"]


def test_a_password_is_the_same_however_its_letters_are_composed(
    person: Person, client: httpx.Client
) -> None:
    wanted = {"password": "schlu\u0308ssel wort", "current_password": PASSWORD}
    assert client.put("/v1/user", json=wanted).status_code == 200
    person.password = "schl\u00fcssel wort"
    assert person.log_in()["access_token"]


@pytest.mark.parametrize("change", [{"username": "x@example.com"}, {"password": "a new password"}])
@pytest.mark.parametrize("proof", [{}, {"current_password": "wrong password"}])
def test_a_stolen_token_is_not_enough_to_take_an_account_over(
    person: Person, client: httpx.Client, change: Any, proof: Any
) -> None:
    answer = client.put("/v1/user", json={**change, **proof})
    assert (answer.status_code, answer.json()["field"]) == (400, "current_password")
    assert client.get("/v1/user").json()["username"] == person.email
    assert person.log_in()["access_token"]


def test_a_new_password_may_log_out_everywhere(person: Person, client: httpx.Client) -> None:
    other = person.log_in()["access_token"]
    wanted = {"password": "a better password", "current_password": PASSWORD}
    client.put("/v1/user", json={**wanted, "invalidate_tokens": True})
    assert not person.works(other)


@pytest.mark.parametrize("proof", [{}, {"current_password": "wrong password"}])
def test_nobody_is_logged_out_everywhere_by_a_token_alone(
    person: Person, client: httpx.Client, proof: dict[str, str]
) -> None:
    other = person.log_in()["access_token"]
    wanted = {"account_info": {"first_name": "Eve"}, "invalidate_tokens": True}
    answer = client.put("/v1/user", json={**wanted, **proof})
    assert (answer.status_code, answer.json()["field"]) == (400, "current_password")
    assert person.works(other)
    assert client.get("/v1/user").json()["account_info"].get("first_name") != "Eve"


def test_who_knows_the_password_logs_out_everywhere_whatever_else_they_change(
    person: Person, client: httpx.Client
) -> None:
    other = person.log_in()["access_token"]
    wanted = {"account_info": {"first_name": "Ada"}, "current_password": PASSWORD}
    assert client.put("/v1/user", json={**wanted, "invalidate_tokens": True}).status_code == 200
    assert not person.works(other)


def test_nothing_to_change_is_said_so(client: httpx.Client) -> None:
    answer = client.put("/v1/user", json={"current_password": PASSWORD})
    assert answer.status_code == 400
    assert "username, password, account_info" in answer.json()["error_description"]


def mailed(served: Served, user_id: str) -> str:
    """The token of the last reset, as only the sender of mails can read it."""
    with people(served.database) as those:
        events: Any = [one.event for one in those.fleet.events.get(f"user-{user_id}")]
        asked = [event for event in events if isinstance(event, PasswordResetRequested)]
        token = those.seals.unseal(user_id, RESET, asked[-1].reset)
    assert token is not None
    return token


def test_a_password_is_reset_by_what_was_mailed(person: Person, client: httpx.Client) -> None:
    user_id = id_of(client)
    answer = person.nobody.post("/v1/user/password-reset", json={"username": person.email.upper()})
    assert answer.json() == {"ok": True, "message": "Password reset email sent."}
    token = mailed(person.served, user_id)
    wanted = {"token": token, "password": "a fresh password"}
    assert person.nobody.put("/v1/user/password-reset", json=wanted).status_code == 200
    person.password = "a fresh password"
    assert person.log_in()["access_token"]
    again = person.nobody.put("/v1/user/password-reset", json=wanted)
    assert (again.status_code, again.json()["field"]) == (400, "token")


def test_a_reset_ends_what_whoever_knew_the_password_had(
    person: Person, client: httpx.Client
) -> None:
    token, user_id = person.log_in(), id_of(client)
    person.nobody.post("/v1/user/password-reset", json={"username": person.email})
    wanted = {"token": mailed(person.served, user_id), "password": "a fresh password"}
    person.nobody.put("/v1/user/password-reset", json=wanted)
    assert not person.works(token["access_token"])
    refreshed = person.ask(grant_type="refresh_token", refresh_token=token["refresh_token"])
    assert refreshed.status_code == 400


def test_a_log_in_under_way_while_the_password_changes_comes_to_nothing(
    person: Person, client: httpx.Client
) -> None:
    authenticator, user_id = person.enable_mfa(client), id_of(client)
    begun = person.ask(grant_type="password", username=person.email, password=PASSWORD)
    # By another process, which has not yet come to ending what is under way.
    with people(person.served.database) as those:
        changed = those.seals.seal(user_id, SEALED_PASSWORD, "the hash of another")
        those.do(ChangePassword(user_id=user_id, password=changed))
    finished = person.ask(
        grant_type="urn:custom:mfa-otp",
        mfa_token=begun.json()["mfa_token"],
        otp=authenticator.code(),
    )
    assert (finished.status_code, finished.json()["error"]) == (400, "invalid_grant")
    assert len(client.get("/v1/access_tokens").json()) == 1


def test_a_new_password_ends_log_ins_that_are_half_way_through(
    person: Person, client: httpx.Client
) -> None:
    authenticator = person.enable_mfa(client)
    begun = person.ask(grant_type="password", username=person.email, password=PASSWORD)
    wanted = {"password": "a better password", "current_password": PASSWORD}
    assert client.put("/v1/user", json=wanted).status_code == 200
    finished = person.ask(
        grant_type="urn:custom:mfa-otp",
        mfa_token=begun.json()["mfa_token"],
        otp=authenticator.code(),
    )
    assert finished.status_code == 400


def test_only_the_last_reset_works(person: Person, client: httpx.Client) -> None:
    user_id, tokens = id_of(client), []
    for _ in range(2):
        person.nobody.post("/v1/user/password-reset", json={"username": person.email})
        tokens.append(mailed(person.served, user_id))
    for token, status in zip(tokens, (400, 200), strict=True):
        wanted = {"token": token, "password": "a fresh password"}
        assert person.nobody.put("/v1/user/password-reset", json=wanted).status_code == status


def test_nobody_learns_from_a_reset_who_has_an_account(person: Person) -> None:
    answers = [
        person.nobody.post("/v1/user/password-reset", json={"username": username})
        for username in (person.email, "nobody@example.com")
    ]
    assert answers[0].json() == answers[1].json()
    assert "X-Rollcall-Position" not in answers[0].headers
    assert all(answer.elapsed.total_seconds() >= RESET_ANSWER_S for answer in answers)


@pytest.mark.parametrize("token", ["", "f" * 40])
def test_a_reset_that_nobody_asked_for_is_refused(nobody: httpx.Client, token: str) -> None:
    wanted = {"token": token, "password": "a fresh password"}
    answer = nobody.put("/v1/user/password-reset", json=wanted)
    assert (answer.status_code, answer.json()["error"]) == (400, "reset_invalid")


def test_an_account_is_given_up_with_the_password(person: Person, client: httpx.Client) -> None:
    user_id = id_of(client)
    wrong = client.request("DELETE", "/v1/user", json={"password": "wrong password"})
    assert (wrong.status_code, wrong.json()["field"]) == (400, "password")
    right = client.request("DELETE", "/v1/user", json={"password": PASSWORD})
    assert (right.status_code, right.json()["ok"]) == (200, True)
    answer = person.ask(grant_type="password", username=person.email, password=PASSWORD)
    assert answer.json().items() >= WRONG.items()
    with psycopg.connect(person.served.database) as connection:
        query = "SELECT wrapped, destroyed_at IS NULL FROM secrets.person_key WHERE person_id = %s"
        assert connection.execute(query, [user_id]).fetchone() == (None, False)
        kept = "SELECT count(*) FROM access.token WHERE user_id = %s"
        assert connection.execute(kept, [user_id]).fetchone() == (0,)


def test_who_was_erased_a_moment_ago_is_nobody(person: Person, client: httpx.Client) -> None:
    user_id = id_of(client)
    with people(person.served.database) as those:
        those.seals.destroy(user_id)  # as far as another call has come with it
    answer = client.put("/v1/user", json={"account_info": {"first_name": "Ada"}})
    assert (answer.status_code, answer.json()["error"]) == (404, "key_destroyed")
    asked = person.nobody.post("/v1/user/password-reset", json={"username": person.email})
    assert asked.json() == {"ok": True, "message": "Password reset email sent."}


def test_the_email_of_an_account_that_was_given_up_is_free(
    person: Person, client: httpx.Client
) -> None:
    client.request("DELETE", "/v1/user", json={"password": PASSWORD})
    wanted = {"username": person.email, "password": PASSWORD}
    assert person.nobody.post("/v1/users", json=wanted).status_code == 200


def test_who_owns_a_product_does_not_leave_it_behind(person: Person, client: httpx.Client) -> None:
    wanted = {"product": {"name": f"of {person.email}", "platform_id": 6}}
    product = client.post("/v1/user/products", json=wanted).json()["product"]
    answer = client.request("DELETE", "/v1/user", json={"password": PASSWORD})
    assert (answer.status_code, answer.json()["error"]) == (409, "still_owner")
    assert client.delete(f"/v1/products/{product['id']}").status_code == 204
    assert client.request("DELETE", "/v1/user", json={"password": PASSWORD}).status_code == 200


def test_a_password_hashed_with_less_is_hashed_anew_at_a_log_in(
    person: Person, client: httpx.Client
) -> None:
    async def weak() -> str:
        return await Passwords(memory_kib=64, passes=1).hash(PASSWORD)

    email = f"old-{person.email}"
    with people(person.served.database) as those:
        user_id = those.sign_up(email, password_hash=asyncio.run(weak()))
    person.email = email
    assert person.log_in()["access_token"]
    assert person.log_in()["access_token"]
    with people(person.served.database) as those:
        names = [type(one.event).__name__ for one in those.fleet.events.get(f"user-{user_id}")]
    assert names == ["UserSignedUp", "PasswordRehashed"]


def test_no_secret_stands_in_a_log_or_an_error(
    person: Person, client: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "sesame-0d6e8a" * 3
    token = person.log_in()
    said = [
        person.ask(grant_type="password", username=person.email, password=secret),
        person.ask(grant_type="password", username=secret + "@example.com", password=[secret]),
        person.ask(grant_type="password", username=person.email, client_secret=secret),
        person.ask(grant_type="refresh_token", refresh_token=secret),
        person.ask(grant_type="urn:custom:mfa-otp", mfa_token=secret, otp=secret),
        person.ask(grant_type="authorization_code", code=secret, code_verifier=secret),
        person.nobody.post("/v1/users", json={"username": secret, "password": secret}),
        person.nobody.put("/v1/user/password-reset", json={"token": secret, "password": secret}),
        client.put("/v1/user", json={"password": secret, "current_password": secret}),
        client.put("/v1/user/mfa-disable", json={"current_password": secret}),
        client.request("DELETE", "/v1/user", json={"password": secret}),
    ]
    assert [answer.status_code for answer in said] == [400] * len(said)
    assert not any(secret in answer.text for answer in said)
    ours = [one for one in caplog.records if not one.name.startswith(("httpcore", "httpx"))]
    told = "\n".join(f"{record.getMessage()} {record.exc_text}" for record in ours)
    for value in (secret, PASSWORD, token["access_token"], token["refresh_token"]):
        assert value not in told
