"""OAuth clients: a row each, which stays when the client is removed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import astuple
from psycopg import Cursor
from psycopg.sql import SQL, Identifier

from domain.client import ClientChanged, ClientRegistered, ClientRemoved
from domain.model import Event
from domain.recorded import Recorded

Sql = Cursor[tuple[Any, ...]]

LOAD = """
    SELECT client_id, name, type, redirect_uri, secret_hash, scope, user_id, product_id, removed,
           created_at, updated_at
    FROM {client} WHERE client_id = ANY(%s)
"""
FORGET = "DELETE FROM {client} WHERE client_id = ANY(%s)"
COPY = "COPY {client} FROM STDIN"


class Row(Struct):
    """A row of table `client`, in the order of its columns."""

    client_id: str
    name: str
    type: str
    redirect_uri: str
    secret_hash: bytes | None
    scope: str
    user_id: str
    product_id: int | None
    removed: bool
    created_at: datetime | None
    updated_at: datetime | None


class Clients:
    """Table `client`."""

    takes: tuple[type[Event], ...] = (ClientRegistered, ClientChanged, ClientRemoved)

    def __init__(self, schema: str) -> None:
        client = Identifier(schema, "client")
        self._load, self._forget, self._copy = (
            SQL(query).format(client=client) for query in (LOAD, FORGET, COPY)
        )

    def apply(self, cursor: Sql, events: Sequence[Recorded]) -> None:
        client_ids = list({one.event.client_id for one in events})  # type: ignore[attr-defined]
        cursor.execute(self._load, [client_ids], prepare=True)
        clients = {row[0]: Row(*row) for row in cursor.fetchall()}
        for recorded in events:
            fold(clients, recorded)
        cursor.execute(self._forget, [client_ids], prepare=True)
        with cursor.copy(self._copy) as copy:
            for client in clients.values():
                copy.write_row(astuple(client))


def fold(clients: dict[str, Row], recorded: Recorded) -> None:
    event, at = recorded.event, recorded.recorded_at
    match event:
        case ClientRegistered():
            clients[event.client_id] = Row(
                client_id=event.client_id,
                name=event.name,
                type=event.type,
                redirect_uri=event.redirect_uri,
                secret_hash=bytes.fromhex(event.secret_hash) or None,
                scope=event.scope,
                user_id=event.user_id,
                product_id=event.product_id,
                removed=False,
                created_at=at,
                updated_at=at,
            )
        case ClientChanged():
            client = clients[event.client_id]
            client.name, client.scope, client.updated_at = event.name, event.scope, at
        case ClientRemoved():
            client = clients[event.client_id]
            client.removed, client.updated_at = True, at
