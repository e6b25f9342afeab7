"""Deliveries arrive: once if all goes well, a device's in their order, tried as often as needed."""

import asyncio
import base64
import hmac
from collections import defaultdict
from hashlib import sha256

import pytest

from projections.integrations.settings import WebhookSettings
from tests.projections.deliveries.receiver import Asked, Receiver, receiver, replying
from tests.projections.deliveries.world import DEVICE, PRODUCT, World

pytestmark = pytest.mark.asyncio


def texts(there: Receiver) -> list[str]:
    return [asked.body.decode() for asked in there.asked]


async def test_a_device_event_is_delivered_and_counted(world: World) -> None:
    async with receiver(replying()) as there, world.working():
        world.webhook(there.url)
        world.say("21.5")
        world.dispatch()
        await world.until_states(delivered=1)
    assert texts(there) == ["21.5"]
    assert world.meter() == (1, 0)
    assert world.sql("SELECT attempts, reason, period_start IS NULL FROM outbound.delivery") == [
        (1, "", False)
    ]


async def test_devices_events_arrive_in_their_order(world: World) -> None:
    devices = [f"{number:024x}" for number in range(1, 21)]
    async with receiver(replying()) as there, world.working(3):
        world.webhook(there.url)
        for number in range(40):
            for device_id in devices:
                world.say(f"{device_id} {number}", device_id=device_id)
            if number % 10 == 0:
                world.dispatch()
        world.dispatch()
        await world.until_states(delivered=800)
    arrived = defaultdict(list)
    for text in texts(there):
        device_id, number = text.split()
        arrived[device_id].append(int(number))
    assert arrived == {device_id: [*range(40)] for device_id in devices}
    assert world.meter() == (800, 0)


async def test_a_request_is_signed_with_an_id_that_stays(world: World) -> None:
    async with receiver(replying(500)) as there, world.working():
        world.webhook(there.url)
        world.say("21.5")
        world.dispatch()
        await world.until_tried(1)
        world.pass_time(hours=1)
        await world.until_tried(2)
    first, second = (asked.headers for asked in there.asked)
    assert first["webhook-id"] == second["webhook-id"]
    assert first["webhook-timestamp"] != second["webhook-timestamp"]
    signed = f"{second['webhook-id']}.{second['webhook-timestamp']}.21.5"
    made = hmac.digest(base64.b64decode("QUJDRA=="), signed.encode(), sha256)
    assert second["webhook-signature"] == "v1," + base64.b64encode(made).decode()


