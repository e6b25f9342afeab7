"""Real servers, started once where a test asks for them, and clean for each test."""

import shutil
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict

from migrations import migrate
from tests import place, servers
from tests.servers import NatsServer

ECHO_S = 1.0  # one Ctrl-C reaches us twice, from the terminal and by way of `rollcall test`


def pytest_configure(config: pytest.Config) -> None:
    end_with_fixtures()
    if folder := place.made_for_run():
        # Whatever was killed before it could clean up: nobody else would, and memory is dear.
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


def end_with_fixtures() -> None:
    """Whoever interrupts or ends us has every fixture end what it started, before we go."""
    heard_at = [float("-inf")]

    def interrupt(number: int, _: Any) -> None:
        before, heard_at[0] = heard_at[0], time.monotonic()
        if heard_at[0] - before > ECHO_S:
            raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    from tests.spreading import workers

    return workers(config.args, config.option)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from tests.spreading import Spread

    return Spread(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config) -> None:
    config.option.loadscopereorder = False  # we have an order of our own


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of many processes none begins what takes longest when the others are about to end."""
    if hasattr(config, "workerinput"):
        from tests.spreading import begun_first

        items.sort(key=lambda item: begun_first(item.nodeid))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The conninfo of an embedded PostgreSQL; its first database stays empty."""
    with servers.postgres_server() as conninfo:
        yield conninfo


@pytest.fixture(scope="session")
def template(postgres_server: str) -> Iterator[str]:
    """The name of a migrated database that nobody writes to."""
    with servers.database(postgres_server) as conninfo:
        migrate(conninfo)
        yield str(conninfo_to_dict(conninfo)["dbname"])


@pytest.fixture
def database(postgres_server: str, template: str) -> Iterator[str]:
    """The conninfo of a migrated database of the test's own."""
    with servers.database(postgres_server, template) as conninfo:
        yield conninfo


@pytest.fixture
def empty_database(postgres_server: str) -> Iterator[str]:
    """The conninfo of a database of the test's own with nothing in it."""
    with servers.database(postgres_server) as conninfo:
        yield conninfo


@pytest.fixture(scope="session")
def nats_server() -> Iterator[NatsServer]:
    """An embedded NATS, with whatever earlier tests left in it; see `clean_nats`."""
    with servers.nats_server() as server:
        yield server


@pytest.fixture
def clean_nats(nats_server: NatsServer) -> NatsServer:
    """The same server without any stream of ours."""
    nats_server.clean()
    return nats_server


@pytest.fixture
def nats_url(clean_nats: NatsServer) -> str:
    """The edges' address of a NATS without any stream of ours."""
    return clean_nats.url
