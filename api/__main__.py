"""`python -m api`: reads the environment once, then serves until SIGTERM."""

import gc
import logging
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from types import FrameType

import uvicorn

from api.calls.link import ANSWER_TIMEOUT_S
from api.cloud import Settings
from api.limits import LimitsMalformed, limits_wanted
from api.network import ProxiesMalformed, proxies_wanted
from api.server import create_app
from api.silence import give_up_silent
from domain.log.master_keys import MasterKeyMalformed, source_of
from projections.deliveries.addresses import NetworksMalformed, reach_of

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
        give_up_silent(one for server in self.servers for one in server.sockets)
        # What a process starts with stays: to look through it for garbage again and again is waste.
        gc.collect()
        gc.freeze()
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
    try:
        settings = Settings(
            database=database,
            master_key=source_of(
                environment.get("ROLLCALL_MASTER_KEY", ""),
                environment.get("ROLLCALL_MASTER_KEY_FILE", ""),
            ),
            limits=limits_wanted(environment.get("ROLLCALL_LIMITS", "")),
            proxies=proxies_wanted(environment.get("ROLLCALL_PROXIES", "")),
            nats_url=environment.get("NATS_URL", ""),
            answer_s=float(environment.get("ROLLCALL_DEVICE_ANSWER_S", ANSWER_TIMEOUT_S)),
            claim_offline=environment.get("ROLLCALL_CLAIM_OFFLINE", "") == "yes",
            reach=reach_of(environment.get("ROLLCALL_DELIVER_PRIVATE", "")),
        )
    except MasterKeyMalformed as error:
        print(f"ROLLCALL_MASTER_KEY: {error}", file=sys.stderr)
        return EXIT_NOT_STARTED
    except LimitsMalformed as error:
        print(f"ROLLCALL_LIMITS: {error}.", file=sys.stderr)
        return EXIT_NOT_STARTED
    except NetworksMalformed as error:
        print(error, file=sys.stderr)
        return EXIT_NOT_STARTED
    except ProxiesMalformed as error:
        print(f"ROLLCALL_PROXIES: {error}", file=sys.stderr)
        return EXIT_NOT_STARTED
    stopping = threading.Event()
    config = uvicorn.Config(
        create_app(settings, stopping),
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
        proxy_headers=False,  # which of them to believe, ROLLCALL_PROXIES says
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
