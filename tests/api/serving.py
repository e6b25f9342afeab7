"""The API served from a thread, with the read models that follow its database, as in production."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import httpx
import psycopg
import uvicorn

from api.calls.link import ANSWER_TIMEOUT_S
from api.cloud import Settings
from api.limits import Limit
from api.server import create_app
from domain.log.fleet import Fleet
from domain.log.seals import Seals
from projections.access.model import AccessModel
from projections.deliveries.addresses import Reach
from projections.described import DescribedModel
from projections.fleet.model import FleetModel
from projections.following import Follower
from projections.history import HistoryModel
from projections.integrations.model import IntegrationsModel
from projections.metering.model import MeteredModel
from projections.reactions.orphans import OrphanModel
from projections.reactions.reacting import ReactionModel
from projections.running import Runner
from projections.tracking import Tracking
from tests.api import conformity
from tests.people import MASTER_KEY, people

TOKEN = "0123456789abcdef0123456789abcdef01234567"
START_TIMEOUT_S = 20.0
CLIENT_TIMEOUT_S = 60.0
EVERYWHERE = Reach(everywhere=True)  # receivers are on this machine
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

    def async_client(self, token: str = TOKEN) -> httpx.AsyncClient:
        async def check(response: httpx.Response) -> None:
            await response.aread()
            conformity.check(response)

        return httpx.AsyncClient(
            base_url=self.url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=CLIENT_TIMEOUT_S,
            event_hooks={"response": [check]},
        )


def add_token(database: str, token: str, label: str, scopes: tuple[str, ...] = ("*",)) -> str:
    """Let an administrator whose e-mail is the label in by that token; returns their user id.

    Twice is once. It works as soon as this returns.
    """
    with people(database) as those:
        user_id = those.sign_up(label, administrator=True)
        those.issue(token, user_id, scopes=scopes)
    return user_id


@contextmanager
def serving(
    database: str,
    *,
    wait_s: float = WAIT_S,
    limits: tuple[Limit, ...] = (),
    proxies: int = 0,
    nats_url: str = "",
    answer_s: float = ANSWER_TIMEOUT_S,
    claim_offline: bool = False,
    reach: Reach = EVERYWHERE,
) -> Iterator[Served]:
    """The API on a port of its own. All tests call from one address: none is limited by default."""
    stopping = threading.Event()
    app = create_app(
        Settings(
            database=database,
            master_key=MASTER_KEY,
            wait_s=wait_s,
            limits=limits,
            proxies=proxies,
            nats_url=nats_url,
            answer_s=answer_s,
            claim_offline=claim_offline,
            reach=reach,
        ),
        stopping,
    )
    config = uvicorn.Config(
        app, port=0, log_config=None, lifespan="on", loop="uvloop", proxy_headers=False
    )
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
        stopping.set()  # as the program does, or streams would go on
        server.should_exit = True
        thread.join()


@contextmanager
def following(database: str) -> Iterator[None]:
    """The read models kept up, and the reactions done."""
    with ExitStack() as stack:
        fleet = Fleet(database, pool_connections=2)
        stack.callback(fleet.close)
        seals = Seals(database, MASTER_KEY)
        stack.callback(seals.close)
        tasks = [
            Follower(FleetModel()),
            Follower(HistoryModel()),
            Follower(DescribedModel()),
            Follower(AccessModel(seals)),
            Follower(IntegrationsModel()),
            Follower(MeteredModel()),
            Follower(ReactionModel(lambda: fleet)),
            Follower(OrphanModel(lambda: fleet), behind=Tracking("fleet", "fleet")),
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
