"""One edge: everything that answers devices, from its first connection to its clean end."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from msgspec import Struct
from nats.aio.client import Client

from device_edge.callout import Callout
from device_edge.chunks import Chunks
from device_edge.connection import Broken, connect
from device_edge.content import Content, from_database
from device_edge.downloads import Downloads, listen, server_of
from device_edge.following import Following
from device_edge.handshakes import Handshakes
from device_edge.known import Batch, Known
from device_edge.nkeys import KeyPair
from device_edge.prefetching import Prefetching
from device_edge.progress import ProgressReports
from device_edge.rate import RateLimit
from device_edge.reports import Reports
from device_edge.running import first_of
from device_edge.streams import DEVICE_EVENTS, JOURNAL, make_stream
from device_edge.welcome import Welcomer

WINDOW_S = 10.0
CHUNKS_PER_S_MAX = 500
STOP_TIMEOUT_S = 4.0


class Settings(Struct, frozen=True, kw_only=True):
    """What the environment says."""

    name: str
    nats_url: str
    nats_auth_url: str
    issuer_seed: str
    master_key: bytes
    database_url: str
    http_host: str
    http_port: int
    http_url: str
    content_folder: Path
    messages_per_s_max: float

    def __repr__(self) -> str:
        # Secrets stay out of tracebacks.
        return f"Settings({self.name})"


class Edge:
    """The parts, wired."""

    def __init__(self, settings: Settings, connection: Client, broken: Broken) -> None:
        self._connection = connection
        known = Known()
        welcomer = Welcomer(known, edge=settings.name, firmware_url=settings.http_url)
        content = Content(settings.content_folder, from_database(settings.database_url))
        limit = RateLimit(round(settings.messages_per_s_max * WINDOW_S), WINDOW_S)
        chunk_limit = RateLimit(round(CHUNKS_PER_S_MAX * WINDOW_S), WINDOW_S)
        self._reports = Reports(connection)
        self._handshakes = Handshakes(known, welcomer, self._reports, limit)
        self._progress = ProgressReports(welcomer, self._reports, limit)
        self._chunks = Chunks(known, content, chunk_limit, broken)
        self._prefetching = Prefetching(content)
        self._following = Following(connection, known, self._applied)
        self._server = server_of(Downloads(known, content, settings.master_key))
        self._listener = listen(settings.http_host, settings.http_port)
        issuer = KeyPair.from_seed(settings.issuer_seed)
        self._callout = Callout(issuer, settings.master_key)

    def _applied(self, batch: Batch) -> None:
        self._handshakes.release()
        self._prefetching.add(batch)

    async def serve(self, auth: Client, stopping: asyncio.Event, ready: Callable[[], None]) -> None:
        """Until `stopping` is set, then to a clean end. Raises what broke."""
        for stream in (JOURNAL, DEVICE_EVENTS):
            await make_stream(self._connection, stream)
        downloads = asyncio.create_task(self._server.serve(sockets=[self._listener]))
        try:
            await first_of(
                self._following.run(),
                self._reports.run(),
                self._handshakes.release_in_time(),
                self._prefetching.run(),
                asyncio.shield(downloads),
                self._answer_devices(auth, stopping, ready),
            )
        finally:
            self._server.should_exit = True
            await downloads

    async def _answer_devices(
        self, auth: Client, stopping: asyncio.Event, ready: Callable[[], None]
    ) -> None:
        await self._following.caught_up.wait()
        parts = (self._handshakes, self._progress, self._chunks)
        for part in parts:
            await part.serve(self._connection)
        await self._connection.flush()
        # Last: whoever is let in gets an answer.
        await self._callout.serve(auth)
        await auth.flush()
        ready()
        await stopping.wait()
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await auth.drain()
            for part in parts:
                await part.stop()
            await self._reports.flushed()
            await self._connection.flush()


async def run_edge(settings: Settings, stopping: asyncio.Event, ready: Callable[[], None]) -> None:
    """Connect, serve, disconnect."""
    broken = Broken()
    async with AsyncExitStack() as held:
        connection = await connect(settings.nats_url, settings.name, broken)
        held.push_async_callback(connection.close)
        auth = await connect(settings.nats_auth_url, settings.name, broken)
        held.push_async_callback(auth.close)
        edge = Edge(settings, connection, broken)
        await first_of(edge.serve(auth, stopping, ready), broken.wait())
