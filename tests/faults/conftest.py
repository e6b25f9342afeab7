"""One cloud for all of these tests: killed again and again under load, then asked what it knows.

`pytest tests/faults --faults-rounds 1000` goes on for hours; `--faults-seed` repeats the choices of
a run that failed. Every test's name carries its seed.
"""

import os
import secrets
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import pytest
import pytest_asyncio

from tests.faults.battering import batter, filled_cloud
from tests.faults.world import World

ROUNDS_DEFAULT = 8
ROUND_TIMEOUT_S = 60
TIMEOUT_S = 300  # of everything but the rounds
HERE = Path(__file__).parent
# Clients of servers that die while they connect leave a socket behind now and then.
LEFT_OPEN = "ignore::pytest.PytestUnraisableExceptionWarning"
SEED = pytest.StashKey[int]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("faults")
    group.addoption("--faults-rounds", type=int, help=f"how often to kill: {ROUNDS_DEFAULT}")
    group.addoption("--faults-seed", type=int, help="the choices of an earlier run")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "battered" in metafunc.fixturenames:
        seed = metafunc.config.stash.setdefault(SEED, given_seed(metafunc.config))
        metafunc.parametrize(
            "battered", [seed], indirect=True, ids=[f"seed {seed}"], scope="package"
        )


def given_seed(config: pytest.Config) -> int:
    seed = config.getoption("faults_seed", None)
    if seed is not None:
        return int(seed)
    # All processes that share the tests of one run must give them the same names.
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID") or secrets.token_hex()
    return int.from_bytes(sha256(run.encode()).digest()[:4], "big")


def rounds_of(config: pytest.Config) -> int:
    return int(config.getoption("faults_rounds", None) or ROUNDS_DEFAULT)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    limit_s = TIMEOUT_S + ROUND_TIMEOUT_S * rounds_of(config)
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.timeout(limit_s))
            item.add_marker(pytest.mark.filterwarnings(LEFT_OPEN))


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def battered(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """The cloud after all those kills, quiet again: every device online, no command under way."""
    async with filled_cloud(int(request.param)) as ours:
        await batter(ours, rounds_of(request.config))
        yield ours
