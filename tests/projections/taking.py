"""The intake of device events, run in the test's own thread until it has taken everything."""

import asyncio

import nats
import psycopg
from nats.aio.client import Client
from nats.js.errors import NotFoundError

from device_edge.connection import Broken, connect
from device_edge.database import as_application
from device_edge.intake.allowance import Allowance
from device_edge.intake.store import Store
from device_edge.intake.worker import Intake
from device_edge.streams import DEVICE_EVENTS, make_stream
from domain.subjects import DEVICE_EVENTS_STREAM
from tests.projections.following import query

TIMEOUT_S = 20.0
POLL_S = 0.01


def make_device_events(url: str) -> None:
    """The stream, which the intake makes where it runs."""

    async def make() -> None:
        connection = await nats.connect(url)
        await make_stream(connection, DEVICE_EVENTS)
        await connection.close()

    asyncio.run(make())


def take(database: str, url: str) -> None:
    """Store what the stream of device events holds."""
    asyncio.run(taking(database, url))


async def taking(database: str, url: str) -> None:
    connection = await connect(url, "intake", Broken())
    rows = await psycopg.AsyncConnection.connect(as_application(database), autocommit=True)
    async with rows:
        intake = Intake(connection, Store(rows, days_kept=30), Allowance(0))
        running = asyncio.create_task(intake.run())
        async with asyncio.timeout(TIMEOUT_S):
            while not await is_empty(connection, database):
                await asyncio.sleep(POLL_S)
            intake.stop()
            await running
    await connection.close()


async def is_empty(connection: Client, database: str) -> bool:
    """Whether everything in the stream was taken."""
    try:
        found = await connection.jetstream().stream_info(DEVICE_EVENTS_STREAM)
    except NotFoundError:
        return False
    taken = await asyncio.to_thread(
        query, database, "SELECT sequence FROM edge.checkpoint WHERE reader = 'intake'"
    )
    return [(found.state.last_seq,)] == taken
