"""The authorization code grant: a user agrees that a client acts for them; nobody else profits."""

import secrets
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.api.person import Person
from tests.api.serving import Served
from tests.people import people

REDIRECT = "https://app.example.com/back?from=rollcall"


class App:
    """A web client of a company, which wants to act for people."""

    def __init__(self, person: Person, client: httpx.Client, **more: Any) -> None:
        self.person = person
        self.user = client
        wanted = {"name": "The App", "type": "web", "redirect_uri": REDIRECT, **more}
        made = client.post("/v1/clients", json=wanted).json()["client"]
        self.credentials = {"client_id": made["id"], "client_secret": made["secret"]}
        self.verifier = secrets.token_urlsafe(48)

    def question(self, **more: Any) -> dict[str, Any]:
        challenge = urlsafe_b64encode(sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()
        return {
            "response_type": "code",
            "client_id": self.credentials["client_id"],
            "redirect_uri": REDIRECT,
            "state": "a state",
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            **more,
        }

    def answered(self, **more: Any) -> dict[str, list[str]]:
        """What the client is told through the browser."""
        answer = self.user.post("/oauth/authorize", json=self.question(**more))
        assert answer.status_code == 200, answer.text
        address = urlsplit(answer.json()["redirect_uri"])
        assert f"{address.scheme}://{address.netloc}{address.path}" == REDIRECT.partition("?")[0]
        return parse_qs(address.query)

    def redeem(self, code: str, **more: Any) -> httpx.Response:
        fields = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": REDIRECT,
            "code_verifier": self.verifier,
            **self.credentials,
            **more,
        }
        return self.person.nobody.post("/oauth/token", data=fields)


@pytest.fixture
def app(person: Person) -> Iterator[App]:
    with person.bearer() as client:
        yield App(person, client)


def test_a_user_is_shown_who_asks_and_for_what(app: App) -> None:
    shown = app.person.nobody.get("/oauth/authorize", params=app.question()).json()
    assert shown["client"] == {"id": app.credentials["client_id"], "name": "The App"}
    assert shown["scopes"] == ["*"]
    assert shown["redirect_uri"] == REDIRECT


def test_who_agrees_lets_the_client_in(app: App) -> None:
    told = app.answered()
    assert told["state"] == ["a state"]
    assert told["from"] == ["rollcall"]
    token = app.redeem(told["code"][0]).json()
    with app.person.bearer(token["access_token"]) as client:
        assert client.get("/v1/user").json()["username"] == app.person.email
        current = client.get("/v1/access_tokens/current").json()
    assert current["client_id"] == app.credentials["client_id"]


def test_who_does_not_agree_does_not(app: App) -> None:
    told = app.answered(approve=False)
    assert told["error"] == ["access_denied"]
    assert told["state"] == ["a state"]
    assert "code" not in told


def test_a_client_may_do_what_was_asked_for_and_no_more(app: App) -> None:
    code = app.answered(scope="devices:list tokens:get")["code"][0]
    token = app.redeem(code).json()["access_token"]
    with app.person.bearer(token) as client:
        scopes = client.get("/v1/access_tokens/current").json()["scopes"]
        assert scopes == ["devices:list", "tokens:get"]
        assert client.get("/v1/user").status_code == 403


def test_a_scope_that_there_is_not_is_refused(app: App) -> None:
    answer = app.user.post("/oauth/authorize", json=app.question(scope="everything:do"))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")


def test_a_code_works_once_and_shown_again_ends_what_came_of_it(app: App) -> None:
    code = app.answered()["code"][0]
    token = app.redeem(code).json()["access_token"]
    again = app.redeem(code)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert not app.person.works(token)


def test_of_many_who_come_with_the_same_code_none_keeps_what_came_of_it(app: App) -> None:
    code = app.answered()["code"][0]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: app.redeem(code), range(4)))
    given = [answer.json() for answer in answers if answer.status_code == 200]
    assert len(given) <= 1
    assert not any(app.person.works(token["access_token"]) for token in given)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"code_verifier": "x" * 43}, "invalid_grant"),
        ({"code_verifier": ""}, "invalid_request"),
        ({"redirect_uri": "https://elsewhere.example.com"}, "invalid_grant"),
        ({"client_secret": "wrong"}, "invalid_client"),
    ],
)
def test_a_code_is_worth_nothing_to_whoever_overheard_it(app: App, change, error) -> None:
    code = app.answered()["code"][0]
    answer = app.redeem(code, **change)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


def test_a_code_is_not_for_another_client(app: App) -> None:
    other = App(app.person, app.user)
    answer = other.redeem(app.answered()["code"][0], code_verifier=app.verifier)
    assert answer.json()["error"] == "invalid_grant"


def test_a_code_can_be_guessed_at_only_so_often(app: App) -> None:
    code = app.answered()["code"][0]
    for _ in range(5):
        assert app.redeem(code, code_verifier="x" * 43).status_code == 400
    assert app.redeem(code).status_code == 400


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"code_challenge": ""}, "code_challenge"),
        ({"code_challenge_method": "plain"}, "code_challenge_method"),
        ({"response_type": "token"}, "response_type"),
    ],
)
def test_without_proof_of_the_key_there_is_no_code(app: App, change, field: str) -> None:
    answer = app.user.post("/oauth/authorize", json=app.question(**change))
    assert (answer.status_code, answer.json()["field"]) == (400, field)


@pytest.mark.parametrize("elsewhere", ["https://elsewhere.example.com", REDIRECT + "/x", '"\\ü'])
def test_nobody_is_sent_where_the_client_is_not_at_home(app: App, elsewhere: str) -> None:
    answer = app.user.post("/oauth/authorize", json=app.question(redirect_uri=elsewhere))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_an_installed_client_or_one_of_the_cloud_gets_no_code(app: App) -> None:
    question = app.question(client_id="particle-api", redirect_uri="")
    assert app.user.post("/oauth/authorize", json=question).status_code == 400


def test_a_token_that_is_limited_cannot_agree_to_more(app: App, served: Served) -> None:
    with people(served.database) as those:
        user_id = app.user.get("/v1/user").json()["id"]
        those.issue("limited" + user_id, user_id, scopes=("user:update",))
    with app.person.bearer("limited" + user_id) as limited:
        answer = limited.post("/oauth/authorize", json=app.question())
    assert (answer.status_code, answer.json()["error"]) == (403, "insufficient_scope")


def test_nobody_agrees_in_the_name_of_somebody_else(app: App) -> None:
    assert app.person.nobody.post("/oauth/authorize", json=app.question()).status_code == 400
