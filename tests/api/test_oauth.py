"""Where clients get their tokens: every grant, and every way in which there is none."""

import base64
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import psycopg
import pytest

from api.people.credentials import TOKEN_BYTES, digest_of
from api.people.pairs import LIFETIME_S_DEFAULT
from tests.api.person import CLIENT, WRONG, Person
from tests.api.serving import Served


def test_a_user_logs_in_by_password(person: Person) -> None:
    token = person.log_in()
    assert token["token_type"] == "bearer"
    assert token["expires_in"] == LIFETIME_S_DEFAULT
    for name in ("access_token", "refresh_token"):
        assert len(bytes.fromhex(token[name])) == TOKEN_BYTES
    with person.bearer(token["access_token"]) as client:
        assert client.get("/v1/user").json()["username"] == person.email


def test_a_reply_with_a_token_is_not_to_be_cached(person: Person) -> None:
    answer = person.ask(grant_type="password", username=person.email, password=person.password)
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("spelling", [str.upper, "  {}  ".format, str.title])
def test_an_email_is_the_same_however_it_is_spelled(person: Person, spelling) -> None:
    assert person.log_in(username=spelling(person.email))["access_token"]


def test_a_wrong_password_and_a_stranger_are_answered_alike(person: Person) -> None:
    wrong = person.ask(grant_type="password", username=person.email, password="wrong password")
    strange = person.ask(grant_type="password", username="x@example.com", password="wrong password")
    for answer in (wrong, strange):
        assert answer.status_code == 400
        assert answer.json().items() >= WRONG.items()
    assert wrong.json() == strange.json()


def test_a_stranger_is_refused_no_faster_than_who_has_an_account(person: Person) -> None:
    took_s: dict[str, list[float]] = {person.email: [], "nobody@example.com": []}
    for _ in range(12):
        for username, took in took_s.items():
            begun = time.perf_counter()
            person.ask(grant_type="password", username=username, password="wrong password")
            took.append(time.perf_counter() - begun)
    with_account, without = (min(took) for took in took_s.values())
    # Without a password to check it would take a tenth.
    assert 0.4 < without / with_account < 2.5


def test_the_credentials_of_a_client_may_stand_in_a_basic_header(person: Person) -> None:
    answer = person.nobody.post(
        "/oauth/token",
        auth=(CLIENT, CLIENT),
        data={"grant_type": "password", "username": person.email, "password": person.password},
    )
    assert answer.status_code == 200


def test_json_is_understood_like_a_form(person: Person) -> None:
    wanted = {"grant_type": "password", "username": person.email, "password": person.password}
    credentials = {"client_id": CLIENT, "client_secret": CLIENT}
    answer = person.nobody.post("/oauth/token", json={**wanted, **credentials, "expires_in": 60})
    assert answer.json()["expires_in"] == 60


@pytest.mark.parametrize(
    "credentials",
    [
        {"client_id": "particle-api", "client_secret": "wrong"},
        {"client_id": "unheard-of", "client_secret": "particle-api"},
        {"client_id": "particle-api", "client_secret": ""},
        {"client_id": "", "client_secret": ""},
    ],
)
def test_a_client_that_is_not_known_is_refused(person: Person, credentials) -> None:
    answer = person.ask(grant_type="password", username=person.email, **credentials)
    # Never a 401: tools take that for the end of the token that they have.
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_client"


@pytest.mark.parametrize(
    "header", ["Basic", "Basic !", "Basic " + base64.b64encode(b"\xff:x").decode()]
)
def test_a_basic_header_that_cannot_be_read_is_named(person: Person, header: str) -> None:
    answer = person.nobody.post(
        "/oauth/token", headers={"Authorization": header}, data={"grant_type": "password"}
    )
    assert answer.status_code == 400
    assert answer.json()["field"] == "Authorization"


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"grant_type": "implicit"}, "unsupported_grant_type"),
        ({"grant_type": "password", "username": "x@example.com"}, "invalid_request"),
        ({"grant_type": "password", "password": "secret"}, "invalid_request"),
        ({"grant_type": "refresh_token"}, "invalid_request"),
        ({"grant_type": "refresh_token", "refresh_token": "f" * 40}, "invalid_grant"),
        ({"grant_type": "authorization_code", "code": "f" * 40}, "unauthorized_client"),
        ({"grant_type": "client_credentials"}, "unauthorized_client"),
        ({"grant_type": "urn:custom:mfa-otp", "mfa_token": "f" * 40, "otp": "1"}, "invalid_grant"),
        ({"grant_type": "urn:custom:mfa-otp"}, "invalid_grant"),
    ],
)
def test_what_cannot_be_granted_is_refused_in_the_words_of_oauth(
    person: Person, fields, error
) -> None:
    answer = person.ask(**fields)
    assert answer.status_code == 400
    assert answer.json()["error"] == error
    assert answer.json()["error_description"]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "grant_type"),
        ({"expires_in": "-1"}, "expires_in"),
        ({"expires_in": "soon"}, "expires_in"),
        ({"expires_in": "1000000000"}, "expires_in"),
        ({"expires_at": "soon"}, "expires_at"),
        ({"expires_at": "2001-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "2030-01-01T00:00:00"}, "expires_at"),
        ({"username": "x" * 255}, "username"),
        ({"password": "x" * 1_025}, "password"),
    ],
)
def test_a_field_that_cannot_be_is_named(person: Person, fields, field: str) -> None:
    grant = {"grant_type": "password"} if fields else {}
    answer = person.ask(**grant, **fields)
    assert answer.status_code == 400
    assert answer.json()["field"] == field


