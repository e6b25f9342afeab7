"""Clouds whose children do nothing: they start in half a second."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.cloud import Cloud, home

STANDINS = ("tests.rollcall.standin_cloud",)


@pytest.fixture
def make_cloud() -> Iterator[Callable[..., Cloud]]:
    """Makes clouds that are not started yet, each in a folder of its own, and stops them."""
    with ExitStack() as held:

        def make(name: str = "state", **environment: str) -> Cloud:
            folder = held.enter_context(home())
            cloud = Cloud(folder / name, words=STANDINS, environment=environment)
            held.callback(cloud.stop)
            return cloud

        yield make


@pytest.fixture(scope="session")
def lasting_cloud() -> Iterator[Cloud]:
    with home() as folder:
        cloud = Cloud(folder / "state", words=STANDINS, environment={})
        yield cloud
        cloud.stop()


@pytest.fixture
def cloud(lasting_cloud: Cloud) -> Cloud:
    """A cloud that serves. It is started again where the test before stopped or killed it."""
    if not lasting_cloud.status["ready"]:
        lasting_cloud.stop()
        lasting_cloud.start()
    return lasting_cloud
