"""`python -m projections`: everything that follows the log, until SIGTERM."""

import os
import signal
import sys
from pathlib import Path
from threading import Event

from domain.log.master_keys import source_of
from projections.everything import Settings, everything
from projections.mails.settings import mail_settings
from projections.running import Runner

READY_POLL_S = 0.05
SWITCH_INTERVAL_S = 0.001
STOP_TIMEOUT_S = 8.0  # a supervisor kills after ten
UPDATE_TIMEOUT_S_DEFAULT = 900


def main() -> int:
    """0 after SIGTERM or SIGINT; 1 if a follower died of what is not the world's fault."""
    environment = os.environ
    settings = Settings(
        database_url=environment["DATABASE_URL"],
        nats_url=environment["NATS_URL"],
        master_key=source_of(
            environment.get("ROLLCALL_MASTER_KEY", ""),
            environment.get("ROLLCALL_MASTER_KEY_FILE", ""),
        ),
        update_timeout_s=float(
            environment.get("ROLLCALL_UPDATE_TIMEOUT_S", UPDATE_TIMEOUT_S_DEFAULT)
        ),
        mails=mail_settings(environment),
    )
    ready_file = environment.get("ROLLCALL_READY_FILE")
    # A thread with a page to fold must not keep the read models waiting for the interpreter.
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    stopping, died = Event(), Event()

    def die() -> None:
        died.set()
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    with everything(settings) as tasks:
        runners = [Runner(task, settings.database_url, died=die) for task in tasks]
        for runner in runners:
            runner.start()
        wait_ready(runners, stopping)
        if ready_file and not stopping.is_set():
            Path(ready_file).touch()
        stopping.wait()
        for runner in runners:
            runner.stop()
        ended = [runner.join(STOP_TIMEOUT_S) for runner in runners]
    return 1 if died.is_set() or not all(ended) else 0


def wait_ready(runners: list[Runner], stopping: Event) -> None:
    """Until each follower works, stands by, or has stopped and said why."""
    while not stopping.is_set() and not all(runner.ready.is_set() for runner in runners):
        stopping.wait(READY_POLL_S)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # One that hangs in the network must not keep the process: its position is in the database.
    os._exit(code)
