"""The process's connection to NATS: what devices are asked goes out here, their answers come in.

Each request has a subject of its own, which nobody else ever listens to: the answer finds this
process and no other one, and what no request waits for is thrown away by the server itself.
"""

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from secrets import token_hex
from typing import Any

import msgspec
import nats
from msgspec import Struct
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error
from nats.js.api import Header

from api.fleet.device_problems import (
    AnswerUnreadable,
    DeviceGone,
    DeviceLeft,
    DeviceLost,
    DeviceSilent,
    DevicesOutOfReach,
    TooManyAsked,
)
from api.problem import Problem
from domain.subjects import PRESENCE_DISCONNECT, answer, down

log = logging.getLogger("rollcall.api")

CONNECT_TIMEOUT_S = 5
RECONNECT_WAIT_S = 0.25
PING_EVERY_S = 10
PENDING_BYTES_MAX = 16 << 20  # written by us, not yet taken by the socket
ANSWER_TIMEOUT_S = 30.0  # of a device, unless whoever asks is in more of a hurry
ACK_TIMEOUT_S = 5.0  # of what is published
TAKEN_TIMEOUT_S = 5  # of what no stream of ours keeps
ASKED_MAX = 2_000  # requests under way, of one process
ASKED_OF_DEVICE_MAX = 8
ANSWER_BYTES_MAX = 4096
REQUEST_ID_BYTES = 8
# A device that comes back has a new connection before the end of the old one is told.
GRACE_S = 1.0
LOOK_S = 0.25  # how soon the end of the process is noticed
STATUS = "Status"
NOBODY_LISTENS = "503"


class ConnectionLost(Struct):
    user: str = ""


class Advisory(Struct):
    """What NATS says of a connection that ended, as far as we ask."""

    client: ConnectionLost


decode_advisory = msgspec.json.Decoder(Advisory).decode


