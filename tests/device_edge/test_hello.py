"""What a device that says hello is answered."""

import pytest
from nats.aio.client import Client

from device_edge.edge import Settings
from tests.device_edge.world import PRODUCT, Announcer, device, device_id, journal
from tests.servers import NatsServer

pytestmark = pytest.mark.asyncio
ONE = device_id(1)


async def test_a_device_is_answered_by_the_facts_of_its_product(
    edge: Settings, clean_nats: NatsServer, facts: Announcer, connection: Client
) -> None:
    await facts.firmware(3, "ab" * 32, 4096)
    position = await facts.announce({ONE: {"product_id": PRODUCT}}, {"default": 3})
    async with device(clean_nats, ONE) as ours:
        told = await ours.hello(product_id=PRODUCT, version=2, id="h1", at_least=position)
        print(told, await journal(connection))
        assert told == {}
