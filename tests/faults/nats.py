"""What stands in NATS' streams, read message by message."""

import json
from typing import Any

from nats.aio.client import Client
from nats.js.api import ConsumerConfig, DeliverPolicy

BATCH = 500
FETCH_TIMEOUT_S = 5.0


async def messages_left(connection: Client, stream: str) -> int:
    """How many messages the stream holds."""
    return (await connection.jetstream().stream_info(stream)).state.messages


async def last_sequence(connection: Client, stream: str) -> int:
    return (await connection.jetstream().stream_info(stream)).state.last_seq


async def read_all(connection: Client, stream: str) -> list[tuple[str, Any]]:
    """Every message that the stream holds now: its subject, and its JSON (None: it is empty)."""
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
