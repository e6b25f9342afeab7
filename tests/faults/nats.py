"""What stands in NATS' streams, read message by message."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import nats
from nats.aio.client import Client
from nats.js.api import ConsumerConfig, DeliverPolicy

BATCH = 500
FETCH_TIMEOUT_S = 5.0


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Client]:
    connection = await nats.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def messages_left(url: str, stream: str) -> int:
    """How many messages the stream holds."""
    async with connected(url) as connection:
        return (await connection.jetstream().stream_info(stream)).state.messages


async def last_sequence(url: str, stream: str) -> int:
    async with connected(url) as connection:
        return (await connection.jetstream().stream_info(stream)).state.last_seq


async def read_all(url: str, stream: str) -> list[tuple[str, Any]]:
    """Every message that the stream holds now: its subject, and its JSON (None: it is empty)."""
    async with connected(url) as connection:
        streams = connection.jetstream()
        left = (await streams.stream_info(stream)).state.messages
        everything = ConsumerConfig(deliver_policy=DeliverPolicy.ALL)
        reader = await streams.pull_subscribe("", stream=stream, config=everything)
        found: list[tuple[str, Any]] = []
        while len(found) < left:
            for message in await reader.fetch(min(BATCH, left - len(found)), FETCH_TIMEOUT_S):
                said = json.loads(message.data) if message.data else None
                found.append((message.subject, said))
                await message.ack()
        await reader.unsubscribe()
        return found
