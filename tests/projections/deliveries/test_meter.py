"""The limit holds to the unit, and what was counted is what was delivered."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from random import Random
from uuid import uuid4

import pytest

from domain.period import period_of
from tests.projections.deliveries.processes import worker_processes
from tests.projections.deliveries.receiver import Asked, receiver, replying
from tests.projections.deliveries.world import PRODUCT, World

METER = f"product-{PRODUCT}"
LANES_REFUSED_MAX = 60
PERIOD = ("2026-11-01", "2026-12-01")


def taken(world: World, wanted: int, limit: int | None, holder: object = None) -> int:
    if holder is None:
        asked = [METER, *PERIOD, limit, wanted]
        [(granted,)] = world.sql("SELECT usage.take(%s, %s::date, %s::date, %s, %s)", *asked)
    else:
        asked = [holder, 0.0, METER, *PERIOD, limit, wanted]
        [(granted,)] = world.sql(
            "SELECT usage.take_for(%s, %s, %s, %s::date, %s::date, %s, %s)", *asked
        )
    return int(granted)


def settle(world: World, units: int, delivered: int) -> None:
    world.sql("SELECT usage.settle(%s, %s::date, %s, %s)", METER, PERIOD[0], units, delivered)


def test_no_more_is_taken_than_there_is(world: World) -> None:
    assert taken(world, 60, limit=100) == 60
    assert taken(world, 60, limit=100) == 40
    assert taken(world, 60, limit=100) == 0
    settle(world, units=60, delivered=20)
    assert world.meter() == (20, 40)
    assert taken(world, 60, limit=100) == 40
    assert taken(world, 1, limit=50) == 0
    assert taken(world, 60, limit=None) == 60


def test_no_more_is_counted_than_was_taken(world: World) -> None:
    assert taken(world, 5, limit=None) == 5
    for units, delivered in ((6, 6), (2, 3), (2, -1)):
        with pytest.raises(Exception, match=r"delivered|in_flight"):
            settle(world, units, delivered)
    settle(world, units=5, delivered=5)
    assert world.meter() == (5, 0)


def test_what_nobody_holds_on_to_is_given_back(world: World) -> None:
    dead, alive = uuid4(), uuid4()
    assert taken(world, 30, 100, dead) == 30
    assert taken(world, 20, 100, alive) == 20
    world.sql("SELECT usage.hold(%s, 60)", alive)
    assert world.sql("SELECT usage.expire()") == [(30,)]
    assert world.sql("SELECT usage.expire()") == [(0,)]
    assert world.meter() == (0, 20)
    settled = "SELECT usage.settle_for(%s, %s, %s::date, 10, 10)"
    assert world.sql(settled, dead, METER, PERIOD[0]) == [(False,)]
    assert world.sql(settled, alive, METER, PERIOD[0]) == [(True,)]
    assert world.sql("SELECT usage.give_back(%s)", alive) == [(10,)]
    assert world.meter() == (10, 0)


@pytest.mark.asyncio
async def test_what_is_beyond_the_limit_is_not_sent_and_says_why(world: World) -> None:
    world.limit(3)
    async with receiver(replying()) as there, world.working():
        world.webhook(there.url)
        world.say(*map(str, range(5)))
        world.dispatch()
        await world.until_states(delivered=3, not_sent=2, tick_s=0.1)
        assert world.sql(
            "SELECT DISTINCT reason, attempts FROM outbound.delivery WHERE state = 'not_sent'"
        ) == [("limit", 0)]
        world.limit(4)
        world.say("after the upgrade", "too much again")
        world.dispatch()
        await world.until_states(delivered=4, not_sent=3, tick_s=0.1)
        world.pass_time(days=31)
        world.say("in the next period")
        world.dispatch()
        await world.until_states(delivered=5, not_sent=3)
    assert [asked.body for asked in there.asked][-2:] == [
        b"after the upgrade",
        b"in the next period",
    ]
    periods = world.sql("SELECT period_start, counted FROM usage.meter ORDER BY period_start")
    [(created,)] = world.sql("SELECT (created_at AT TIME ZONE 'UTC')::date FROM fleet.product")
    today, later = datetime.now(UTC).date(), (datetime.now(UTC) + timedelta(days=31)).date()
    assert periods == [(period_of(created, today).start, 4), (period_of(created, later).start, 1)]


@pytest.mark.asyncio
async def test_a_failed_attempt_costs_nothing_and_its_unit_goes_to_another(world: World) -> None:
    async def refuse(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await replying(500 if asked.body == b"bad" else 200)(asked, writer)

    world.limit(1)
    async with receiver(refuse) as there, world.working(2):
        world.webhook(there.url)
        world.say("bad")
        world.say("good", device_id="a" * 24)
        world.dispatch()
        await world.until(lambda: world.states().get("delivered") == 1, tick_s=0.05)
        assert world.meter() == (1, 0)
        world.pass_time(minutes=1)
        await world.until_states(delivered=1, not_sent=1)


@pytest.mark.asyncio
async def test_each_product_and_each_user_has_a_meter(world: World) -> None:
    user = "b" * 24
    world.limit(0, f"user-{user}")
    async with receiver(replying()) as there, world.working():
        world.webhook(there.url)
        world.webhook(there.url, product_id=None, user_id=user)
        world.say("both hear it", user_id=user)
        world.dispatch()
        await world.until_states(delivered=1, not_sent=1)
    assert world.meter() == (1, 0)
    assert world.meter(f"user-{user}") == (0, 0)


@pytest.mark.asyncio
async def test_of_many_deliveries_by_many_processes_exactly_the_limit_is_sent(
    world: World,
) -> None:
    """One in ten fails at first, so that units are given back all the time."""
    random, refused, taken_in = Random(1), Counter[bytes](), Counter[str]()

    async def refuse_some(asked: Asked, writer: asyncio.StreamWriter) -> None:
        bad = random.random() < 0.1 and len(refused) < LANES_REFUSED_MAX
        if bad:
            refused[asked.body] += 1
        else:
            taken_in[asked.headers["webhook-id"]] += 1
        await replying(500 if bad else 200)(asked, writer)

    world.limit(1_000)
    async with receiver(refuse_some) as there:
        world.webhook(there.url)
        world.webhook(there.url)
        for number in range(100):
            world.say(*[f"{number} {step}" for step in range(25)], device_id=f"{number:024x}")
        world.dispatch()
        assert world.states() == {"waiting": 5_000}
        processes = worker_processes(world.database, 8)
        await asyncio.to_thread(processes.__enter__)
        try:
            await world.until(lambda: world.meter() == (1_000, 0), timeout_s=60)
            await world.until(lambda: world.states().get("not_sent", 0) > 1_000)
        finally:
            await asyncio.to_thread(processes.__exit__, None, None, None)
    assert refused
    assert world.meter() == (1_000, 0)
    assert world.states()["delivered"] == 1_000
    assert len(taken_in) == taken_in.total() == 1_000
