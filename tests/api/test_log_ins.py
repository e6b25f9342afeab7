"""Guesses are slowed down, by address and by account, on every process; and only guesses."""

import asyncio
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import pytest

from api.database import Database
from api.limits import BAD_LOG_INS, LIMITS, Limit
from api.people.log_ins import ACCOUNT, ADDRESS, TRIED_AT_ONCE_MAX, LogIns, wait_after
from api.problem import TooManyBadLogIns
from projections.housekeeping import Housekeeping
from tests.projections.following import run

LIMIT = Limit(BAD_LOG_INS, 10, 1_800)
ADA, BOB = "ada@example.com", "bob@example.com"


def digest(text: str) -> bytes:
    return hmac.digest(b"a key", text.encode(), "sha256")


@asynccontextmanager
async def log_ins(database: str, limit: Limit | None = LIMIT) -> AsyncIterator[LogIns]:
    opened = Database(database)
    await opened.open()
    try:
        yield LogIns(opened, limit, digest)
    finally:
        await opened.close()


async def fail(log_ins: LogIns, address: str, account: str, times: int = 1) -> None:
    for _ in range(times):
        async with log_ins.turn(address, account) as turn:
            await turn.failed()


async def succeed(log_ins: LogIns, address: str, account: str) -> None:
    async with log_ins.turn(address, account) as turn:
        await turn.succeeded()


def addresses(count: int, start: int = 1) -> list[str]:
    return [f"192.0.2.{number}" for number in range(start, start + count)]


def let_pass(database: str, seconds: int) -> None:
    with psycopg.connect(database) as connection:
        connection.execute(
            "UPDATE api.bad_log_in SET last_at = last_at - make_interval(secs => %(s)s),"
            " blocked_until = blocked_until - make_interval(secs => %(s)s)",
            {"s": seconds},
        )


@pytest.mark.asyncio
async def test_an_address_that_fails_ten_times_in_a_row_waits_half_an_hour(database: str) -> None:
    async with log_ins(database) as here:
        for number in range(10):
            await fail(here, "192.0.2.1", f"{number}@example.com")
        with pytest.raises(TooManyBadLogIns) as refused:
            await succeed(here, "192.0.2.1", ADA)
        assert 1_790 <= int(refused.value.headers["Retry-After"]) <= 1_800
        with pytest.raises(TooManyBadLogIns):
            await here.must_be_open("192.0.2.1")
        await here.must_be_open("192.0.2.2")
        await succeed(here, "192.0.2.2", ADA)
        let_pass(database, 1_800)
        await fail(here, "192.0.2.1", ADA, times=9)
        await succeed(here, "192.0.2.1", BOB)


@pytest.mark.asyncio
async def test_one_that_succeeds_in_between_does_not(database: str) -> None:
    async with log_ins(database) as here:
        for _ in range(3):
            for number in range(9):
                await fail(here, "192.0.2.1", f"{number}@example.com")
            await succeed(here, "192.0.2.1", ADA)


@pytest.mark.asyncio
async def test_every_process_knows(database: str) -> None:
    async with log_ins(database) as here, log_ins(database) as there:
        for number in range(10):
            await fail(here if number % 2 else there, "192.0.2.1", f"{number}@example.com")
        for process in (here, there):
            with pytest.raises(TooManyBadLogIns):
                await succeed(process, "192.0.2.1", ADA)


@pytest.mark.asyncio
async def test_an_account_guessed_at_from_many_addresses_is_opened_ever_more_slowly(
    database: str,
) -> None:
    async with log_ins(database) as here:
        for address in addresses(10):
            await fail(here, address, ADA)
        for doubled, address in enumerate(addresses(4, start=101)):
            with pytest.raises(TooManyBadLogIns) as refused:
                await fail(here, address, ADA)
            assert int(refused.value.headers["Retry-After"]) == 2**doubled
            let_pass(database, 2**doubled)
            await fail(here, address, ADA)
        await succeed(here, "192.0.2.99", BOB)
        let_pass(database, 16)
        await succeed(here, "192.0.2.99", ADA)
        await fail(here, "192.0.2.99", ADA, times=9)


@pytest.mark.parametrize(
    ("failures", "address_s", "account_s"),
    [
        (9, 0, 0),
        (10, 1_800, 1),
        (11, 0, 2),
        (20, 1_800, 1_024),
        (21, 0, 1_800),
        (1_000_000_007, 0, 1_800),
    ],
)
def test_how_long_is_waited(failures: int, address_s: int, account_s: int) -> None:
    assert wait_after(ADDRESS, failures, LIMIT) == address_s
    assert wait_after(ACCOUNT, failures, LIMIT) == account_s


@pytest.mark.asyncio
async def test_another_spelling_of_the_name_is_the_same_account(database: str) -> None:
    async with log_ins(database) as here:
        spellings = ("ada@example.com", "ADA@example.com", " Ada@Example.com ")
        for number, address in enumerate(addresses(10)):
            await fail(here, address, spellings[number % 3])
        with pytest.raises(TooManyBadLogIns):
            await fail(here, "192.0.2.99", ADA)


@pytest.mark.asyncio
async def test_what_was_typed_is_not_kept(database: str) -> None:
    async with log_ins(database) as here:
        await fail(here, "192.0.2.1", ADA)
    with psycopg.connect(database) as connection:
        rows = connection.execute("SELECT b::text FROM api.bad_log_in b").fetchall()
    assert len(rows) == 2
    assert "ada" not in str(rows).lower()
    assert digest(ADA).hex() in str(rows)


@pytest.mark.asyncio
async def test_a_thousand_guesses_that_come_together_are_not_all_made(database: str) -> None:
    """And of the address's, none is made that its block came in time for."""
    guesses = 0

    async def guess(here: LogIns, number: int) -> None:
        nonlocal guesses
        try:
            async with here.turn(f"2001:db8:{number:x}::1", ADA) as turn:
                guesses += 1
                await asyncio.sleep(0.001)
                await turn.failed()
        except TooManyBadLogIns:
            pass

    async with log_ins(database) as here:
        await asyncio.gather(*(guess(here, number) for number in range(1_000)))
        assert 10 <= guesses <= 10 + TRIED_AT_ONCE_MAX
        assert here._queues == {}


@pytest.mark.asyncio
async def test_failures_of_long_ago_are_forgotten(database: str) -> None:
    async with log_ins(database) as here:
        await fail(here, "192.0.2.1", ADA, times=9)
        let_pass(database, 25 * 3_600)
        await fail(here, "192.0.2.1", ADA, times=9)
        let_pass(database, 25 * 3_600)
        await fail(here, "192.0.2.77", "somebody else")
    run(database, Housekeeping())
    with psycopg.connect(database) as connection:
        [left] = connection.execute("SELECT count(*) FROM api.bad_log_in").fetchall()
    assert left == (2,)


@pytest.mark.asyncio
async def test_without_the_limit_nobody_waits(database: str) -> None:
    assert LIMIT in LIMITS
    async with log_ins(database, None) as here:
        await fail(here, "192.0.2.1", ADA, times=50)
        await succeed(here, "192.0.2.1", ADA)