def test_a_token_lasts_as_long_as_was_asked_for(person: Person) -> None:
    assert person.log_in(expires_in="60")["expires_in"] == 60
    for_ever = person.log_in(expires_in="0")
    assert for_ever["expires_in"] == 0
    with person.bearer(for_ever["access_token"]) as client:
        assert client.get("/v1/access_tokens/current").json()["expires_at"] is None
    until = person.log_in(expires_at="2030-01-31T12:00:00.000Z", expires_in="60")
    with person.bearer(until["access_token"]) as client:
        current = client.get("/v1/access_tokens/current").json()
    assert current["expires_at"] == "2030-01-31T12:00:00.000Z"


def test_a_token_may_do_what_was_asked_for_and_no_more(person: Person) -> None:
    token = person.log_in(scope="user:get")
    again = person.ask(grant_type="refresh_token", refresh_token=token["refresh_token"]).json()
    with person.bearer(again["access_token"]) as limited:
        assert limited.get("/v1/user").status_code == 200
        assert limited.get("/v1/products").status_code == 403
    wider = {"grant_type": "refresh_token", "refresh_token": again["refresh_token"], "scope": "*"}
    assert person.ask(**wider).json()["error"] == "invalid_scope"


def test_a_token_works_until_it_expires_and_no_longer(person: Person) -> None:
    token = person.log_in(expires_in="1")["access_token"]
    time.sleep(1.1)
    with person.bearer(token) as client:
        answer = client.get("/v1/user")
    assert answer.status_code == 401


def test_a_refresh_token_is_traded_for_the_next_pair(person: Person) -> None:
    first = person.log_in()
    answer = person.ask(grant_type="refresh_token", refresh_token=first["refresh_token"])
    second = answer.json()
    assert answer.status_code == 200
    assert person.works(second["access_token"])
    assert not person.works(first["access_token"])
    third = person.ask(grant_type="refresh_token", refresh_token=second["refresh_token"])
    assert third.status_code == 200


def test_a_refresh_token_shown_twice_ends_all_that_came_of_it(person: Person) -> None:
    first = person.log_in()
    second = person.ask(grant_type="refresh_token", refresh_token=first["refresh_token"]).json()
    third = person.ask(grant_type="refresh_token", refresh_token=second["refresh_token"]).json()
    again = person.ask(grant_type="refresh_token", refresh_token=first["refresh_token"])
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert not person.works(third["access_token"])
    last = person.ask(grant_type="refresh_token", refresh_token=third["refresh_token"])
    assert last.status_code == 400


def test_what_came_of_it_is_found_though_a_trade_in_between_is_forgotten(person: Person) -> None:
    first = person.log_in()
    second = person.ask(grant_type="refresh_token", refresh_token=first["refresh_token"]).json()
    third = person.ask(grant_type="refresh_token", refresh_token=second["refresh_token"]).json()
    with psycopg.connect(person.served.database) as connection:
        forget = "DELETE FROM access.spent_refresh WHERE refresh_hash = %s"
        gone = connection.execute(forget, [digest_of(second["refresh_token"])])
    assert gone.rowcount == 1
    person.ask(grant_type="refresh_token", refresh_token=first["refresh_token"])
    assert not person.works(third["access_token"])


def test_of_many_who_trade_the_same_refresh_token_none_keeps_what_came_of_it(
    person: Person,
) -> None:
    token = person.log_in()["refresh_token"]

    def trade(_: int) -> httpx.Response:
        return person.ask(grant_type="refresh_token", refresh_token=token)

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(trade, range(6)))
    given = [answer.json() for answer in answers if answer.status_code == 200]
    assert len(given) <= 1
    assert {answer.status_code for answer in answers} <= {200, 400}
    assert not any(person.works(pair["access_token"]) for pair in given)
    auth = (person.email, person.password)
    assert person.nobody.get("/v1/access_tokens", auth=auth).json() == []


def test_a_refresh_token_serves_only_the_client_that_it_was_given_to(person: Person) -> None:
    token = person.log_in()["refresh_token"]
    other = {"client_id": "particle-cli", "client_secret": "particle-cli"}
    answer = person.ask(grant_type="refresh_token", refresh_token=token, **other)
    assert answer.json()["error"] == "invalid_grant"
    assert person.ask(grant_type="refresh_token", refresh_token=token).status_code == 200


def test_a_log_in_is_an_event_of_the_user(person: Person, served: Served) -> None:
    with person.bearer() as client:
        user_id = client.get("/v1/user").json()["id"]
    with psycopg.connect(served.database) as connection:
        states = connection.execute(
            "SELECT convert_from(state, 'UTF8') FROM log.fleet_events"
            " WHERE topic = 'TokenIssued.1' AND convert_from(state, 'UTF8') LIKE %s",
            [f"%{user_id}%"],
        ).fetchall()
    assert len(states) == 1
    assert f'"user:{user_id}"' in states[0][0]
