"""Real servers, started once where a test asks for them, and clean for each test."""

from collections.abc import Iterator

import pytest
from psycopg.conninfo import conninfo_to_dict

from migrations import migrate
from tests import servers
from tests.servers import NatsServer


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
