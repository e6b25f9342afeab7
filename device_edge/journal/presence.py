"""Who is connected: NATS' own word on connections, read."""

from datetime import datetime

import msgspec
from msgspec import Struct

from device_edge.credentials import is_device_id
from domain.subjects import PRESENCE_CONNECT


class Connection(Struct, frozen=True):
    """One open connection of a device. The server's id changes when the server starts anew."""

    server_id: str
    cid: int
    device_id: str
    host: str
    transport: str
    connected_at: datetime

    @property
    def name(self) -> str:
        """How events name it."""
        return f"{self.server_id}/{self.cid}"


class Connected(Struct, frozen=True):
    connection: Connection


class Disconnected(Struct, frozen=True):
    connection: Connection
    reason: str
    at: str


class ServerSaid(Struct):
    id: str


class ClientSaid(Struct):
    id: int
    start: datetime
    user: str = ""
    host: str = ""
    client_type: str = ""


class Advisory(Struct):
    """What NATS publishes when somebody connects or disconnects."""

    server: ServerSaid
    client: ClientSaid
    timestamp: datetime
    reason: str = ""


decode_advisory = msgspec.json.Decoder(Advisory).decode


def presence_of(subject: str, payload: bytes) -> Connected | Disconnected | None:
    """None for connections that are no device's: our own. Raises MsgspecError."""
    advisory = decode_advisory(payload)
    client = advisory.client
    if not is_device_id(client.user):
        return None
    connection = Connection(
        server_id=advisory.server.id,
        cid=client.id,
        device_id=client.user,
        host=client.host,
        transport=client.client_type,
        connected_at=client.start,
    )
    if subject == PRESENCE_CONNECT:
        return Connected(connection)
    return Disconnected(connection, reason=advisory.reason, at=advisory.timestamp.isoformat())
