"""Processes of ours for a benchmark, each alone, and what the system says they use."""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from domain.log.master_keys import spelled
from rollcall.state import CHECKOUT
from tests.device_edge.world import MASTER_KEY
from tests.people import MASTER_KEY as PEOPLE_KEY
from tests.servers import NatsServer

READY_TIMEOUT_S = 300.0
STOP_TIMEOUT_S = 20.0
POLL_S = 0.01
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def environment(database: str, server: NatsServer, folder: Path) -> dict[str, str]:
    """What every process of ours is told."""
    return {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": database,
        "NATS_URL": server.url,
        "NATS_AUTH_URL": server.auth_url,
        "ROLLCALL_ISSUER_SEED": server.issuer_seed,
        "ROLLCALL_DEVICE_MASTER_KEY": MASTER_KEY.hex(),
        "ROLLCALL_MASTER_KEY": spelled(PEOPLE_KEY),
        "ROLLCALL_DEVICE_HTTP_PORT": "0",
        "ROLLCALL_DEVICE_MESSAGES_PER_S": "100000",  # the load's few devices speak for many
        "ROLLCALL_LIMITS": "off",
        "ROLLCALL_STATE": str(folder),
    }


@contextmanager
def child(module: str, told: Mapping[str, str], *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """`python -m module`, once it serves and until the block ends."""
    with tempfile.TemporaryDirectory(prefix="rollcall-bench-") as folder:
        ready = Path(folder) / "ready"
        process = subprocess.Popen(
            [sys.executable, "-m", module, *words],
            env={**told, "ROLLCALL_READY_FILE": str(ready)},
            cwd=CHECKOUT,
        )
        try:
            end = time.monotonic() + READY_TIMEOUT_S
            while not ready.exists():
                assert process.poll() is None, f"{module} ended with {process.returncode}"
                assert time.monotonic() < end, f"{module} does not serve"
                time.sleep(POLL_S)
            yield process
        finally:
            process.terminate()
            process.wait(STOP_TIMEOUT_S)


def own_child(name: str) -> int:
    """The one process of that name which this process started."""
    pids = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    [found] = [pid for pid in pids if Path(f"/proc/{pid}/comm").read_text().strip() == name]
    return int(found)


def cpu_s(pid: int, *, children: bool = False) -> float:
    """Processor time the process has used, its threads' included; and its children's."""
    running_s = 0.0
    if children:
        for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            # One that ends meanwhile counts with its parent, which is read after it.
            with suppress(FileNotFoundError, ProcessLookupError):
                running_s += cpu_s(int(one), children=True)
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own_s = sum(map(int, fields[11 : 15 if children else 13])) / TICKS_PER_S
    return own_s + running_s


def memory_bytes(pid: int, what: str = "VmRSS") -> int:
    """Of the process; `VmHWM` is the most it ever had."""
    found = re.search(rf"^{what}:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.M)
    assert found is not None
    return int(found[1]) * 1024
