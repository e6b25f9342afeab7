"""No test of ours, but one that `test_testing.py` interrupts: it starts things and never ends."""

import os
import subprocess
import sys
import time
from pathlib import Path

import msgspec
from psycopg.conninfo import conninfo_to_dict

from rollcall.embedded.processes import children_of, identify
from tests.servers import NatsServer

LOSES_ONE = """
import subprocess
away = subprocess.DEVNULL
print(subprocess.Popen(["sleep", "600"], stdout=away, stderr=away, start_new_session=True).pid)
"""


def test_without_an_end(postgres_server: str, nats_server: NatsServer) -> None:
    ours = [identify(os.getpid()), *children_of(os.getpid())]
    forgotten = subprocess.Popen(["sleep", "600"], start_new_session=True)
    done = subprocess.run([sys.executable, "-c", LOSES_ONE], capture_output=True, text=True)
    started = {
        "ours": ours,
        "lost": [identify(pid) for pid in (forgotten.pid, int(done.stdout))],
        "folder": str(Path(str(conninfo_to_dict(postgres_server)["host"])).parent),
    }
    told = Path(os.environ["ENDLESS_TOLD"])
    partial = told.with_suffix(".partial")
    partial.write_bytes(msgspec.json.encode(started))
    partial.rename(told)
    time.sleep(600)
