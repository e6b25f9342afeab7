"""Firmware over the session, in chunks that the device asks for: for those without HTTP."""

import asyncio
from pathlib import Path
from struct import Struct

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from device_edge.connection import Broken, drain
from device_edge.content import Content, ContentUnavailable
from device_edge.handshakes import QUEUE
from device_edge.known import Known
from device_edge.messages import ChunkAsked, Malformed, Refusal, encode, read, refusal
from device_edge.permitted import may_fetch
from device_edge.rate import RateLimit
from device_edge.speaker import Speaker, speaker_of
from domain.subjects import up

FORMAT = 1  # a refusal is JSON, and starts with "{"
HEADER = Struct(">B3xI8s")  # format, offset, the first 8 bytes of the SHA-256
ANSWERING_MAX = 256
NO_SUCH = "there is no such firmware for this device"

decode_asked = msgspec.json.Decoder(ChunkAsked).decode


class Chunks:
    """The chunks that one edge sends. Several edges share them."""

    def __init__(self, known: Known, content: Content, limit: RateLimit, broken: Broken) -> None:
        self._known = known
        self._content = content
        self._limit = limit
        self._broken = broken
        self._answering: set[asyncio.Task[None]] = set()
        self._subscription: Subscription

    async def serve(self, connection: Client) -> None:
        async def take(message: Msg) -> None:
            speaker = speaker_of(message, "chunk")
            if speaker is None or not self._limit.take(speaker.key):
                return
            # Beside each other: one whose bytes are still to be fetched keeps nobody waiting.
            if len(self._answering) < ANSWERING_MAX:
                task = asyncio.create_task(self._answer(connection, speaker, message))
                self._answering.add(task)
                task.add_done_callback(self._answered)

        self._subscription = await connection.subscribe(up("*", "chunk"), queue=QUEUE, cb=take)

    async def stop(self) -> None:
        await drain(self._subscription)
        await asyncio.gather(*self._answering, return_exceptions=True)

    def _answered(self, task: asyncio.Task[None]) -> None:
        self._answering.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self._broken.by(error)

    async def _answer(self, connection: Client, speaker: Speaker, message: Msg) -> None:
        await connection.publish(speaker.answers_on, await self.answer(speaker, message))

    async def answer(self, speaker: Speaker, message: Msg) -> bytes:
        """The chunk behind its header, or a refusal."""
        try:
            asked = read(decode_asked, message.data)
        except Malformed as malformed:
            return refusal("chunk", malformed)
        try:
            path = await self._path(speaker, asked)
        except ContentUnavailable as error:
            return refuse("unavailable", "", type(error).__doc__ or "")
        if path is None:
            return refuse("unknown", "sha256", NO_SUCH)
        size = path.stat().st_size
        if asked.offset >= size:
            return refuse("malformed", "offset", f"the firmware has {size} bytes")
        with path.open("rb") as file:
            file.seek(asked.offset)
            chunk = file.read(asked.length)
        return HEADER.pack(FORMAT, asked.offset, bytes.fromhex(asked.sha256)[:8]) + chunk

    async def _path(self, speaker: Speaker, asked: ChunkAsked) -> Path | None:
        if not may_fetch(self._known, speaker.device_id, asked.sha256):
            return None
        return await self._content.path_of(asked.sha256)


def refuse(error: str, field: str, reason: str) -> bytes:
    return encode(Refusal(error=error, field=field, reason=reason, about="chunk"))
