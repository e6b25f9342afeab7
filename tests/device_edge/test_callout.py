"""Who may connect, and what a connection may do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiomqtt
import nats
import pytest
from nats.aio.client import Client

from device_edge.callout import FAILURES_MAX
from device_edge.credentials import secret_of
from device_edge.edge import Settings
from tests.device_edge import world
from tests.device_edge.world import MASTER_KEY, PRODUCT, Announcer, device, device_id, token
from tests.servers import NatsServer

pytestmark = pytest.mark.asyncio
ONE, TWO = device_id(1), device_id(2)


async def refused(server: NatsServer, identity: str, password: str, client_id: str = "") -> bool:
    try:
        async with device(server, identity, password=password, client_id=client_id):
            return False
    except aiomqtt.MqttError:
        return True


@asynccontextmanager
async def nats_device(server: NatsServer, identity: str, password: str) -> AsyncIterator[Client]:
    async def quiet(error: Exception) -> None:
        errors.append(error)

    errors: list[Exception] = []
    client = Client()
    try:
        await client.connect(
            f"nats://127.0.0.1:{server.nats_port}",
            user=identity,
            password=password,
            inbox_prefix=f"_INBOX_{identity}",
            error_cb=quiet,
            max_reconnect_attempts=1,
        )
        yield client
    finally:
        await client.close()


async def test_a_device_with_its_token_connects(edge: Settings, clean_nats: NatsServer) -> None:
    async with device(clean_nats, ONE) as ours:
        assert (await ours.hello(product_id=PRODUCT))["told"] == "quarantined"


async def test_a_bad_token_is_refused(edge: Settings, clean_nats: NatsServer) -> None:
    assert await refused(clean_nats, ONE, token(ONE, secret=bytes(32)))
    assert await refused(clean_nats, ONE, secret_of(MASTER_KEY, ONE).hex())


async def test_an_old_token_is_refused(edge: Settings, clean_nats: NatsServer) -> None:
    assert await refused(clean_nats, ONE, token(ONE, offset_s=-400))


async def test_another_devices_token_is_refused(edge: Settings, clean_nats: NatsServer) -> None:
    assert await refused(clean_nats, ONE, token(TWO))


async def test_a_device_cannot_take_over_another_ones_session(
    edge: Settings, clean_nats: NatsServer
) -> None:
    async with device(clean_nats, TWO) as theirs:
        assert await refused(clean_nats, ONE, token(ONE), client_id=TWO)
        assert (await theirs.hello(product_id=PRODUCT))["told"] == "quarantined"


async def test_failures_are_answered_only_so_often(edge: Settings, clean_nats: NatsServer) -> None:
    for _ in range(FAILURES_MAX):
        assert await refused(clean_nats, ONE, "wrong")
    assert await refused(clean_nats, ONE, token(ONE))
    async with device(clean_nats, TWO):
        pass


async def test_a_device_hears_nothing_meant_for_others(
    edge: Settings, clean_nats: NatsServer, connection: Client
) -> None:
    async with device(clean_nats, ONE) as ours:
        for topic in (f"d/{TWO}/dn/#", "d/#", "#", "journal/#", "facts/#", f"d/{ONE}/up/#"):
            assert await granted(ours.client, topic) == [0x80], topic
        assert await granted(ours.client, f"d/{ONE}/dn/again") == [0]


async def granted(client: aiomqtt.Client, topic: str) -> list[int]:
    codes = await client.subscribe(topic)
    return [code if isinstance(code, int) else code.value for code in codes]


async def test_a_device_cannot_speak_for_others(
    edge: Settings, clean_nats: NatsServer, connection: Client
) -> None:
    heard: list[str] = []

    async def take(message: nats.aio.msg.Msg) -> None:
        heard.append(message.subject)

    await connection.subscribe(f"d.{TWO}.>", cb=take)
    await connection.subscribe("journal.>", cb=take)
    await connection.subscribe("facts.>", cb=take)
    await connection.flush()
    async with device(clean_nats, ONE) as ours:
        for topic in (f"d/{TWO}/up/hello", "journal/edge", "facts/head", f"d/{TWO}/dn/hello"):
            await ours.client.publish(topic, b"{}", qos=1)
        # The server has taken them all before it takes this.
        await ours.hello(product_id=PRODUCT)
    assert set(heard) <= {"journal.edge"}
    assert len(await world.journal(connection)) == 1


async def test_a_nats_device_gets_its_answer_in_its_inbox(
    edge: Settings, clean_nats: NatsServer
) -> None:
    async with nats_device(clean_nats, ONE, token(ONE)) as ours:
        answer = await ours.request(f"d.{ONE}.up.hello", b'{"product_id":94}', timeout=5)
    assert b'"quarantined"' in answer.data


@pytest.mark.parametrize("reply", ["journal.edge", f"d.{TWO}.dn.hello", f"_INBOX_{TWO}.x"])
async def test_a_nats_device_cannot_have_us_speak_elsewhere(
    edge: Settings, clean_nats: NatsServer, connection: Client, reply: str
) -> None:
    heard: list[bytes] = []

    async def take(message: nats.aio.msg.Msg) -> None:
        heard.append(message.data)

    await connection.subscribe(reply, cb=take)
    await connection.flush()
    async with nats_device(clean_nats, ONE, token(ONE)) as ours:
        answers = await ours.subscribe(f"d.{ONE}.dn.hello")
        await ours.publish(f"d.{ONE}.up.hello", b'{"product_id":94}', reply=reply)
        await answers.next_msg(timeout=5)
    await connection.flush()
    assert not [one for one in heard if b'"position"' in one]


async def test_a_nats_device_with_a_bad_token_is_refused(
    edge: Settings, clean_nats: NatsServer
) -> None:
    with pytest.raises(nats.errors.Error):
        async with nats_device(clean_nats, ONE, token(TWO)):
            pass


async def test_a_denied_device_may_connect_to_be_told_so(
    edge: Settings, clean_nats: NatsServer, facts: Announcer
) -> None:
    position = await facts.announce({ONE: {"product_id": PRODUCT, "standing": "denied"}})
    async with device(clean_nats, ONE) as ours:
        told = await ours.hello(product_id=PRODUCT, at_least=position)
    assert told["told"] == "denied"


async def test_without_an_edge_nobody_is_let_in(clean_nats: NatsServer, facts: Announcer) -> None:
    async with asyncio.timeout(20):
        assert await refused(clean_nats, ONE, token(ONE))
