"""Two workers that each believe it is their turn cannot both store the same page."""

from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
import pytest

from device_edge.checkpoints import Superseded
from device_edge.journal.presence import Connected, Connection
from device_edge.journal.store import Store
from domain.log.fleet import Fleet
from domain.session import Progress, RecordProgress

DEVICE = "0" * 24
STARTED = RecordProgress(
    device_id=DEVICE, at="t", version=3, state=Progress.STARTED, attempts_max=3
)


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    fleet = Fleet(database, pool_connections=1)
    yield Store(fleet)
    fleet.close()


def kept(database: str) -> tuple[int, int]:
    """How many events there are, and how many connections."""
    with psycopg.connect(database) as connection:
        row = connection.execute(
            "SELECT (SELECT count(*) FROM log.fleet_events), (SELECT count(*) FROM edge.connection)"
        ).fetchone()
    assert row is not None
    return row[0], row[1]


def test_a_page_that_another_worker_has_stored_is_not_stored_again(
    store: Store, database: str
) -> None:
    checkpoint = store.begin("made today", 10)
    ours, theirs = store.ledger([DEVICE]), store.ledger([DEVICE])
    connection = Connection("S", 1, DEVICE, "h", "mqtt", datetime.now(UTC))
    for ledger in (ours, theirs):
        ledger.take(Connected(connection))
        ledger.take(STARTED)
    assert store.keep(theirs, checkpoint, 5).sequence == 5
    with pytest.raises(Superseded):
        store.keep(ours, checkpoint, 5)
    assert kept(database) == (1, 1)


def test_even_a_page_without_events_is_fenced(store: Store) -> None:
    checkpoint = store.begin("made today", 10)
    store.keep(store.ledger([]), checkpoint, 5)
    with pytest.raises(Superseded):
        store.keep(store.ledger([]), checkpoint, 6)


def test_reading_goes_on_at_the_checkpoint(store: Store) -> None:
    checkpoint = store.begin("made today", 10)
    store.keep(store.ledger([]), checkpoint, 5)
    assert store.begin("made today", 10).sequence == 5


def test_a_stream_made_anew_is_read_from_its_beginning(store: Store) -> None:
    store.keep(store.ledger([]), store.begin("made today", 10), 5)
    assert store.begin("made tomorrow", 10).sequence == 0


def test_a_stream_that_lost_its_end_is_read_on_from_what_is_left(store: Store) -> None:
    store.keep(store.ledger([]), store.begin("made today", 10), 9)
    assert store.begin("made today", 7).sequence == 7
