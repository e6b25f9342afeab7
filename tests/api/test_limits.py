"""How much one address may have: counted by all processes together, refused readably."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import psycopg
import pytest

from api import limits as limits_module
from api.database import Database
from api.limits import (
    AT_A_TIME,
    EVENT_STREAMS,
    LIMITS,
    OPEN_STREAMS,
    REQUESTS,
    SHARE_S,
    SIGN_UP,
    Limit,
    Limits,
    LimitsMalformed,
    limits_wanted,
)
from api.problem import TooManyRequests
from tests.api.serving import CLIENT_TIMEOUT_S, serving
from tests.api.test_process import api_process

FOREVER_S = 1_000_000_000  # a window that does not turn while a test runs
ONE, OTHER = "192.0.2.1", "192.0.2.2"


def granted(limits: Limits, name: str, key: str, tries: int) -> int:
    """How many of so many tries go through."""
    count = 0
    for _ in range(tries):
        try:
            limits.spend(name, key)
        except TooManyRequests:
            continue
        count += 1
    return count


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def counting(*limits: Limit, clock: Clock | None = None) -> Limits:
    """In one process, without a database: nothing is shared."""
    return Limits(Database("host=127.0.0.1 port=1"), limits, clock or Clock())


def test_an_address_has_so_many_in_a_window_and_another_has_its_own() -> None:
    limits = counting(Limit(SIGN_UP, 3, 300))
    assert granted(limits, SIGN_UP, ONE, 10) == 3
    assert granted(limits, SIGN_UP, OTHER, 10) == 3


def test_a_limit_has_nothing_to_do_with_another() -> None:
    limits = counting(Limit(SIGN_UP, 3, 300), Limit(REQUESTS, 5, 300))
    assert granted(limits, SIGN_UP, ONE, 10) == 3
    assert granted(limits, REQUESTS, ONE, 10) == 5


def test_a_new_window_begins_at_a_multiple_of_its_length() -> None:
    clock = Clock()
    limits = counting(Limit(SIGN_UP, 3, 300), clock=clock)
    granted(limits, SIGN_UP, ONE, 10)
    ends_at = 1_000_200
    clock.now = ends_at - 0.5
    with pytest.raises(TooManyRequests) as refused:
        limits.spend(SIGN_UP, ONE)
    assert refused.value.headers == {"Retry-After": "1"}
    clock.now = ends_at
    assert granted(limits, SIGN_UP, ONE, 10) == 3


def test_a_limit_that_is_off_is_none() -> None:
    assert granted(counting(), SIGN_UP, ONE, 1000) == 1000


def test_no_more_addresses_are_remembered_than_there_is_room_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits_module, "KEYS_MAX", 10)
    limits = counting(Limit(SIGN_UP, 1, 300))
    for number in range(50):
        limits.spend(SIGN_UP, f"2001:db8:{number:x}::/64")
    window = limits._windows[SIGN_UP]
    assert len(window.fresh) == 10
    assert granted(limits, SIGN_UP, "2001:db8:31::/64", 1) == 0, "the last ones are known"


def test_limits_are_what_the_particle_api_documents_unless_asked_otherwise() -> None:
    assert limits_wanted("") == LIMITS
    assert limits_wanted("off") == ()
    wanted = limits_wanted("requests=50/60, sign_up=off")
    assert Limit(REQUESTS, 50, 60) in wanted
    assert {limit.name for limit in LIMITS} - {limit.name for limit in wanted} == {SIGN_UP}
    assert Limit(REQUESTS, 10_000, 300) in LIMITS
    assert Limit(SIGN_UP, 100, 300) in LIMITS
    assert {Limit(EVENT_STREAMS, 100, 300), Limit(OPEN_STREAMS, 100, AT_A_TIME)} <= {*LIMITS}
    assert Limit(OPEN_STREAMS, 500, AT_A_TIME) in limits_wanted("open_streams=500")


@pytest.mark.parametrize(
    "text",
    [
        *("requests", "requests=5", "requests=0/5", "requests=5/-1", "nothing=5/5", "on"),
        *("open_streams=5/60", "open_streams=0", "open_streams"),
    ],
)
def test_a_wish_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(LimitsMalformed):
        limits_wanted(text)


@asynccontextmanager
async def two_processes(database: str, *limits: Limit) -> AsyncIterator[tuple[Limits, Limits]]:
    one, other = Database(database), Database(database)
    await one.open()
    await other.open()
    try:
        yield Limits(one, limits), Limits(other, limits)
    finally:
        await one.close()
        await other.close()


@pytest.mark.asyncio
async def test_what_one_process_counted_the_other_knows_once_it_has_told_its_own(
    database: str,
) -> None:
    async with two_processes(database, Limit(SIGN_UP, 10, FOREVER_S)) as (one, other):
        assert granted(one, SIGN_UP, ONE, 6) == 6
        assert granted(other, SIGN_UP, ONE, 3) == 3
        await one.tell()
        await other.tell()
        assert granted(other, SIGN_UP, ONE, 10) == 1
        assert granted(one, SIGN_UP, OTHER, 10) == 10
        await other.tell()
        assert sums(database) == {(SIGN_UP, ONE): 10}
        await one.tell()
        assert sums(database) == {(SIGN_UP, ONE): 10, (SIGN_UP, OTHER): 10}


@pytest.mark.asyncio
async def test_what_is_counted_while_it_is_told_is_told_the_next_time(database: str) -> None:
    async with two_processes(database, Limit(SIGN_UP, 100, FOREVER_S)) as (one, _):
        granted(one, SIGN_UP, ONE, 6)
        telling = asyncio.create_task(one.tell())
        await asyncio.sleep(0)
        granted(one, SIGN_UP, ONE, 5)
        await telling
        await one.tell()
        await one.tell()
        assert sums(database) == {(SIGN_UP, ONE): 11}


@pytest.mark.asyncio
async def test_many_processes_tell_at_once_and_nothing_is_lost(database: str) -> None:
    """Each in another order: whoever took rows as they come would wait in a circle."""
    addresses = [f"192.0.2.{number}" for number in range(200)]
    async with (
        two_processes(database, Limit(SIGN_UP, 100_000, FOREVER_S)) as (one, other),
        two_processes(database, Limit(SIGN_UP, 100_000, FOREVER_S)) as (third, fourth),
    ):
        for _ in range(10):
            for limits in (one, other, third, fourth):
                addresses.reverse()
                for address in addresses:
                    limits.spend(SIGN_UP, address)
            await asyncio.gather(*(limits.tell() for limits in (one, other, third, fourth)))
    assert sums(database) == {(SIGN_UP, address): 40 for address in addresses}


@pytest.mark.asyncio
async def test_what_could_not_be_told_is_told_later(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits_module, "SHARE_S", 0.01)
    async with two_processes(database, Limit(SIGN_UP, 10, FOREVER_S)) as (one, _):
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("ALTER TABLE api.spent RENAME TO gone")
            granted(one, SIGN_UP, ONE, 6)
            with pytest.raises(psycopg.Error):
                await one.tell()
            connection.execute("ALTER TABLE api.gone RENAME TO spent")
        sharing = asyncio.create_task(one.share())
        for _ in range(500):
            if sums(database):
                break
            await asyncio.sleep(0.01)
        sharing.cancel()
        assert sums(database) == {(SIGN_UP, ONE): 6}


def sums(database: str) -> dict[tuple[str, str], int]:
    with psycopg.connect(database) as connection:
        rows = connection.execute("SELECT limit_name, key, spent FROM api.spent").fetchall()
    return {(name, key): spent for name, key, spent in rows}


@pytest.fixture
def strict(database: str) -> Iterator[httpx.Client]:
    """An API that takes ten requests from an address."""
    with (
        serving(database, limits=(Limit(REQUESTS, 10, FOREVER_S),)) as served,
        served.client() as client,
    ):
        yield client


def test_beyond_the_limit_every_request_is_refused_and_told_when_to_come_back(
    strict: httpx.Client,
) -> None:
    answers = [strict.get("/v1/products" if turn % 2 else "/nothing") for turn in range(12)]
    assert [answer.status_code for answer in answers] == [404, 200] * 5 + [429, 429]
    refused = answers[-1]
    assert int(refused.headers["Retry-After"]) > 0
    assert refused.headers["X-Request-Id"]
    body = refused.json()
    assert (body["ok"], body["error"]) == (False, "rate_limited")
    assert body["error_description"].startswith("Too many requests. Try again in ")
    assert "access token" not in body["error_description"], "the CLI would throw its token away"


def test_a_browser_may_ask_first_without_end_and_its_page_can_read_the_refusal(
    strict: httpx.Client,
) -> None:
    asked = {"Origin": "https://console.example", "Access-Control-Request-Method": "GET"}
    for _ in range(20):
        assert strict.options("/v1/products", headers=asked).status_code == 200
    page = {"Origin": "https://console.example"}
    answers = [strict.get("/v1/products", headers=page) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [200] * 10 + [429]
    assert answers[-1].headers["access-control-allow-origin"] == "*"
    assert "Retry-After" in answers[-1].headers["access-control-expose-headers"]


def test_whoever_keeps_the_process_running_may_always_ask(strict: httpx.Client) -> None:
    for _ in range(20):
        assert strict.get("/health").status_code == 200
    assert [strict.get("/v1/products").status_code for _ in range(10)] == [200] * 10
    assert strict.get("/v1/products").status_code == 429
    assert strict.get("/health").status_code == 200


def test_what_a_caller_says_of_its_address_is_not_believed(strict: httpx.Client) -> None:
    answers = [
        strict.get("/v1/products", headers={"X-Forwarded-For": f"192.0.2.{turn}"}).status_code
        for turn in range(11)
    ]
    assert answers == [200] * 10 + [429]


def test_behind_a_proxy_each_caller_has_an_address_of_its_own(database: str) -> None:
    limits = (Limit(REQUESTS, 10, FOREVER_S),)
    with serving(database, limits=limits, proxies=1) as served, served.client() as client:

        def ask(forwarded: str) -> int:
            return client.get("/nothing", headers={"X-Forwarded-For": forwarded}).status_code

        assert [ask(ONE) for _ in range(11)] == [404] * 10 + [429]
        # What stands further left, the caller wrote: it buys nothing.
        assert ask(f"203.0.113.9, {ONE}") == 429
        assert ask(f"{ONE}, {OTHER}") == 404


def test_two_processes_of_the_api_share_a_limit(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = 60
    monkeypatch.setenv("ROLLCALL_LIMITS", f"requests={most}/{FOREVER_S}")
    with (
        api_process(database, tmp_path) as (_, one),
        api_process(database, tmp_path) as (_, other),
        httpx.Client(timeout=CLIENT_TIMEOUT_S) as client,
    ):
        for url in (one, other):
            for _ in range(most // 2):
                assert client.get(f"{url}/nothing").status_code == 404
        beyond = 0
        while 404 in {client.get(f"{url}/nothing").status_code for url in (one, other)}:
            beyond += 1
            assert beyond < most // 4, "neither has heard of the other"
            time.sleep(SHARE_S / 2)
    [spent] = sums(database).values()
    assert spent < most + most // 4


def test_a_refusal_can_be_read_by_who_is_still_sending(strict: httpx.Client) -> None:
    for _ in range(10):
        strict.get("/nothing")
    for _ in range(3):
        answer = strict.post("/v1/products", content=b" " * 5_000_000)
        assert answer.status_code == 429
