"""The limits at the routes: which has which, and what a caller sees of it."""

import time
from collections.abc import Iterator
from itertools import count

import httpx
import psycopg
import pytest

from api.app import ROUTES
from api.limits import BAD_LOG_INS, OAUTH_TOKEN, RESET_MAILS, SERIAL_NUMBERS, Limit
from api.routing import Route
from tests import servers
from tests.api.person import CLIENT, PASSWORD, Person, seed_clients
from tests.api.serving import Served, following, serving

FOREVER_S = 1_000_000_000
LIMITED = (
    Limit(OAUTH_TOKEN, 30, FOREVER_S),
    Limit(BAD_LOG_INS, 10, 1_800),
    Limit(RESET_MAILS, 2, FOREVER_S),
    Limit(SERIAL_NUMBERS, 5, FOREVER_S),
)
fresh = count(1)


@pytest.fixture(scope="module")
def strict(postgres_server: str, template: str) -> Iterator[Served]:
    """An API behind one proxy, with narrow limits."""
    with (
        servers.database(postgres_server, template) as database,
        following(database),
        serving(database, limits=LIMITED, proxies=1) as served,
    ):
        seed_clients(database)
        yield served


class Caller:
    """Somebody at an address that nobody called from before."""

    def __init__(self, client: httpx.Client) -> None:
        self.address = f"192.0.2.{next(fresh)}"
        self.client = client

    def post(self, path: str, **fields: str) -> httpx.Response:
        return self.client.post(path, data=fields, headers={"X-Forwarded-For": self.address})

    def log_in(self, email: str, password: str = PASSWORD) -> httpx.Response:
        fields = {"grant_type": "password", "username": email, "password": password}
        return self.post("/oauth/token", client_id=CLIENT, client_secret=CLIENT, **fields)


@pytest.fixture
def client(strict: Served) -> Iterator[httpx.Client]:
    with strict.client(token=None) as client:
        yield client


@pytest.fixture
def person(strict: Served, client: httpx.Client) -> Person:
    return Person(strict, client)


def test_the_routes_that_are_limited_by_address() -> None:
    """As the Particle API has them, each with the limit of its own."""
    assert {(route.method, route.path): route.limit for route in ROUTES if route.limit} == {
        ("POST", "/oauth/token"): "oauth_token",
        ("GET", "/v1/access_tokens"): "access_tokens_get",
        ("DELETE", "/v1/access_tokens"): "access_tokens_delete",
        ("DELETE", "/v1/access_tokens/current"): "access_tokens_delete",
        ("DELETE", "/v1/access_tokens/{token}"): "access_tokens_delete",
        ("POST", "/v1/users"): "sign_up",
        ("DELETE", "/v1/user"): "user_delete",
        ("POST", "/v1/user/password-reset"): "password_reset",
        ("PUT", "/v1/user/password-reset"): "password_reset",
        **{
            ("POST", f"{place}/{one}/test"): "integration_tests"
            for place in ("/v1", "/v1/products/{product}", "/v1/orgs/{org}")
            for one in ("integrations/{integration}", "webhooks/{webhook}")
        },
        **{("GET", route.path): "event_streams" for route in ROUTES if is_stream(route)},
    }


def is_stream(route: Route) -> bool:
    events = route.path.endswith(("/events", "/events/{prefix}", "/log/stream"))
    return route.method == "GET" and events


def test_one_address_has_so_many_of_a_limited_route_and_all_of_the_others(
    client: httpx.Client,
) -> None:
    caller, other = Caller(client), Caller(client)
    statuses = [caller.post("/oauth/token", grant_type="nonsense").status_code for _ in range(31)]
    assert statuses == [400] * 30 + [429]
    assert caller.post("/v1/users", username="x").status_code == 400
    assert other.post("/oauth/token", grant_type="nonsense").status_code == 400


def test_after_ten_bad_log_ins_in_a_row_the_address_gets_no_token_at_all(
    client: httpx.Client, person: Person
) -> None:
    caller, other = Caller(client), Caller(client)
    refresh_token = Caller(client).log_in(person.email).json()["refresh_token"]
    for number in range(10):
        assert caller.log_in(f"{number}@example.com").status_code == 400
    for answer in (
        caller.log_in(person.email),
        caller.post("/oauth/token", grant_type="refresh_token", refresh_token=refresh_token),
    ):
        assert answer.status_code == 429
        assert 1_700 < int(answer.headers["Retry-After"]) <= 1_800
        assert answer.json()["error_description"].startswith("Too many failed log-ins.")
    assert other.log_in(person.email).status_code == 200


def test_an_account_that_is_guessed_at_waits_whether_it_exists_or_not(
    client: httpx.Client, person: Person
) -> None:
    def guessed_at(email: str) -> list[int]:
        statuses = [Caller(client).log_in(email, "wrong").status_code for _ in range(10)]
        return [*statuses, Caller(client).log_in(email).status_code]

    assert guessed_at(person.email) == guessed_at("nobody@example.com") == [400] * 10 + [429]
    time.sleep(1.0)  # that is all there is to wait after the tenth
    assert Caller(client).log_in(person.email).status_code == 200


def test_a_mailbox_is_not_filled_with_codes_and_nobody_learns_of_it(
    strict: Served, client: httpx.Client, person: Person
) -> None:
    answers = [
        Caller(client).post("/v1/user/password-reset", username=person.email) for _ in range(4)
    ]
    assert {(answer.status_code, answer.content) for answer in answers} == {
        (200, answers[0].content)
    }
    with psycopg.connect(strict.database) as connection:
        asked = "SELECT count(*) FROM log.fleet_events WHERE topic = 'PasswordResetRequested.1'"
        assert connection.execute(asked).fetchone() == (2,)


def test_serial_numbers_are_looked_up_so_often_by_a_user_from_wherever(person: Person) -> None:
    token = person.log_in()["access_token"]
    with person.bearer(token) as client:
        statuses = [
            client.get(
                "/v1/serial_numbers/P046AF450XYZ",
                headers={"X-Forwarded-For": f"198.51.100.{number}"},
            ).status_code
            for number in range(6)
        ]
    assert statuses == [404] * 5 + [429]
