"""`python -m projections.deliveries`: a worker of deliveries. Any number of them may run."""

import os
from pathlib import Path

import uvloop

from domain.log.master_keys import source_of
from projections.deliveries.addresses import reach_of
from projections.deliveries.process import Settings, work


def main() -> None:
    environment = os.environ
    settings = Settings(
        database_url=environment["DATABASE_URL"],
        nats_url=environment["NATS_URL"],
        master_key=source_of(
            environment.get("ROLLCALL_MASTER_KEY", ""),
            environment.get("ROLLCALL_MASTER_KEY_FILE", ""),
        ),
        reach=reach_of(environment.get("ROLLCALL_DELIVER_PRIVATE", "")),
    )
    ready_file = environment.get("ROLLCALL_READY_FILE")

    def ready() -> None:
        if ready_file:
            Path(ready_file).touch()

    uvloop.run(work(settings, ready))


if __name__ == "__main__":
    main()
