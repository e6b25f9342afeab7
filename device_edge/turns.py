"""Whose turn it is: of several workers of one kind one works, the others stand by."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256

import psycopg

from device_edge.database import as_application

POLL_S = 0.5


@asynccontextmanager
async def turn(conninfo: str, worker: str, stopping: asyncio.Event) -> AsyncIterator[bool]:
    """Wait for the turn and keep it until the end of the block; False if we are stopped first.

    It only spares us useless work: what keeps two from storing the same is the checkpoint.
    """
    key = int.from_bytes(sha256(f"rollcall {worker}".encode()).digest()[:8], "big", signed=True)
    connection = await psycopg.AsyncConnection.connect(as_application(conninfo), autocommit=True)
    async with connection:
        while not stopping.is_set():
            asked = await connection.execute("SELECT pg_try_advisory_lock(%s)", [key])
            if await asked.fetchone() == (True,):
                yield True
                return
            try:
                async with asyncio.timeout(POLL_S):
                    await stopping.wait()
            except TimeoutError:
                continue
        yield False
