"""A worker of deliveries as a process: with its connections, until it is told to stop."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, closing
from datetime import datetime

import psycopg
from msgspec import Struct
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from domain.log.master_keys import Source
from domain.log.seals import Seals
from projections.deliveries.addresses import Reach
from projections.deliveries.opening import Opening
from projections.deliveries.publishing import Publisher
from projections.deliveries.sending import Limits, sender
from projections.deliveries.worker import Connection, Worker
from projections.running import follower_conninfo

NAME = "deliveries"
BY_INDEX = "-c enable_seqscan=off -c enable_bitmapscan=off"
STOP_TIMEOUT_S = 7.0  # a supervisor kills after ten
NAMES_AT_ONCE = 32  # threads: a name server that does not answer must not keep the others waiting


class Settings(Struct, frozen=True):
    database_url: str
    nats_url: str
    master_key: Source
    reach: Reach


def connecting(database_url: str) -> Callable[[], Awaitable[Connection]]:
    """Whatever is asked is found by an index, also while the tables are young and small."""
    conninfo = follower_conninfo(database_url, NAME)
    options = f"{conninfo_to_dict(conninfo)['options']} {BY_INDEX}"
    conninfo = make_conninfo(conninfo, options=options)

    async def connect() -> Connection:
        return await psycopg.AsyncConnection.connect(conninfo, autocommit=True)

    return connect


async def work(
    settings: Settings, ready: Callable[[], None], now: Callable[[], datetime] | None = None
) -> None:
    """Until SIGTERM or SIGINT. What is under way then has a few seconds to end."""
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(NAMES_AT_ONCE))
    publisher = Publisher(settings.nats_url)
    async with AsyncExitStack() as held:
        seals = held.enter_context(closing(Seals(settings.database_url, settings.master_key)))
        sending = await held.enter_async_context(sender(Limits(reach=settings.reach)))
        held.push_async_callback(publisher.close)
        connect = connecting(settings.database_url)
        worker = Worker(connect, Opening(seals), sending, publisher, now=now)
        async with asyncio.TaskGroup() as tasks:
            connecting_to_nats = tasks.create_task(publisher.run())
            working = tasks.create_task(worker.run(ready))

            def stop() -> None:
                worker.stop()
                connecting_to_nats.cancel()
                loop.call_later(STOP_TIMEOUT_S, working.cancel)

            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, stop)
