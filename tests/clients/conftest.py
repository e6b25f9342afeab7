"""One running Rollcall for all clients; each test brings its own people, products, devices."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.field import Field, field
from tests.clients.installed import HERE, INSTALL_TIMEOUT_S
from tests.clients.particle_js import ParticleJs, particle_js
from tests.clients.people import People
from tests.clients.terminal import Terminal
from tests.cloud import Cloud, cloud

TEST_TIMEOUT_S = 120
RECEIVERS_ARE_HERE = {"ROLLCALL_DELIVER_PRIVATE": "1"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whichever test comes first may have to install the clients."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.timeout(INSTALL_TIMEOUT_S + TEST_TIMEOUT_S))


@pytest.fixture(scope="session")
def rollcall() -> Iterator[Cloud]:
    with cloud(environment=RECEIVERS_ARE_HERE) as running:
        yield running


@pytest.fixture(scope="session")
def library(rollcall: Cloud) -> Iterator[ParticleJs]:
    """The library, with nobody's token."""
    with particle_js(rollcall.status["http"]) as js:
        yield js


@pytest.fixture(scope="session")
def administrator(rollcall: Cloud, library: ParticleJs) -> ParticleJs:
    return library.having(auth=rollcall.status["admin_token"])


@pytest.fixture(scope="session")
def people(rollcall: Cloud, library: ParticleJs) -> People:
    return People(rollcall, library)


@pytest.fixture(scope="session")
def devices(rollcall: Cloud) -> Iterator[Field]:
    with field(rollcall) as devices:
        yield devices


@pytest.fixture
def terminal(rollcall: Cloud, tmp_path: Path) -> Terminal:
    """Somebody's, at whose keyboard nobody has logged in yet."""
    terminal = Terminal(tmp_path)
    terminal.shows("profile", "set", "apiUrl", rollcall.status["http"])
    return terminal
