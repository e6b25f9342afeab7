"""`python -m api`: reads the environment once, then serves until SIGTERM."""

import logging
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from types import FrameType

import uvicorn

from api.app import Settings, create_app

DRAIN_S = 8  # for calls under way, once told to stop
KEEP_ALIVE_S = 75
CONNECTIONS_MAX = 4_096
BACKLOG = 1_024
EXIT_NOT_STARTED = 3


class Server(uvicorn.Server):
    """Says when it serves, and tells long work to end when it is told to stop."""

    def __init__(
        self, config: uvicorn.Config, ready_file: Path | None, stopping: threading.Event
    ) -> None:
        super().__init__(config)
        self._ready_file = ready_file
        self._stopping = stopping

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started and self._ready_file is not None:
            self._ready_file.touch()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._stopping.set()
        super().handle_exit(sig, frame)


def main() -> int:
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(name)s %(message)s"
    )
    environment = os.environ
    database = environment.get("DATABASE_URL", "")
    if not database:
        print("DATABASE_URL names the database; it is not set.", file=sys.stderr)
        return EXIT_NOT_STARTED
    stopping = threading.Event()
    config = uvicorn.Config(
        create_app(Settings(database=database), stopping),
        host=environment.get("ROLLCALL_HTTP_HOST", "127.0.0.1"),
        port=int(environment.get("ROLLCALL_HTTP_PORT", "8080")),
        log_config=None,
        access_log=False,
        lifespan="on",
        limit_concurrency=CONNECTIONS_MAX,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=DRAIN_S,
        server_header=False,
    )
    ready_file = environment.get("ROLLCALL_READY_FILE", "")
    server = Server(config, Path(ready_file) if ready_file else None, stopping)
    # The server raises the signal again once it has stopped; stopped cleanly is what we call that.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    server.run()
    return 0 if server.started else EXIT_NOT_STARTED


if __name__ == "__main__":
    sys.exit(main())
