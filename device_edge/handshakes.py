"""Hellos: each is decided from memory, put on record, then answered."""

import asyncio
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec
from msgspec.structs import replace
from nats.aio.client import Client
from nats.aio.msg import Msg

from device_edge.connection import drain
from device_edge.known import Known
from device_edge.messages import (
    Beside,
    Malformed,
    encode,
    read,
    refusal,
)
from device_edge.rate import RateLimit
from device_edge.reports import Reports
from device_edge.speaker import Speaker, speaker_of
from device_edge.welcome import Welcomer
from domain.claim_code import hash_of
from domain.hello import Hello
from domain.session import RecordDescription
from domain.subjects import up

QUEUE = "edge"
HOLD_S_MAX = 5.0
HELD_MAX = 10_000
HELD_POLL_S = 0.25

decode_hello = msgspec.json.Decoder(Hello).decode
decode_beside = msgspec.json.Decoder(Beside).decode
Clock = Callable[[], datetime]


class Held(NamedTuple):
    """A hello that asks for a later position than we know; answered anyhow when `until` is past."""

    speaker: Speaker
    hello: Hello
    beside: Beside
    until: float


def utc_now() -> datetime:
    return datetime.now(UTC)


class Handshakes:
    """The hellos of one edge. Several edges share them."""

    def __init__(
        self,
        known: Known,
        welcomer: Welcomer,
        reports: Reports,
        limit: RateLimit,
        clock: Clock = utc_now,
    ) -> None:
        self._known = known
        self._welcomer = welcomer
        self._reports = reports
        self._limit = limit
        self._clock = clock
        self._held: deque[Held] = deque()
        self._monotonic = asyncio.get_running_loop().time

    async def serve(self, connection: Client) -> None:
        async def take(message: Msg) -> None:
            refusal = self.take(message)
            if refusal is not None:
                await connection.publish(*refusal)

        self._subscription = await connection.subscribe(up("*", "hello"), queue=QUEUE, cb=take)

    async def stop(self) -> None:
        """Take no more; those held back are answered now."""
        await drain(self._subscription)
        while self._held:
            self._answer(*self._held.popleft()[:3])

    def take(self, message: Msg) -> tuple[str, bytes] | None:
        """Take one hello. Returns what is to be said at once, where it was not understood."""
        speaker = speaker_of(message, "hello")
        if speaker is None or not self._limit.take(speaker.key):
            return None
        try:
            hello, beside = read(decode_hello, message.data), read(decode_beside, message.data)
            if hello.claim_code:
                # From here on nobody needs the secret itself, and no record shall have it.
                hello = replace(hello, claim_code=hash_of(hello.claim_code))
        except Malformed as malformed:
            return speaker.answers_on, refusal("hello", malformed)
        if beside.at_least > self._known.position and len(self._held) < HELD_MAX:
            until = self._monotonic() + HOLD_S_MAX
            self._held.append(Held(speaker, hello, beside, until))
        else:
            self._answer(speaker, hello, beside)
        return None

    def release(self) -> None:
        """Answer those that waited for what is known now, and those that waited long enough."""
        now = self._monotonic()
        for _ in range(len(self._held)):
            held = self._held.popleft()
            if held.beside.at_least <= self._known.position or held.until <= now:
                self._answer(*held[:3])
            else:
                self._held.append(held)

    async def release_in_time(self) -> None:
        """For ever: nobody is held back longer than HOLD_S_MAX."""
        while True:
            await asyncio.sleep(HELD_POLL_S)
            self.release()

    def _answer(self, speaker: Speaker, hello: Hello, beside: Beside) -> None:
        welcome = self._welcomer.welcome(speaker.key, hello)
        at = self._clock().isoformat()
        report = welcome.reported(speaker.device_id, at)
        has = beside.has
        if has is not None:
            # Two reports, kept together: the journal knows whether the second says anything new.
            described = RecordDescription(device_id=speaker.device_id, at=at, has=has)
            report = b",".join((report, encode(described)))
        self._reports.add(report, speaker.answers_on, welcome.spoken(beside.id))
