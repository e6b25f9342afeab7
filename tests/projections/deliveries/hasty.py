"""`python -m tests.projections.deliveries.hasty`: a worker for whom time flies.

What it is told is what `python -m projections.deliveries` is told, and when time began to fly.
"""

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import uvloop

from domain.log.master_keys import source_of
from projections.deliveries.addresses import reach_of
from projections.deliveries.process import Settings, work

SPEED = 30.0  # a minute in two seconds
BEGAN = "HASTY_SINCE"


def clock(began_s: float) -> Callable[[], datetime]:
    began = datetime.fromtimestamp(began_s, UTC)
    return lambda: began + SPEED * timedelta(seconds=time.time() - began_s)


def main() -> None:
    environment = os.environ
    settings = Settings(
        database_url=environment["DATABASE_URL"],
        nats_url=environment["NATS_URL"],
        master_key=source_of(environment["ROLLCALL_MASTER_KEY"], ""),
        reach=reach_of(environment["ROLLCALL_DELIVER_PRIVATE"]),
    )
    ready = Path(environment["ROLLCALL_READY_FILE"])
    uvloop.run(work(settings, ready.touch, clock(float(environment[BEGAN]))))


if __name__ == "__main__":
    main()
