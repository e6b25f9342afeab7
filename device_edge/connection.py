"""Our own connections to NATS: they come back by themselves; an error of ours ends the process."""

import asyncio
import sys

import nats
from nats.aio.client import Client
from nats.aio.subscription import Subscription
from nats.errors import Error

CONNECT_TIMEOUT_S = 5
RECONNECT_WAIT_S = 0.25
PENDING_BYTES_MAX = 16 << 20  # written by us, not yet taken by the socket
PING_EVERY_S = 20


class Broken:
    """Where callbacks put what they failed with; whoever waits gets it raised."""

    def __init__(self) -> None:
        self._error: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def by(self, error: BaseException) -> None:
        if not self._error.done():
            self._error.set_exception(error)

    async def wait(self) -> None:
        """Until something breaks; then raises it."""
        await asyncio.shield(self._error)


class NatsUnreachable(Exception):
    """Nobody answers as NATS there."""


async def connect(url: str, name: str, broken: Broken) -> Client:
    """Raises NatsUnreachable. Later the connection may be lost: it comes back by itself."""

    async def on_error(error: Exception) -> None:
        if isinstance(error, (Error, OSError, asyncio.TimeoutError)):
            # The connection's own trouble: the library connects again, whoever waited times out.
            print(f"NATS: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        else:
            broken.by(error)

    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            return await nats.connect(
                url,
                name=name,
                error_cb=on_error,
                reconnect_time_wait=RECONNECT_WAIT_S,
                max_reconnect_attempts=-1,
                ping_interval=PING_EVERY_S,
                pending_size=PENDING_BYTES_MAX,
                # Subjects we publish to are made by us from checked ids.
                skip_subject_validation=True,
            )
    except TimeoutError:
        # Without what stands before the @: a password.
        raise NatsUnreachable(url.rpartition("@")[2]) from None


async def drain(subscription: Subscription) -> None:
    """Ask for no more, and return once everything that has arrived was taken."""
    await subscription.drain()  # type: ignore[no-untyped-call]
