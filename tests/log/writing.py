"""A process that writes as fast as it can until it is killed, and prints what was acknowledged."""

import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import count

from domain.device_commands import ImportDevice, NameDevice
from domain.log.fleet import Fleet
from domain.recorded import Provenance

THREADS = 16
NAMES_PER_DEVICE = 4


def write(fleet: Fleet, thread: int) -> None:
    for number in count():
        device_id = f"{thread:08x}{number:016x}"
        commands = [
            ImportDevice(device_id=device_id, product_id=7000),
            *(
                NameDevice(device_id=device_id, product_id=7000, name=f"name {name}")
                for name in range(NAMES_PER_DEVICE)
            ),
        ]
        for command in commands:
            outcome = fleet.execute(command, Provenance(actor="writer"))
            # One write, so that lines of two threads do not mix.
            sys.stdout.write(f"{command.stream} {outcome.position}\n")
            sys.stdout.flush()


def main(conninfo: str) -> None:
    fleet = Fleet(conninfo)
    with ThreadPoolExecutor(THREADS) as threads:
        for thread in threads.map(lambda number: write(fleet, number), range(THREADS)):
            assert thread is None


if __name__ == "__main__":
    main(sys.argv[1])