class Link:
    """Connected as long as NATS is there. Whatever happens, whoever asks gets an end to it."""

    def __init__(
        self, url: str, stopping: threading.Event, timeout_s: float = ANSWER_TIMEOUT_S
    ) -> None:
        """Without a `url` no device is ever reached."""
        self._url = url
        self._timeout_s = timeout_s
        self._stopping = stopping
        self._client: Client | None = None
        # The answers that are waited for, and of which device each is.
        self._asked: dict[asyncio.Future[bytes], str] = {}
        self._of_device: Counter[str] = Counter()
        self._presence: Subscription | None = None
        self._subscribing = asyncio.Lock()
        self._said = ""

    async def run(self) -> None:
        """Until cancelled. The library connects again by itself, but not for the first time."""
        try:
            while True:
                if self._url and (self._client is None or self._client.is_closed):
                    await self._connect()
                if self._stopping.is_set():
                    end([*self._asked], DeviceLost)
                if not self._asked:
                    await self._hear_no_disconnections()
                await asyncio.sleep(LOOK_S)
        finally:
            if self._client is not None:
                await self._client.close()

    async def ask(
        self, device_id: str, what: str, question: dict[str, Any], timeout_s: float | None = None
    ) -> bytes:
        """Ask a device something; returns its answer as it came.

        Raises DeviceGone at once if it is not connected, DeviceLeft soon after its connection has
        ended; DeviceSilent, DeviceLost, AnswerUnreadable; DevicesOutOfReach or TooManyAsked where
        nothing was asked.
        """
        limit_s = self._timeout_s if timeout_s is None else min(timeout_s, self._timeout_s)
        client = self._connected()
        if self._of_device[device_id] >= ASKED_OF_DEVICE_MAX:
            raise TooManyAsked(whom="this device")
        if len(self._asked) >= ASKED_MAX:
            raise TooManyAsked(whom="devices")
        with self._waiting(device_id) as answered:
            try:
                await self._hear_disconnections(client)
                return await self._ask(client, device_id, what, question, answered, limit_s)
            except (Error, OSError) as error:
                raise out_of_reach(error) from error

    async def _ask(
        self,
        client: Client,
        device_id: str,
        what: str,
        question: dict[str, Any],
        answered: asyncio.Future[bytes],
        limit_s: float,
    ) -> bytes:
        request_id = token_hex(REQUEST_ID_BYTES)
        subject = answer(device_id, request_id)
        listening = await client.subscribe(subject, cb=taker(answered))
        try:
            payload = msgspec.json.encode({"id": request_id, **question})
            # Where nobody listens, the server says so at once, in the place of the answer.
            await client.publish(down(device_id, what), payload, reply=subject)
            async with asyncio.timeout(limit_s):
                return await answered
        except TimeoutError:
            raise DeviceSilent(limit_s=limit_s) from None
        except (Error, OSError) as error:
            log.warning("a device was lost: %s: %s", type(error).__name__, error)
            raise DeviceLost from error
        finally:
            with suppress(Error, OSError):  # what cannot be told NATS, it has forgotten already
                await listening.unsubscribe()

    async def store(self, subject: str, payload: bytes, message_id: str) -> None:
        """Publish into the stream that takes the subject; returns when it is stored there. The same
        message twice is stored once. Raises DevicesOutOfReach."""
        headers = {Header.MSG_ID.value: message_id}
        try:
            streams = self._connected().jetstream(timeout=ACK_TIMEOUT_S)
            await streams.publish(subject, payload, headers=headers)
        except (Error, OSError) as error:
            raise out_of_reach(error) from error

    async def publish(
        self, subject: str, payload: bytes, headers: Mapping[str, str], message_id: str
    ) -> None:
        """Publish to whoever listens; returns when the server has it. Raises DevicesOutOfReach."""
        said = {**headers, Header.MSG_ID.value: message_id}
        try:
            client = self._connected()
            await client.publish(subject, payload, headers=said)
            await client.flush(TAKEN_TIMEOUT_S)
        except (Error, OSError) as error:
            raise out_of_reach(error) from error

    def _connected(self) -> Client:
        if self._client is None or not self._client.is_connected:
            raise DevicesOutOfReach
        return self._client

    async def _connect(self) -> None:
        async def lost() -> None:
            end([*self._asked], DeviceLost)

        async def found() -> None:
            self._said = ""

        self._presence = None
        try:
            self._client = await nats.connect(
                self._url,
                name="rollcall api",
                error_cb=self._say,
                disconnected_cb=lost,
                reconnected_cb=found,
                connect_timeout=CONNECT_TIMEOUT_S,
                reconnect_time_wait=RECONNECT_WAIT_S,
                max_reconnect_attempts=-1,
                ping_interval=PING_EVERY_S,
                pending_size=PENDING_BYTES_MAX,
                # Subjects we publish to are made by us from checked ids.
                skip_subject_validation=True,
            )
        except (Error, OSError) as error:
            await self._say(error)

    async def _say(self, error: Exception) -> None:
        """For the operator, once each time it changes: it is tried again all the time."""
        trouble = f"{type(error).__name__}: {error}"
        if trouble != self._said:
            log.warning("NATS: %s", trouble)
            self._said = trouble

    @contextmanager
    def _waiting(self, device_id: str) -> Iterator[asyncio.Future[bytes]]:
        """The answer to come, as long as somebody waits for it."""
        answered: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._asked[answered] = device_id
        self._of_device[device_id] += 1
        try:
            yield answered
        finally:
            answered.cancel()
            del self._asked[answered]
            self._of_device[device_id] -= 1
            if not self._of_device[device_id]:
                del self._of_device[device_id]

    async def _hear_disconnections(self, client: Client) -> None:
        """While somebody waits: a whole fleet that comes back at once is of no interest else."""
        async with self._subscribing:
            if self._presence is None:
                self._presence = await client.subscribe(PRESENCE_DISCONNECT, cb=self._disconnected)

    async def _hear_no_disconnections(self) -> None:
        async with self._subscribing:
            if self._presence is not None and not self._asked:
                presence, self._presence = self._presence, None
                with suppress(Error, OSError):
                    await presence.unsubscribe()

    async def _disconnected(self, message: Msg) -> None:
        device_id = decode_advisory(message.data).client.user
        if device_id in self._of_device:
            waited = [one for one, device in self._asked.items() if device == device_id]
            asyncio.get_running_loop().call_later(GRACE_S, end, waited, DeviceLeft)


def taker(answered: asyncio.Future[bytes]) -> Callable[[Msg], Awaitable[None]]:
    """What takes the first message as the answer."""

    async def take(message: Msg) -> None:
        if answered.done():
            return
        if message.headers and message.headers.get(STATUS) == NOBODY_LISTENS:
            answered.set_exception(DeviceGone())
        elif len(message.data) > ANSWER_BYTES_MAX:
            reason = f"{len(message.data)} bytes; {ANSWER_BYTES_MAX} is the limit."
            answered.set_exception(AnswerUnreadable(reason=reason))
        else:
            answered.set_result(message.data)

    return take


def end(waited: Iterable[asyncio.Future[bytes]], problem: type[Problem]) -> None:
    """Nobody waits any longer."""
    for answered in waited:
        if not answered.done():
            answered.set_exception(problem())


def out_of_reach(error: Exception) -> DevicesOutOfReach:
    log.warning("devices cannot be reached: %s: %s", type(error).__name__, error)
    return DevicesOutOfReach()
