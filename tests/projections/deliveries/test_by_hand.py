"""What was given up is sent once more, what was sent is sent again: because somebody says so."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from projections.deliveries.by_hand import Range, Replayed, replay, retry, retry_parked
from projections.deliveries.worker import Connection
from tests.projections.deliveries.receiver import receiver, replying
from tests.projections.deliveries.world import World

pytestmark = pytest.mark.asyncio

NOW = datetime.now(UTC)
EVER = Range(since=NOW - timedelta(days=1), before=NOW + timedelta(days=1))


@pytest_asyncio.fixture
async def hand(world: World) -> AsyncIterator[Connection]:
    async with await world.connect() as connection:
        yield connection


async def test_what_is_parked_is_tried_for_a_day_again(world: World, hand: Connection) -> None:
    async with receiver(replying(500)) as there, world.working():
        integration_id = world.webhook(there.url)
        world.say("1", "2", "3")
        world.dispatch()
        await world.until_tried(1)
        world.pass_time(days=2)
        await world.until_states(parked=3)
        there.answer = replying(200)
        [(first,)] = world.sql("SELECT min(delivery_id) FROM outbound.delivery")
        assert await retry(hand, "somebody else's", [first], world.now) == 0
        assert await retry(hand, integration_id, [first], world.now) == 1
        await world.until_states(parked=2, delivered=1)
        assert await retry(hand, integration_id, [first], world.now) == 0
        assert await retry_parked(hand, integration_id, world.now, limit=1) == 1
        assert await retry_parked(hand, integration_id, world.now) == 1
        await world.until_states(delivered=3)
    assert world.meter() == (3, 0)


async def test_a_range_is_sent_again_with_other_ids(world: World, hand: Connection) -> None:
    async with receiver(replying()) as there, world.working():
        integration_id = world.webhook(there.url)
        world.webhook(there.url, prefix="other")
        world.say("1", "2", "3", "4")
        world.say("not for this one", name="other")
        world.dispatch()
        await world.until_states(delivered=5)
        there.asked.clear()
        part = Range(since=EVER.since, before=EVER.before, after=1, until=4)
        assert await replay(hand, integration_id, part, NOW, request="1", limit=2) == Replayed(2, 3)
        assert await replay(hand, integration_id, part, NOW, request="2") == Replayed(3, 4)
        await world.until_states(delivered=10)
    assert [asked.body for asked in there.asked] == [b"2", b"3", b"2", b"3", b"4"]
    assert len({asked.headers["webhook-id"] for asked in there.asked}) == 5
    assert world.meter() == (10, 0)


async def test_a_range_may_be_one_of_time(world: World, hand: Connection) -> None:
    integration_id = world.webhook("http://127.0.0.1:9/")
    world.say("1", "2")
    early = Range(since=EVER.since, before=EVER.since + timedelta(hours=1))
    assert await replay(hand, integration_id, early, NOW, request="1") == Replayed(0, None)
    assert await replay(hand, integration_id, EVER, NOW, request="2") == Replayed(2, 2)


async def test_a_replay_is_for_those_of_whom_it_is(world: World, hand: Connection) -> None:
    user, device = "b" * 24, "d" * 24
    world.sql("UPDATE fleet.product SET owner = 'organization:' || %s", "c" * 24)
    of_user = world.webhook("http://a.example/", product_id=None, user_id=user, device_id=device)
    of_organization = world.webhook("http://a.example/", product_id=None, organization_id="c" * 24)
    world.say("1", user_id=user, device_id=device)
    world.say("2", user_id=user)
    world.say("3", product_id=None, user_id="e" * 24, device_id=device)
    world.say("of the cloud, about a delivery", publisher="particle-internal")
    assert await replay(hand, of_user, EVER, NOW, request="1") == Replayed(1, 1)
    assert await replay(hand, of_organization, EVER, NOW, request="1") == Replayed(2, 2)


async def test_a_replay_that_is_asked_for_again_is_made_once(
    world: World, hand: Connection
) -> None:
    integration_id = world.webhook("http://127.0.0.1:9/")
    world.say("1", "2")
    first = await replay(hand, integration_id, EVER, NOW, request="key")
    world.say("3")
    assert await replay(hand, integration_id, EVER, NOW, request="key") == first == Replayed(2, 2)
    assert await replay(hand, integration_id, EVER, NOW, request="other") == Replayed(3, 3)
    made = "SELECT replay, count(*) FROM outbound.delivery GROUP BY 1 ORDER BY 1"
    assert world.sql(made) == [(1, 2), (2, 3)]
