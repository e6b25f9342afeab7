"""An answer that cannot be kept on record is not given."""

import asyncio
import json
from pathlib import Path

import pytest
from msgspec.structs import replace
from nats.aio.client import Client
from nats.js.api import StreamConfig

from device_edge.edge import Settings
from device_edge.streams import JOURNAL
from domain.subjects import JOURNAL_STREAM
from tests.device_edge import world
from tests.device_edge.world import PRODUCT, Announcer, device, device_id, journal
from tests.servers import NatsServer

pytestmark = pytest.mark.asyncio
ONE, TWO = device_id(1), device_id(2)
SILENCE_S = 0.5


async def limit_journal(connection: Client, **limits: int) -> None:
    changed = StreamConfig(**{**JOURNAL.__dict__, **limits})
    await connection.jetstream().update_stream(changed)


async def test_when_the_journal_is_full_there_is_no_answer_until_it_has_room_again(
    edge: Settings, clean_nats: NatsServer, connection: Client
) -> None:
    async with device(clean_nats, ONE) as ours:
        await limit_journal(connection, max_bytes=1)
        with pytest.raises(TimeoutError):
            await ask(ours)
        assert await journal(connection) == []
        await limit_journal(connection)
        assert (await ours.hello(product_id=PRODUCT))["told"] == "quarantined"
        assert len(await journal(connection)) == 1


async def ask(ours: world.Device) -> None:
    await ours.publish("hello", {"product_id": PRODUCT})
    await ours.heard("hello", timeout_s=SILENCE_S)


async def test_a_journal_that_was_deleted_is_made_again(
    edge: Settings, clean_nats: NatsServer, connection: Client
) -> None:
    await connection.jetstream().delete_stream(JOURNAL_STREAM)
    async with device(clean_nats, ONE) as ours:
        assert (await ours.hello(product_id=PRODUCT))["told"] == "quarantined"
    assert [report["device_id"] for report in await journal(connection)] == [ONE]


async def test_hellos_that_come_together_go_into_the_journal_together(
    edge: Settings, clean_nats: NatsServer, connection: Client
) -> None:
    hellos = 200
    for number in range(hellos):
        said = json.dumps({"product_id": PRODUCT}).encode()
        await connection.publish(f"d.{world.device_id(number)}.up.hello", said)

    async def all_there() -> bool:
        return len(await journal(connection)) == hellos

    await world.until(all_there)
    state = (await connection.jetstream().stream_info(JOURNAL_STREAM)).state
    assert state.messages < hellos / 4


async def test_an_edge_cut_off_from_postgresql_answers(
    clean_nats: NatsServer, facts: Announcer, tmp_path: Path
) -> None:
    await facts.announce({ONE: {"product_id": PRODUCT}}, {"default": 3})
    nowhere = world.settings_of(clean_nats, tmp_path, world.NOWHERE)
    async with world.edge(nowhere), device(clean_nats, ONE) as ours:
        assert (await ours.hello(product_id=PRODUCT, version=2))["version"] == 3


async def test_edges_share_the_hellos(
    edge: Settings, clean_nats: NatsServer, connection: Client
) -> None:
    port = world.free_port()
    beside = replace(edge, name="second", http_port=port)
    async with world.edge(beside):
        for number in range(40):
            async with device(clean_nats, device_id(number)) as ours:
                await ours.hello(product_id=PRODUCT)
        assert {report["edge"] for report in await journal(connection)} == {edge.name, "second"}
    async with device(clean_nats, ONE) as ours:
        assert await ours.hello(product_id=PRODUCT)


async def test_an_edge_that_stops_answers_what_it_has_taken(
    clean_nats: NatsServer, facts: Announcer, tmp_path: Path
) -> None:
    await facts.announce(product={})
    heard: list[str] = []

    async def take(message: world.nats.aio.msg.Msg) -> None:
        heard.append(message.subject)

    await facts.connection.subscribe("d.*.dn.hello", cb=take)
    async with world.edge(world.settings_of(clean_nats, tmp_path)):
        for number in range(500):
            await facts.connection.publish(f"d.{device_id(number)}.up.hello", b"{}")
        await facts.connection.flush()
        await asyncio.sleep(0)
    await facts.connection.flush()
    assert len(heard) == len(await journal(facts.connection))
    assert len(heard) == 500
