"""Clouds whose children do nothing: they start in half a second."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.cloud import Cloud, home

STANDINS = ("tests.rollcall.standin_cloud",)


@pytest.fixture
def make_cloud() -> Iterator[Callable[..., Cloud]]:
    """Makes clouds that are not started yet, each in a folder of its own, and stops them."""
    with ExitStack() as held:

        def make(**environment: Any) -> Cloud:
            folder = held.enter_context(home())
            cloud = Cloud(folder / "state", words=STANDINS, environment=environment)
            held.callback(cloud.stop)
            return cloud

        yield make


@pytest.fixture
def cloud(make_cloud: Callable[..., Cloud]) -> Cloud:
    """A cloud that serves."""
    started = make_cloud()
    started.start()
    return started
