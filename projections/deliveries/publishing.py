"""NATS as a target: a message on a subject of the owner's, taken by the server or not."""

import asyncio
import sys
from time import monotonic

import nats
from nats.aio.client import Client
from nats.errors import Error

from projections.announcing.link import MESSAGE_ID
from projections.deliveries.sending import Outcome
from projections.integrations.request import Publication

CONNECT_TIMEOUT_S = 5
RECONNECT_WAIT_S = 0.5
TAKEN_TIMEOUT_S = 5
ACCEPTED = 202  # the server has it; whether anybody listens is not asked


class Publisher:
    """Connected as long as NATS is there; what is published while it is not has failed."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client: Client | None = None

    async def run(self) -> None:
        """Connect, and again where the first time failed; later the library does it itself."""
        while self._client is None:
            try:
                self._client = await nats.connect(
                    self._url,
                    name="rollcall deliveries",
                    error_cb=say,
                    connect_timeout=CONNECT_TIMEOUT_S,
                    reconnect_time_wait=RECONNECT_WAIT_S,
                    max_reconnect_attempts=-1,
                    allow_reconnect=True,
                    pending_size=0,  # nothing is kept for when it comes back: it is tried again
                )
            except (Error, OSError) as error:
                await say(error)
                await asyncio.sleep(RECONNECT_WAIT_S)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()

    async def publish(self, publication: Publication, message_id: str) -> Outcome:
        """The id keeps a stream, if one of the operator's listens, from storing it twice."""
        began = monotonic()
        client = self._client
        try:
            if client is None or not client.is_connected:
                return Outcome(error="NATS cannot be reached")
            headers = {**dict(publication.headers), MESSAGE_ID: message_id}
            await client.publish(publication.subject, publication.body, headers=headers)
            await client.flush(TAKEN_TIMEOUT_S)
        except (Error, OSError, ValueError) as error:
            return Outcome(error=f"NATS: {type(error).__name__}: {error}".rstrip(": "))
        return Outcome(status=ACCEPTED, took_ms=round((monotonic() - began) * 1000))


async def say(error: Exception) -> None:
    print(f"NATS: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
