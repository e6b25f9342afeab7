"""The comparison with the server's own list: a killed NATS never says who is gone.

A connection is taken for gone only if the server that had it does not list it any more, asked about
that one by name, or if no server with that id answers at all.
"""

import asyncio
import json
from asyncio import gather
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
from msgspec import Struct
from nats.aio.client import Client
from nats.aio.msg import Msg

from device_edge.credentials import is_device_id
from device_edge.journal.presence import Connected, Connection, Disconnected
from domain.subjects import PRESENCE_CONNECTIONS

GATHER_S = 0.3  # every server of a cluster answers for itself
PAGE_CONNECTIONS = 1_024
PAGES_MAX = 1_024
ASKED_AT_ONCE = 256
YOUNG = timedelta(seconds=10)  # the news of such a connection may still be on its way
REASON = "gone without a word"


class Listed(Struct):
    cid: int
    start: datetime
    authorized_user: str = ""
    ip: str = ""
    type: str = ""


class Page(Struct):
    server_id: str
    total: int
    connections: list[Listed] = []


class Answer(Struct):
    data: Page


decode_answer = msgspec.json.Decoder(Answer).decode


async def compare(
    connection: Client, known: Sequence[Connection]
) -> list[Connected | Disconnected]:
    """What the registry, as it was before, has missed; as if it had been told. The gone first."""
    now = datetime.now(UTC)
    servers, listed = await list_connections(connection)
    names = {one.name for one in listed}
    suspects = [one for one in known if one.name not in names]
    ended = []
    for start in range(0, len(suspects), ASKED_AT_ONCE):
        group = suspects[start : start + ASKED_AT_ONCE]
        answers = await gather(*(is_open(connection, one, servers) for one in group))
        ended += [one for one, still in zip(group, answers, strict=True) if not still]
    names = {one.name for one in known}
    missed = [one for one in listed if one.name not in names and now - one.connected_at > YOUNG]
    return [
        *(Disconnected(one, reason=REASON, at=now.isoformat()) for one in ended),
        *(Connected(one) for one in missed),
    ]


async def list_connections(connection: Client) -> tuple[set[str], list[Connection]]:
    """The ids of the servers that answer, and every device's connection on them."""
    servers: set[str] = set()
    found: list[Connection] = []
    for number in range(PAGES_MAX):
        offset = number * PAGE_CONNECTIONS
        wanted = {"auth": True, "sort": "cid", "offset": offset, "limit": PAGE_CONNECTIONS}
        pages = await ask(connection, wanted)
        for page in pages:
            servers.add(page.server_id)
            found += [
                opened(page.server_id, one)
                for one in page.connections
                if is_device_id(one.authorized_user)
            ]
        if all(page.total <= offset + PAGE_CONNECTIONS for page in pages):
            break
    return servers, found


def opened(server_id: str, listed: Listed) -> Connection:
    return Connection(
        server_id=server_id,
        cid=listed.cid,
        device_id=listed.authorized_user,
        host=listed.ip,
        transport=listed.type,
        connected_at=listed.start,
    )


async def is_open(connection: Client, suspect: Connection, servers: set[str]) -> bool:
    """Asked about one connection: pages shift while connections end between them."""
    if suspect.server_id not in servers:
        return False
    pages = await ask(connection, {"auth": True, "cid": suspect.cid})
    return any(page.server_id == suspect.server_id and page.connections for page in pages)


async def ask(connection: Client, what: dict[str, object]) -> list[Page]:
    """Every server's answer. At least one answers, or TimeoutError is raised."""
    answers: list[Page] = []

    async def take(message: Msg) -> None:
        answers.append(decode_answer(message.data).data)

    inbox = connection.new_inbox()
    subscription = await connection.subscribe(inbox, cb=take)
    try:
        await connection.publish(PRESENCE_CONNECTIONS, json.dumps(what).encode(), reply=inbox)
        await connection.flush()
        await asyncio.sleep(GATHER_S)
    finally:
        await subscription.unsubscribe()
    if not answers:
        raise TimeoutError("no server answers what connections it has")
    return answers
