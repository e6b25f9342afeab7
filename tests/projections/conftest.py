"""A log to write to, in a database of the test's own."""

from collections.abc import Iterator

import pytest

from tests.projections.world import World, world


@pytest.fixture
def fleet_world(database: str) -> Iterator[World]:
    with world(database) as made:
        yield made
