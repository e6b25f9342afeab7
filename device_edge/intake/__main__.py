"""`python -m device_edge.intake`: the worker of device events. More than one may run."""

import asyncio
import os
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial

import psycopg

from device_edge.connection import Broken, connect
from device_edge.database import as_application
from device_edge.intake.allowance import EVENTS_PER_S_DEFAULT, Allowance
from device_edge.intake.retention import DAYS_KEPT_DEFAULT
from device_edge.intake.store import Store
from device_edge.intake.worker import Intake
from device_edge.running import first_of, run
from device_edge.turns import turn

STOP_TIMEOUT_S = 8.0


async def work(
    database_url: str,
    nats_url: str,
    days_kept: int,
    events_per_s: float,
    stopping: asyncio.Event,
    ready: Callable[[], None],
) -> None:
    broken = Broken()
    async with AsyncExitStack() as held:
        connection = await connect(nats_url, "intake", broken)
        held.push_async_callback(connection.close)
        ready()
        if not await held.enter_async_context(turn(database_url, "intake", stopping)):
            return
        database = await psycopg.AsyncConnection.connect(
            as_application(database_url), autocommit=True
        )
        await held.enter_async_context(database)
        store = Store(database, days_kept)
        intake = Intake(connection, store, Allowance(events_per_s))

        async def stop() -> None:
            await stopping.wait()
            intake.stop()
            await asyncio.sleep(STOP_TIMEOUT_S)

        await first_of(intake.run(), stop(), broken.wait())


def main() -> None:
    environment = os.environ
    days_kept = int(environment.get("ROLLCALL_DEVICE_EVENT_DAYS", DAYS_KEPT_DEFAULT))
    events_per_s = float(environment.get("ROLLCALL_DEVICE_EVENTS_PER_S", EVENTS_PER_S_DEFAULT))
    database_url, nats_url = environment["DATABASE_URL"], environment["NATS_URL"]
    worker = partial(work, database_url, nats_url, days_kept, events_per_s)
    run(worker, environment.get("ROLLCALL_READY_FILE"))


if __name__ == "__main__":
    main()
