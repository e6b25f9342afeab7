"""`python -m device_edge.journal`: the journal's worker. More than one may run: the others wait."""

import asyncio
import os
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial

from device_edge.connection import Broken, connect
from device_edge.journal.store import Store
from device_edge.journal.worker import Worker
from device_edge.running import first_of, run
from device_edge.turns import turn
from domain.log.fleet import Fleet

POOL_CONNECTIONS = 2  # the worker's, and the sweep's
STOP_TIMEOUT_S = 8.0


async def work(
    database_url: str, nats_url: str, stopping: asyncio.Event, ready: Callable[[], None]
) -> None:
    broken = Broken()
    async with AsyncExitStack() as held:
        connection = await connect(nats_url, "journal", broken)
        held.push_async_callback(connection.close)
        ready()
        if not await held.enter_async_context(turn(database_url, "journal", stopping)):
            return
        fleet = Fleet(database_url, pool_connections=POOL_CONNECTIONS)
        held.callback(fleet.close)
        worker = Worker(connection, Store(fleet))

        async def stop() -> None:
            await stopping.wait()
            worker.stop()
            await asyncio.sleep(STOP_TIMEOUT_S)

        await first_of(worker.run(), worker.sweep(), stop(), broken.wait())


def main() -> None:
    environment = os.environ
    worker = partial(work, environment["DATABASE_URL"], environment["NATS_URL"])
    run(worker, environment.get("ROLLCALL_READY_FILE"))


if __name__ == "__main__":
    main()
