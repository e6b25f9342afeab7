"""Who may connect: NATS asks us about every device, and we answer with what it may do.

Devices that were denied, or whose product is retired, may connect too: they are told so.
"""

from collections.abc import Callable
from time import time
from typing import Any

from msgspec import Struct, field
from nats.aio.client import Client
from nats.aio.msg import Msg

from device_edge.credentials import CredentialRefused, verify
from device_edge.jwt import read, sign
from device_edge.nkeys import KeyPair
from device_edge.rate import RateLimit

REQUESTS = "$SYS.REQ.USER.AUTH"
QUEUE = "callout"
ACCOUNT = "FLEET"
SESSION_S_MAX = 24 * 3600  # then the device connects anew, and proves itself anew
FAILURES_MAX = 10
FAILURES_WINDOW_S = 60.0
REFUSED_FOR_NOW = "too many failed attempts: wait a minute"
WRONG_CLIENT_ID = "the MQTT client id must be the device id"


class Options(Struct):
    """What the client said when it connected."""

    user: str = ""
    password: str = field(default="", name="pass")


class ClientSeen(Struct):
    """What the server knows of the client."""

    host: str = ""
    type: str = ""
    mqtt_id: str = ""


class Server(Struct):
    id: str


class Question(Struct):
    server_id: Server
    user_nkey: str
    connect_opts: Options
    client_info: ClientSeen


class Asked(Struct):
    nats: Question


class Callout:
    """Answers the server's questions. Any number of edges share them."""

    def __init__(
        self, issuer: KeyPair, master_key: bytes, clock: Callable[[], float] = time
    ) -> None:
        self._issuer = issuer
        self._master_key = master_key
        self._clock = clock
        self._failures = RateLimit(FAILURES_MAX, FAILURES_WINDOW_S)

    async def serve(self, connection: Client) -> None:
        """Take questions from the account of the callout until the connection is drained."""

        async def answer(message: Msg) -> None:
            await message.respond(self.answer(message.data).encode())

        await connection.subscribe(REQUESTS, queue=QUEUE, cb=answer)

    def answer(self, request: bytes) -> str:
        """The signed answer to one signed question."""
        question = read(request, Asked).nats
        answer: dict[str, Any] = {"type": "authorization_response", "version": 2}
        refused = self._refusal(question)
        if refused:
            answer["error"] = refused
        else:
            answer["jwt"] = sign(self._issuer, self._claims(question))
        claims = {"sub": question.user_nkey, "aud": question.server_id.id, "nats": answer}
        return sign(self._issuer, claims)

    def _refusal(self, question: Question) -> str:
        """Why the client may not connect; empty if it may."""
        device_id, client = question.connect_opts.user, question.client_info
        # By host too, so that nobody can shut a device out by failing in its name elsewhere.
        attempt = (client.host, device_id)
        if self._failures.is_spent(attempt):
            return REFUSED_FOR_NOW
        try:
            verify(self._master_key, device_id, question.connect_opts.password, self._clock())
        except CredentialRefused as refused:
            self._failures.take(attempt)
            return type(refused).__doc__ or ""
        if client.type == "mqtt" and client.mqtt_id != device_id:
            # Else one device could take over another one's session.
            return WRONG_CLIENT_ID
        return ""

    def _claims(self, question: Question) -> dict[str, Any]:
        device_id = question.connect_opts.user
        return {
            "sub": question.user_nkey,
            "aud": ACCOUNT,
            "name": device_id,
            "exp": int(self._clock()) + SESSION_S_MAX,
            "nats": permissions(device_id, mqtt=question.client_info.type == "mqtt"),
        }


def permissions(device_id: str, *, mqtt: bool) -> dict[str, Any]:
    """A device speaks and listens below its own name, and nowhere else."""
    # MQTT's d/<id>/dn/# means d/<id>/dn too.
    listen = [f"d.{device_id}.dn", f"d.{device_id}.dn.>"]
    if not mqtt:
        listen.append(f"_INBOX_{device_id}.>")
    kinds = ["MQTT", "MQTT_WS"] if mqtt else ["STANDARD", "WEBSOCKET"]
    return {
        "type": "user",
        "version": 2,
        "pub": {"allow": [f"d.{device_id}.up.>"]},
        "sub": {"allow": listen},
        "subs": -1,
        "data": -1,
        "payload": -1,
        "allowed_connection_types": kinds,
    }
