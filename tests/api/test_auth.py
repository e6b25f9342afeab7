"""Who may call: nothing is answered without a token but what comes before one."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from starlette.requests import Request

from api import auth
from api.app import ROUTES
from api.auth import CACHED_S, CACHED_TOKENS_MAX, LOOKED_UP_AT_ONCE_MAX, Callers
from api.database import Database
from api.fleet.products import list_products
from api.problem import TokenExpired, TokenInvalid
from api.realms import Realm, RealmUnknown
from api.routing import ANONYMOUS, Route, ScopeUnnamed
from api.server import OPEN
from domain.roles import Role
from domain.team import RemoveMember
from tests.api.routes import address
from tests.api.serving import TOKEN, Served, add_token, serving
from tests.api.teams import instant, joining
from tests.api.world import World
from tests.people import People, people

LINES = [(route.method, route.path) for route in ROUTES if route.scope != ANONYMOUS]
OPEN_LINES = {
    ("POST", "/oauth/token"),
    ("GET", "/oauth/authorize"),  # what a client asks, before anybody agreed
    ("POST", "/v1/users"),
    ("POST", "/v1/products/{product}/customers"),  # by a client's credentials, or a token
    ("POST", "/v1/orgs/{org}/customers"),
    ("POST", "/v1/user/password-reset"),
    ("PUT", "/v1/user/password-reset"),
    ("GET", "/v1/access_tokens"),  # by user and password
    ("DELETE", "/v1/access_tokens/{token}"),  # who has it may end it
}
GONE_WITHIN_S = 1.0


@pytest.fixture
def those(served: Served) -> Iterator[People]:
    with people(served.database) as those:
        yield those


@pytest.fixture
def token() -> str:
    return secrets.token_hex(20)


@pytest.mark.parametrize(("method", "path"), LINES)
def test_no_route_answers_without_a_token(served: Served, method: str, path: str) -> None:
    with served.client(token=None) as nobody:
        answer = nobody.request(method, address(path))
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_request"
    assert answer.json()["error_description"] == "The access token was not found"


@pytest.mark.parametrize(("method", "path"), LINES)
def test_no_route_answers_a_token_that_is_not_known(served: Served, method: str, path: str) -> None:
    with served.client(token="nonsense") as stranger:
        answer = stranger.request(method, address(path))
    assert answer.status_code == 401
    assert answer.json()["error"] == "invalid_token"
    assert answer.json()["error_description"] == "The access token provided is invalid."


def test_only_what_comes_before_a_token_is_open(served: Served) -> None:
    assert {(one.method, one.path) for one in ROUTES if one.scope == ANONYMOUS} == OPEN_LINES
    assert [route.path for route in OPEN] == ["/health", "/ready"]
    with served.client(token=None) as nobody:
        assert nobody.get("/health").json() == {"ok": True}
        assert nobody.get("/ready").json() == {"ok": True, "ready": True, "behind": False}


def test_a_route_without_a_scope_cannot_be_made() -> None:
    with pytest.raises(ScopeUnnamed):
        Route("GET", "/v1/open", list_products, "")


@pytest.mark.parametrize("path", ["/v1/things/{thing}", "/v1/product/{product}", "/v1/orgs/{id}"])
def test_a_route_that_does_not_say_whose_things_it_is_about_cannot_be_made(path: str) -> None:
    with pytest.raises(RealmUnknown):
        Route("GET", path, list_products, "products:list")
    assert Route("GET", path, list_products, "products:list", realm=Realm.OWN).over is Realm.OWN


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


def test_a_token_works_until_it_expires(served: Served, those: People, token: str) -> None:
    user_id = those.sign_up("in time")
    ends_at = datetime.now(UTC) + timedelta(seconds=1.5)
    those.issue(token, user_id, expires_at=instant(ends_at))
    with served.client(token=token) as client:
        assert client.get("/v1/products").status_code == 200
        while datetime.now(UTC) < ends_at:
            time.sleep(0.05)
        answer = client.get("/v1/products")
    assert answer.status_code == 401
    assert answer.json()["error"] == "invalid_token"
    assert answer.json()["error_description"] == "The access token provided has expired."


def test_a_token_that_expired_long_ago_is_told_so(
    served: Served, those: People, token: str
) -> None:
    those.issue(token, those.sign_up("too late"), expires_at="2020-01-01T00:00:00.000Z")
    with served.client(token=token) as client:
        assert "has expired" in client.get("/v1/products").json()["error_description"]


def test_a_revoked_token_works_nowhere_within_a_second(
    served: Served, those: People, token: str
) -> None:
    token_id = those.issue(token, those.sign_up("revoked"))
    with (
        serving(served.database) as another,
        served.client(token=token) as here,
        another.client(token=token) as there,
    ):
        assert [one.get("/v1/products").status_code for one in (here, there)] == [200, 200]
        those.revoke(token_id)
        gone_at = time.monotonic() + GONE_WITHIN_S
        while time.monotonic() < gone_at:
            time.sleep(0.05)
        assert [one.get("/v1/products").status_code for one in (here, there)] == [401, 401]


def test_an_erased_person_s_tokens_work_no_longer(
    served: Served, those: People, token: str
) -> None:
    user_id = those.sign_up(f"{token}@example.com")
    those.issue(token, user_id)
    with served.client(token=token) as client:
        assert client.get("/v1/products").status_code == 200
        those.erase(user_id)
        time.sleep(GONE_WITHIN_S)
        assert client.get("/v1/products").status_code == 401


def test_a_removed_member_s_token_loses_the_product_within_a_second(
    served: Served, world: World, those: People, token: str
) -> None:
    user_id = those.sign_up(f"{token}@example.com")
    those.issue(token, user_id)
    those.do(*joining(str(world.id), user_id, Role.VIEW_ONLY))
    with served.client(token=token) as client:
        assert client.get(world.path).status_code == 200
        those.do(RemoveMember(team=str(world.id), user_id=user_id))
        time.sleep(GONE_WITHIN_S)
        answer = client.get(world.path)
        assert (answer.status_code, answer.json()["error"]) == (403, "permission_denied")
        assert client.get("/v1/products").json()["products"] == []


def test_who_accepts_an_invitation_goes_on_at_once(
    served: Served, world: World, those: People, token: str
) -> None:
    email = f"{token}@example.com"
    those.issue(token, those.sign_up(email))
    with served.client(token=token) as client:
        assert client.get(world.path).status_code == 403
        assert world.api.post(world.path + "/team", json={"username": email}).status_code == 200
        answer = client.post(f"/v1/user/invitations/{world.id}/accept")
        assert answer.status_code == 200, answer.text
        assert client.get(world.path).status_code == 200


@pytest.mark.asyncio
async def test_a_token_is_looked_up_no_more_often_than_it_is_forgotten(
    served: Served, those: People, token: str
) -> None:
    token_id = those.issue(token, those.sign_up("short-lived"))
    now = [100.0]
    async with callers_of(served, now) as callers:
        assert (await callers.caller(request(token))).token_id == token_id
        await asyncio.to_thread(those.revoke, token_id)
        now[0] += CACHED_S - 0.01
        assert (await callers.caller(request(token))).token_id == token_id
        now[0] += 0.02
        with pytest.raises(TokenInvalid):
            await callers.caller(request(token))


@pytest.mark.asyncio
async def test_that_a_token_is_not_known_is_remembered_for_a_moment(
    served: Served, those: People, token: str
) -> None:
    now = [100.0]
    async with callers_of(served, now) as callers:
        with pytest.raises(TokenInvalid):
            await callers.caller(request(token))
        user_id = await asyncio.to_thread(those.sign_up, "late comer")
        await asyncio.to_thread(those.issue, token, user_id)
        with pytest.raises(TokenInvalid):
            await callers.caller(request(token))
        now[0] += CACHED_S
        assert (await callers.caller(request(token))).user_id == user_id


@pytest.mark.asyncio
async def test_an_expired_token_is_not_served_from_memory(
    served: Served, those: People, token: str
) -> None:
    user_id = those.sign_up("in time")
    async with callers_of(served, [100.0]) as callers:
        ends_at = datetime.now(UTC) + timedelta(seconds=1.5)
        those.issue(token, user_id, expires_at=instant(ends_at))
        await callers.caller(request(token))
        while datetime.now(UTC) <= ends_at:
            await asyncio.sleep(0.05)
        with pytest.raises(TokenExpired):
            await callers.caller(request(token))


@pytest.mark.asyncio
async def test_a_flood_of_wrong_tokens_costs_few_looks_and_little_memory(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    read = Callers._read

    async def counted(self: Callers, token_hashes: list[bytes]) -> dict[bytes, auth.Caller]:
        looks.append(len(token_hashes))
        return await read(self, token_hashes)

    monkeypatch.setattr(Callers, "_read", counted)
    flood = CACHED_TOKENS_MAX // 2
    async with callers_of(served, [100.0]) as callers:
        for _ in range(3):
            wrong = [callers.caller(request(secrets.token_hex(20))) for _ in range(flood)]
            answers = await asyncio.gather(*wrong, return_exceptions=True)
            assert {type(answer) for answer in answers} == {TokenInvalid}
        assert sum(looks) == 3 * flood
        assert len(looks) <= 3 * (flood // LOOKED_UP_AT_ONCE_MAX + 2)
        assert len(callers._unknown) <= CACHED_TOKENS_MAX
        # And whoever comes with a good one is let in.
        assert (await callers.caller(request(TOKEN))).administrator


@pytest.mark.asyncio
async def test_a_look_that_fails_fails_those_who_waited_and_nobody_after(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Callers._read

    async def broken(self: Callers, token_hashes: list[bytes]) -> dict[bytes, auth.Caller]:
        raise ConnectionError

    async with callers_of(served, [100.0]) as callers:
        monkeypatch.setattr(Callers, "_read", broken)
        with pytest.raises(ConnectionError):
            await callers.caller(request(TOKEN))
        monkeypatch.setattr(Callers, "_read", read)
        assert (await callers.caller(request(TOKEN))).administrator


def test_a_token_with_the_one_scope_may_do_that_one_thing(served: Served) -> None:
    add_token(served.database, "lister", "lister", ("products:list",))
    with served.client(token="lister") as lister:
        assert lister.get("/v1/products").status_code == 200
        answer = lister.get("/v1/status")
    assert answer.status_code == 403
    assert answer.json()["error"] == "insufficient_scope"
    assert answer.json()["details"] == {"scope": "status:get"}
    assert "access token" not in answer.text


@asynccontextmanager
async def callers_of(served: Served, now: list[float]) -> AsyncIterator[Callers]:
    """Callers of a process of its own, by a clock that stands still."""
    database = Database(served.database)
    await database.open()
    try:
        yield Callers(database, clock=lambda: now[0])
    finally:
        await database.close()


def request(token: str) -> Request:
    headers = [(b"authorization", f"Bearer {token}".encode())]
    return Request({"type": "http", "method": "GET", "headers": headers, "query_string": b""})
