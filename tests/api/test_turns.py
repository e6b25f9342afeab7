"""Taking turns: one at a time, each in turn, and not too many who wait."""

import asyncio

import pytest

from api import turns
from api.turns import Turns
from domain.log.fleet import Contended

pytestmark = pytest.mark.asyncio


async def test_one_at_a_time_has_the_turn_and_all_come_to_it() -> None:
    queues, at_it, most, done = Turns(), 0, 0, 0

    async def work() -> None:
        nonlocal at_it, most, done
        async with queues.take("customers"):
            at_it += 1
            most = max(most, at_it)
            await asyncio.sleep(0)
            at_it -= 1
            done += 1

    await asyncio.gather(*(work() for _ in range(20)))
    assert (most, done) == (1, 20)


async def test_what_is_decided_elsewhere_waits_for_nobody() -> None:
    queues = Turns()
    async with queues.take("customers of 1"), queues.take("customers of 2"):
        pass


async def test_whoever_fails_gives_the_turn_back() -> None:
    queues = Turns()
    with pytest.raises(ZeroDivisionError):
        async with queues.take("customers"):
            raise ZeroDivisionError
    async with asyncio.timeout(1), queues.take("customers"):
        pass
    assert queues._queues == {}


async def test_too_many_are_not_let_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "WAITING_MAX", 1)
    queues, leave = Turns(), asyncio.Event()

    async def wait() -> None:
        async with queues.take("customers"):
            await leave.wait()

    waiting = [asyncio.create_task(wait()) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Contended):
        async with queues.take("customers"):
            pass
    leave.set()
    await asyncio.gather(*waiting)
