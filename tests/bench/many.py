"""A fleet of any size, the same each time: device ids as random as real ones, and their facts."""

import random
from collections.abc import Iterator
from hashlib import blake2b

import msgspec
from nats.aio.client import Client
from nats.js.api import StorageType, StreamConfig

from domain.facts import DeviceFacts, ProductFacts
from domain.subjects import (
    FACTS_HEAD,
    FACTS_STREAM,
    FACTS_SUBJECTS,
    facts_of_device,
    facts_of_product,
)

PRODUCT = 94
PLATFORM = 6
GROUPS = 20
LOCKED_EVERY = 1_000
UNACKNOWLEDGED_MAX = 2_000  # sent before an answer is waited for; NATS drops what it cannot queue


def device_id(number: int) -> str:
    return blake2b(number.to_bytes(8), digest_size=12).hexdigest()


def device_facts() -> Iterator[bytes]:
    """For ever: members of one product, in up to two groups, some locked; some 200 kinds."""
    chance = random.Random(94)
    number = 0
    while True:
        number += 1
        groups = {f"group-{chance.randrange(GROUPS)}" for _ in range(chance.randrange(3))}
        locked = chance.randrange(1, 9) if number % LOCKED_EVERY == 0 else None
        yield msgspec.json.encode(
            DeviceFacts(product_id=PRODUCT, groups=tuple(sorted(groups)), locked_version=locked)
        )


async def announce(connection: Client, devices: int) -> None:
    """Fill FACTS as the announcer does: a product that has released, so many devices, the head."""
    streams = connection.jetstream()
    await streams.add_stream(
        StreamConfig(
            name=FACTS_STREAM,
            subjects=[FACTS_SUBJECTS],
            max_msgs_per_subject=1,
            storage=StorageType.FILE,
        )
    )
    releases = {f"group-{number}": 2 + number % 3 for number in range(0, GROUPS, 4)}
    product = ProductFacts(product_id=PRODUCT, platform_id=PLATFORM, default=2, groups=releases)
    await streams.publish(facts_of_product(PRODUCT), msgspec.json.encode(product))
    for number, fact in zip(range(devices), device_facts(), strict=False):
        subject = facts_of_device(device_id(number))
        if number % UNACKNOWLEDGED_MAX == UNACKNOWLEDGED_MAX - 1:
            await streams.publish(subject, fact)
        else:
            await connection.publish(subject, fact)
    ack = await streams.publish(FACTS_HEAD, msgspec.json.encode({"position": devices + 1}))
    assert ack.seq == devices + 2, f"{devices + 2 - ack.seq} facts were lost on the way"
