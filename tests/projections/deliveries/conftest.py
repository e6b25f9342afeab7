from collections.abc import Iterator

import pytest

from tests.projections.deliveries.world import World, deliveries_world


@pytest.fixture
def world(database: str) -> Iterator[World]:
    with deliveries_world(database) as world:
        yield world
