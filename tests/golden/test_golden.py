"""Every event type ever stored is read today as it was meant, and written as it was stored.

`events.jsonl` holds a stored line for each, made when the type was new; a line never changes.
"""

from pathlib import Path

import msgspec
import pytest
from msgspec import Struct

from domain.deciders import EVENTS
from domain.log.mapper import RecordedMapper
from domain.model import Event
from domain.recorded import Provenance
from domain.upcasting import UPCASTERS
from tests.golden.expected import EXPECTED

FILE = Path(__file__).with_name("events.jsonl")


class Line(Struct, frozen=True):
    """A row of the log: the stored name, and the bytes of the `state` column as text."""

    topic: str
    state: str


LINES = msgspec.json.Decoder(Line)
STORED = [LINES.decode(line) for line in FILE.read_bytes().splitlines()]
CASES = [(line, *expected) for line, expected in zip(STORED, EXPECTED, strict=True)]
NAMES = [f"{number}-{line.topic}" for number, line in enumerate(STORED, start=1)]


@pytest.mark.parametrize(("line", "event", "provenance"), CASES, ids=NAMES)
def test_a_stored_event_is_read_as_it_was_meant(
    line: Line, event: Event, provenance: Provenance
) -> None:
    read = RecordedMapper().read("stream-1", 1, line.topic, line.state.encode())

    assert read.event == event
    assert type(read.event) is type(event)
    assert read.provenance == provenance


@pytest.mark.parametrize(("line", "event", "provenance"), CASES, ids=NAMES)
def test_an_event_is_written_as_it_was_stored(
    line: Line, event: Event, provenance: Provenance
) -> None:
    if line.topic in UPCASTERS:
        assert line.topic != event.TOPIC  # an older format is read, never written
    else:
        assert line.topic == event.TOPIC
        assert RecordedMapper().to_state(event, provenance).decode() == line.state


def test_every_event_type_has_a_line() -> None:
    assert EVENTS.keys() | UPCASTERS.keys() == {line.topic for line in STORED}


def test_no_two_event_types_share_a_stored_name() -> None:
    # Tests define events of their own; the domain's are those that a deployment can store.
    kinds = [kind for kind in Event.__subclasses__() if kind.__module__.startswith("domain.")]

    assert len({kind.TOPIC for kind in kinds}) == len(kinds)
    assert set(EVENTS.values()) == set(kinds)
