"""NATS is a target too, on subjects of the owner's own; and what deliveries say goes that way."""

import asyncio
import json

import nats
import pytest
from nats.js.api import StreamConfig

from domain.subjects import CLOUD, DEVICE_EVENTS_STREAM, up
from projections.deliveries.speaking import Speaker
from projections.integrations.settings import NatsSettings
from tests.projections.deliveries.processes import NO_NATS
from tests.projections.deliveries.world import DEVICE, World
from tests.projections.ear import connected_link, messages
from tests.projections.following import run

SUBJECT = "out.product-7000.temp"


@pytest.mark.asyncio
async def test_a_message_is_published_with_an_id(world: World, nats_url: str) -> None:
    ear = await nats.connect(nats_url)
    try:
        heard = await ear.subscribe("out.>")
        await ear.flush()
        async with world.working(nats_url=nats_url):
            world.integration(NatsSettings(subject="temp", body="{{{PARTICLE_EVENT_VALUE}}}"))
            world.say("1", "2")
            world.dispatch()
            await world.until_states(tick_s=1.0, delivered=2)
        first, second = [await heard.next_msg() for _ in range(2)]
    finally:
        await ear.close()
    assert [(one.subject, one.data) for one in (first, second)] == [
        (SUBJECT, b"1"),
        (SUBJECT, b"2"),
    ]
    assert first.headers is not None
    assert second.headers is not None
    assert first.headers["Nats-Msg-Id"] != second.headers["Nats-Msg-Id"]
    assert world.meter() == (2, 0)


@pytest.mark.asyncio
async def test_while_nats_is_away_it_waits(world: World) -> None:
    async with world.working(nats_url=NO_NATS):
        world.integration(NatsSettings(subject="temp"))
        world.say("1")
        world.dispatch()
        await world.until_tried(1)
    assert world.sql("SELECT error FROM outbound.attempt") == [("NATS cannot be reached",)]
    assert world.states() == {"waiting": 1}


def test_what_deliveries_say_is_published_once_and_in_order(world: World, nats_url: str) -> None:
    async def make_stream() -> None:
        client = await nats.connect(nats_url)
        config = StreamConfig(name=DEVICE_EVENTS_STREAM, subjects=["d.*.up.events"])
        await client.jetstream().add_stream(config)
        await client.close()

    asyncio.run(make_stream())
    with connected_link(nats_url) as link:
        contents = [
            json.dumps({"events": [{"name": f"hook-sent/{number}"}], "device_id": DEVICE}).encode()
            for number in range(450)
        ]
        world.sql("INSERT INTO outbound.said (message) SELECT unnest(%s::bytea[])", contents)
        run(world.database, Speaker(link))
        assert world.said_back() == []
        # As if it had died before it could forget the last of them.
        world.sql(
            "INSERT INTO outbound.said (said_id, message) OVERRIDING SYSTEM VALUE VALUES (450, %s)",
            contents[-1],
        )
        run(world.database, Speaker(link))
    found = messages(nats_url, DEVICE_EVENTS_STREAM)
    assert {message.subject for message in found} == {up(CLOUD, "events")}
    assert [message.data for message in found] == contents
