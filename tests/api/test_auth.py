"""Who may call: nothing is answered without a token but that the process lives."""

import httpx
import psycopg
import pytest
from starlette.requests import Request

from api.app import ANONYMOUS, ROUTES
from api.auth import CACHED_S, Callers
from api.database import Database
from api.problem import TokenInvalid
from api.products import list_products
from api.routing import Route, ScopeUnnamed
from tests.api.serving import TOKEN, Served, add_token
from tests.api.world import World

LINES = [(route.method, route.path) for route in ROUTES]


def address(path: str) -> str:
    """The path with something in the place of every part."""
    return path.format(product="104", device="0" * 24, group="beta", version="1")


@pytest.mark.parametrize(("method", "path"), LINES)
def test_no_route_answers_without_a_token(served: Served, method: str, path: str) -> None:
    with served.client(token=None) as nobody:
        answer = nobody.request(method, address(path))
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_request"
    assert answer.json()["error_description"] == "The access token was not found"


@pytest.mark.parametrize(("method", "path"), LINES)
def test_no_route_answers_a_token_without_its_scope(served: Served, method: str, path: str) -> None:
    add_token(served.database, "scopeless", "visitor", ("nothing:at-all",))
    with served.client(token="scopeless") as visitor:
        answer = visitor.request(method, address(path))
    scope = next(one.scope for one in ROUTES if (one.method, one.path) == (method, path))
    assert answer.status_code == 403
    assert answer.json()["error"] == "insufficient_scope"
    assert answer.json()["details"] == {"scope": scope}
    assert "access token" not in answer.text


def test_a_token_with_the_one_scope_may_do_that_one_thing(served: Served) -> None:
    add_token(served.database, "lister", "lister", ("products:list",))
    with served.client(token="lister") as lister:
        assert lister.get("/v1/products").status_code == 200
        assert lister.get("/v1/status").status_code == 403


def test_only_health_and_readiness_are_open(served: Served) -> None:
    assert [route.path for route in ANONYMOUS] == ["/health", "/ready"]
    with served.client(token=None) as nobody:
        assert nobody.get("/health").json() == {"ok": True}
        assert nobody.get("/ready").json() == {"ok": True, "ready": True, "behind": False}


def test_a_route_without_a_scope_cannot_be_made() -> None:
    with pytest.raises(ScopeUnnamed):
        Route("GET", "/v1/open", list_products, "")


def test_a_token_that_is_not_known_is_the_only_401(served: Served) -> None:
    with served.client(token="nonsense") as stranger:
        answer = stranger.get("/v1/products")
    assert answer.status_code == 401
    assert answer.json()["error"] == "invalid_token"
    assert answer.json()["error_description"] == "The access token provided is invalid."


def test_a_token_may_stand_in_the_query_of_a_get_only(served: Served, world: World) -> None:
    with served.client(token=None) as client:
        query = {"access_token": TOKEN}
        assert client.get("/v1/products", params=query).status_code == 200
        answer = client.put(world.path, params=query, json={"name": "taken over"})
        assert answer.status_code == 400


@pytest.mark.parametrize("header", ["Basic abc", "Bearer", TOKEN])
def test_a_header_that_carries_no_token_is_no_token(served: Served, header: str) -> None:
    answer = httpx.get(f"{served.url}/v1/products", headers={"Authorization": header})
    assert answer.status_code == 400


def test_a_token_in_the_body_is_no_field(world: World) -> None:
    answer = world.api.post(world.path + "/groups", data={"access_token": TOKEN, "name": "beta"})
    assert answer.status_code == 201


@pytest.mark.asyncio
async def test_a_token_taken_away_works_no_longer_than_a_second(served: Served) -> None:
    add_token(served.database, "short-lived", "guest")
    now = [100.0]
    database = Database(served.database)
    await database.open()
    try:
        callers = Callers(database, clock=lambda: now[0])
        assert (await callers.caller(request("short-lived"))).label == "guest"
        with psycopg.connect(served.database) as connection:
            connection.execute("DELETE FROM api.token WHERE label = 'guest'")
        now[0] += CACHED_S - 0.01
        assert (await callers.caller(request("short-lived"))).label == "guest"
        now[0] += 0.02
        with pytest.raises(TokenInvalid):
            await callers.caller(request("short-lived"))
    finally:
        await database.close()


def request(token: str) -> Request:
    headers = [(b"authorization", f"Bearer {token}".encode())]
    return Request({"type": "http", "method": "GET", "headers": headers, "query_string": b""})
