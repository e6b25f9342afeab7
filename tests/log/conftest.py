"""The log in a migrated database of the test's own."""

from collections.abc import Iterator

import pytest

from domain.log.fleet import Fleet


@pytest.fixture
def fleet(database: str) -> Iterator[Fleet]:
    opened = Fleet(database)
    yield opened
    opened.close()
