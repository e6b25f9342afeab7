"""The API served from a thread, with the read models that follow its database, as in production."""

import asyncio
import hashlib
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import httpx
import psycopg
import uvicorn

from api.app import Settings, create_app
from domain.log.fleet import Fleet
from projections.fleet.model import FleetModel
from projections.following import Follower
from projections.history import HistoryModel
from projections.reacting import ReactionModel
from projections.running import Runner
from tests.api import conformity

TOKEN = "0123456789abcdef0123456789abcdef01234567"
START_TIMEOUT_S = 20.0
CLIENT_TIMEOUT_S = 60.0
WAIT_S = 30.0  # for the read models, however busy the machine is


@dataclass
class Served:
    """A running API: where it is, and the database that it works on."""

    url: str
    database: str
    stopping: threading.Event = field(default_factory=threading.Event)

    def client(self, token: str | None = TOKEN, **options: Any) -> httpx.Client:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(
            base_url=self.url,
            headers=headers,
            timeout=CLIENT_TIMEOUT_S,
            event_hooks={"response": [conformity.check]},
            **options,
        )


def add_token(database: str, token: str, label: str, scopes: tuple[str, ...] = ("*",)) -> None:
    with psycopg.connect(database) as connection:
        connection.execute(
            "INSERT INTO api.token (token_hash, label, scopes) VALUES (%s, %s, %s)"
            " ON CONFLICT DO NOTHING",
            [hashlib.sha256(token.encode()).digest(), label, list(scopes)],
        )


@contextmanager
def serving(database: str, *, wait_s: float = WAIT_S) -> Iterator[Served]:
    """The API on a port of its own."""
    stopping = threading.Event()
    app = create_app(Settings(database=database, wait_s=wait_s), stopping)
    config = uvicorn.Config(app, port=0, log_config=None, lifespan="on", loop="uvloop")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), name="api")
    add_token(database, TOKEN, "admin")
    thread.start()
    try:
        started = threading.Event()
        for _ in range(int(START_TIMEOUT_S / 0.01)):
            if server.started or not thread.is_alive():
                break
            started.wait(0.01)
        assert server.started
        port = server.servers[0].sockets[0].getsockname()[1]
        yield Served(f"http://127.0.0.1:{port}", database, stopping)
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def following(database: str) -> Iterator[None]:
    """The read models kept up, and the reactions done."""
    with ExitStack() as stack:
        fleet = Fleet(database, pool_connections=2)
        stack.callback(fleet.close)
        tasks = [
            Follower(FleetModel()),
            Follower(HistoryModel()),
            Follower(ReactionModel(lambda: fleet)),
        ]
        died: list[str] = []
        runners = [Runner(task, database, died=partial(died.append, task.name)) for task in tasks]
        for runner in runners:
            runner.start()
            stack.callback(runner.join)
            stack.callback(runner.stop)
        for runner in runners:
            assert runner.ready.wait(START_TIMEOUT_S)
        yield
        assert not died
        with psycopg.connect(database) as connection:
            stopped = connection.execute("SELECT * FROM follow.status WHERE state = 'stopped'")
            assert stopped.fetchall() == []
