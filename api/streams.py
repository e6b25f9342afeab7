"""Many streams at once: states read in one statement, events appended in one COPY."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from operator import attrgetter

from eventsourcing.persistence import IntegrityError
from psycopg.rows import tuple_row

from domain.deciders import DECIDERS, category
from domain.log.fleet import ATTEMPTS_MAX, Contended, Fleet, Loaded, decide_all, projector
from domain.log.recorder import Alongside
from domain.model import Command, Event, Refused
from domain.recorded import Provenance, Recorded

STREAMS = b"""
    SELECT originator_id, originator_version, topic, state FROM log.fleet_events
    WHERE originator_id = ANY (%s) ORDER BY originator_id, originator_version
"""


class OneRefused(Exception):
    """One of many commands was refused, and none was carried out."""

    def __init__(self, command: Command, refused: Refused) -> None:
        super().__init__(command, refused)
        self.command = command
        self.refused = refused


def load_many(fleet: Fleet, streams: Iterable[str]) -> dict[str, Loaded]:
    """The states of those streams that have any event."""
    with (
        fleet.recorder.datastore.get_connection() as connection,
        connection.cursor(row_factory=tuple_row, binary=True) as cursor,
    ):
        rows = cursor.execute(STREAMS, [list(streams)], prepare=True).fetchall()
    history = (fleet.mapper.read(*row) for row in rows)
    return {
        stream: projector(stream, DECIDERS[category(stream)])(None, events)
        for stream, events in groupby(history, key=attrgetter("stream"))
    }


def empty(stream: str) -> Loaded:
    return Loaded(stream, 0, DECIDERS[category(stream)].initial)


def to_record(loaded: Loaded, events: Sequence[Event], provenance: Provenance) -> list[Recorded]:
    return [
        Recorded(loaded.id, loaded.version + place, event, provenance)
        for place, event in enumerate(events, start=1)
    ]


def append(fleet: Fleet, recorded: Sequence[Recorded], alongside: Alongside) -> int:
    """Append events in one transaction with what goes alongside; returns the last position.

    Raises IntegrityError if one of the streams has moved on.
    """
    stored = [fleet.mapper.to_stored_event(one) for one in recorded]
    positions = fleet.recorder.insert_events(stored, alongside=alongside)
    assert positions
    return positions[-1]


def execute_many(fleet: Fleet, commands: Sequence[Command], provenance: Provenance) -> int | None:
    """Carry out commands to as many streams, all or none; returns the position of the last event.

    Raises OneRefused, or Contended if others kept writing to the streams first.
    """
    for _ in range(ATTEMPTS_MAX):
        loaded = load_many(fleet, (command.stream for command in commands))
        done = [one for one in commands if was_carried_out(one, loaded, provenance)]
        if done:
            return fleet.execute(done[-1], provenance).position
        recorded: list[Recorded] = []
        for command in commands:
            before = loaded.get(command.stream) or empty(command.stream)
            try:
                events = decide_all(before.state, [command])
            except Refused as refused:
                raise OneRefused(command, refused) from refused
            recorded.extend(to_record(before, events, provenance))
        if not recorded:
            return None
        try:
            return append(fleet, recorded, lambda cursor: None)
        except IntegrityError:
            continue  # somebody else wrote to one of the streams first
    raise Contended


def was_carried_out(command: Command, loaded: Mapping[str, Loaded], provenance: Provenance) -> bool:
    """Whether an earlier try did it, and with it all that was to be done in one go."""
    before = loaded.get(command.stream)
    return before is not None and provenance.command in before.commands