async def test_one_that_fails_holds_back_its_device_and_nobody_else(world: World) -> None:
    async def refuse_three(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await replying(500 if asked.body == b"3" and broken else 200)(asked, writer)

    broken, other = True, "a" * 24
    async with receiver(refuse_three) as there, world.working():
        world.webhook(there.url)
        world.say("1", "2", "3", "4", "5")
        world.say("6", "7", device_id=other)
        world.dispatch()
        await world.until_states(delivered=4, waiting=3)
        assert sorted(texts(there)) == ["1", "2", "3", "6", "7"]
        assert world.meter() == (4, 0)
        broken = False
        world.pass_time(minutes=1)
        await world.until_states(delivered=7)
    assert [text for text in texts(there) if text in "12345"] == ["1", "2", "3", "3", "4", "5"]
    assert world.meter() == (7, 0)


async def test_after_a_day_it_is_parked_and_those_behind_it_go_on(world: World) -> None:
    async def refuse_one(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await replying(404 if asked.body == b"1" else 200)(asked, writer)

    async with receiver(refuse_one) as there, world.working():
        world.webhook(there.url)
        world.say("1", "2")
        world.dispatch()
        attempts = 0
        while world.states() == {"waiting": 2}:
            attempts += 1
            await world.until_tried(attempts)
            if attempts < 10:
                assert world.states() == {"waiting": 2}
            world.pass_time(hours=1)
            await world.until(lambda seen=attempts: len(there.asked) > seen)
            await world.until(
                lambda: not world.sql("SELECT 1 FROM outbound.lane WHERE lease_id IS NOT NULL")
            )
        await world.until_states(parked=1, delivered=1)
    assert 20 < attempts < 40
    assert world.meter() == (1, 0)
    [(reason,)] = world.sql("SELECT reason FROM outbound.delivery WHERE state = 'parked'")
    assert reason == "error status 404 from 127.0.0.1"


async def test_every_attempt_can_be_looked_into(world: World) -> None:
    async with receiver(replying(503, b"not \x00 today")) as there, world.working():
        integration_id = world.webhook(there.url)
        world.say("21.5")
        world.dispatch()
        await world.until_tried(1)
    found = world.sql(
        "SELECT integration_id, device_id, attempt, delivered, method, host, request_bytes, status,"
        " error, response FROM outbound.attempt"
    )
    host = there.url.removeprefix("http://")
    said = ("error status 503 from 127.0.0.1", "not \ufffd today")
    assert found == [(integration_id, DEVICE, 1, False, "POST", host, 4, 503, *said)]


async def test_what_no_request_can_be_made_of_is_parked_at_once(world: World) -> None:
    async with world.working():
        world.integration(WebhookSettings(url="{{{PARTICLE_EVENT_VALUE}}}"))
        world.say("gopher://x", "also none")
        world.dispatch()
        await world.until_states(parked=2)
    assert world.meter() == (0, 0)


async def test_a_server_may_ask_for_time(world: World) -> None:
    async with receiver(replying(429, Retry_After="1800")) as there, world.working():
        world.webhook(there.url)
        world.say("21.5")
        world.dispatch()
        await world.until_tried(1)
    [(due_at,)] = world.sql("SELECT due_at FROM outbound.lane")
    assert round((due_at - world.now).total_seconds()) == 1800


async def test_of_a_removed_integration_nothing_is_sent_any_more(world: World) -> None:
    async with receiver(replying()) as there:
        integration_id = world.webhook(there.url)
        world.say(*map(str, range(40)))
        world.dispatch()
        world.remove(integration_id)
        async with world.working():
            await world.until_states(cancelled=40)
    assert there.asked == []
    assert world.meter() == (0, 0)


async def test_a_disabled_integration_gets_nothing_new_and_what_waits_goes_on_later(
    world: World,
) -> None:
    async with receiver(replying()) as there:
        integration_id = world.webhook(there.url)
        world.say("1")
        world.dispatch()
        world.disable(integration_id)
        world.say("2")
        world.dispatch()
        async with world.working():
            await world.until(
                lambda: world.sql("SELECT 1 FROM outbound.lane WHERE due_at > %s", world.now)
            )
            assert world.states() == {"waiting": 1}
            world.disable(integration_id, disabled=False)
            world.pass_time(minutes=1)
            await world.until_states(delivered=1)
    assert texts(there) == ["1"]


async def test_what_waits_for_a_disabled_integration_for_a_day_is_parked(world: World) -> None:
    integration_id = world.webhook("http://127.0.0.1:9/")
    world.say(*map(str, range(30)))
    world.dispatch()
    world.disable(integration_id)
    world.pass_time(days=1)
    async with world.working():
        await world.until_states(parked=30)


async def test_an_event_that_is_no_longer_kept_is_not_delivered(world: World) -> None:
    async with receiver(replying()) as there:
        world.webhook(there.url)
        world.say("1", "2", "3")
        world.dispatch()
        world.sql("DELETE FROM telemetry.device_event WHERE data = '2'")
        async with world.working():
            await world.until_states(delivered=2, cancelled=1)
    assert texts(there) == ["1", "3"]
    assert world.meter() == (2, 0)


async def test_workers_that_are_told_to_stop_leave_nothing_behind(world: World) -> None:
    async def think(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.05)
        await replying()(asked, writer)

    async with receiver(think) as there:
        world.webhook(there.url)
        world.say(*map(str, range(100)))
        world.dispatch()
        async with world.working(2):
            await world.until(lambda: len(there.asked) > 3)
    assert len(there.asked) < 30
    assert world.states()["delivered"] == len(there.asked)
    assert world.meter() == (len(there.asked), 0)
    assert world.sql("SELECT 1 FROM outbound.lease") == []
    assert world.sql("SELECT 1 FROM outbound.lane WHERE lease_id IS NOT NULL") == []


async def test_many_integrations_are_served_in_turn(world: World) -> None:
    """One with a great many lanes that takes its time keeps nobody else waiting."""

    async def dawdle(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(1.0)
        await replying()(asked, writer)

    async with receiver(dawdle) as slow, receiver(replying()) as fast:
        world.webhook(slow.url)
        for number in range(500):
            world.say("slow", device_id=f"{number:024x}")
        world.dispatch()
        world.webhook(fast.url, prefix="hum")
        world.say("fast", name="humidity")
        world.dispatch()
        async with world.working():
            await world.until(lambda: texts(fast) == ["fast"], timeout_s=0.9)
        assert 0 < len(slow.asked) <= 64


async def test_what_the_cloud_says_about_it(world: World) -> None:
    async def first_no_then_yes(asked: Asked, writer: asyncio.StreamWriter) -> None:
        bad, good = replying(500), replying(200, b"a" * 700)
        await (bad if len(there.asked) == 1 else good)(asked, writer)

    async with receiver(first_no_then_yes) as there, world.working():
        world.webhook(there.url)
        world.say("21.5", user_id="b" * 24)
        world.dispatch()
        await world.until_tried(1)
        world.pass_time(minutes=1)
        await world.until_states(delivered=1)
    first, second = world.said_back()
    about = {"device_id": DEVICE, "product_id": PRODUCT, "user_id": "b" * 24}
    assert first.items() >= about.items()
    assert [(one["name"], one["data"]) for one in first["events"]] == [
        ("hook-sent/temp", ""),
        ("hook-error/temp/0", "error status 500 from 127.0.0.1"),
    ]
    assert [(one["name"], len(one["data"])) for one in second["events"]] == [
        (f"{DEVICE}/hook-response/temp/0", 512),
        (f"{DEVICE}/hook-response/temp/1", 188),
    ]
