"""What stands in the database, read straight from its tables: nothing here trusts our own code."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, LiteralString

import psycopg
from msgspec import Struct
from psycopg.rows import class_row

from tests.faults.client import Acknowledged

EVENTS: LiteralString = """
    SELECT notification_id AS position, originator_id AS stream, originator_version AS place,
           topic, split_part(topic, '.', 1) AS name, said -> 'event' AS event,
           coalesce(said ->> 'request', '') AS request, coalesce(said ->> 'command', '') AS command,
           coalesce(said ->> 'actor', '') AS actor
    FROM log.fleet_events, CAST(convert_from(state, 'UTF8') AS jsonb) AS said
    ORDER BY notification_id
"""
COMMANDS: LiteralString = "SELECT key, command, status FROM api.idempotent_call"
STORED: LiteralString = (
    "SELECT data, count(*) FROM telemetry.device_event WHERE name = 'measured' GROUP BY data"
)
IN_ORDER: LiteralString = """
    SELECT device_id, data FROM telemetry.device_event WHERE name = 'measured' ORDER BY id
"""
DELIVERIES: LiteralString = "SELECT state, count(*) FROM outbound.delivery GROUP BY state"
METERED: LiteralString = """
    SELECT sum(counted)::int, sum(in_flight)::int, (
        SELECT coalesce(sum((convert_from(state, 'UTF8')::jsonb -> 'event' ->> 'messages')::int), 0)
        FROM log.fleet_events WHERE topic LIKE 'OutboundMessagesMetered.%'
    )::int
    FROM usage.meter
"""
CONNECTIONS: LiteralString = "SELECT device_id, count(*) FROM edge.connection GROUP BY device_id"
CHECKPOINTS: LiteralString = "SELECT reader, sequence FROM edge.checkpoint"
STOPPED: LiteralString = "SELECT follower, reason FROM follow.status WHERE state = 'stopped'"
POSITIONS: LiteralString = """
    SELECT application_name, notification_id FROM fleet.tracking
    UNION ALL SELECT application_name, notification_id FROM history.tracking
    UNION ALL SELECT application_name, notification_id FROM follow.tracking
"""


class Entry(Struct, frozen=True):
    """One event where it stands."""

    position: int
    stream: str
    place: int
    topic: str
    name: str
    event: Mapping[str, Any]
    request: str
    command: str
    actor: str


class Log:
    """The database of a cloud, looked at as its superuser."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo

    def events(self, *names: str) -> list[Entry]:
        """Those of these names, or all, in position order."""
        with psycopg.connect(self._conninfo) as connection:
            entries = connection.cursor(row_factory=class_row(Entry)).execute(EVENTS).fetchall()
        return [entry for entry in entries if not names or entry.name in names]

    def head(self) -> int:
        query: LiteralString = "SELECT coalesce(max(notification_id), 0) FROM log.fleet_events"
        position: int = self._rows(query)[0][0]
        return position

    def calls(self) -> dict[str, tuple[str, int | None]]:
        """By Idempotency-Key, the command id, and the status that it was answered with."""
        return {key: (command, status) for key, command, status in self._rows(COMMANDS)}

    def stored_device_events(self) -> dict[str, int]:
        """How often each is stored."""
        return dict(self._rows(STORED))

    def measured(self) -> dict[str, list[str]]:
        """What each device measured, in the order in which it is stored."""
        found = defaultdict(list)
        for device_id, data in self._rows(IN_ORDER):
            found[device_id].append(data)
        return dict(found)

    def deliveries(self) -> dict[str, int]:
        """How many there are by their state."""
        return dict(self._rows(DELIVERIES))

    def metered(self) -> tuple[int, int, int]:
        """How many outbound messages were counted, are in flight, and are in the log."""
        counted, in_flight, logged = self._rows(METERED)[0]
        return counted, in_flight, logged

    def open_connections(self) -> dict[str, int]:
        """How many each device has."""
        return dict(self._rows(CONNECTIONS))

    def checkpoints(self) -> dict[str, int]:
        """How far each stream's reader has come."""
        return dict(self._rows(CHECKPOINTS))

    def stopped_followers(self) -> dict[str, str]:
        """Those that cannot go on, and why."""
        return dict(self._rows(STOPPED))

    def follower_positions(self) -> dict[str, int]:
        return dict(self._rows(POSITIONS))

    def _rows(self, query: LiteralString) -> Sequence[Any]:
        with psycopg.connect(self._conninfo) as connection:
            return connection.execute(query).fetchall()


def grouped(entries: Iterable[Entry], by: Callable[[Entry], str]) -> defaultdict[str, list[Entry]]:
    """The entries by a key, each group in position order."""
    found: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        found[by(entry)].append(entry)
    return found


def promise_broken(command: Acknowledged, entries: Iterable[Entry]) -> str:
    """How the events of its request are not what the command was acknowledged for; else empty."""
    ours = [entry for entry in entries if entry.request == command.key]
    left = Counter((entry.stream, entry.name) for entry in ours)
    promised = Counter((fact.stream, fact.name) for fact in command.facts)
    if not (left <= promised if command.contended else left == promised):
        return f"{command} left {left}, not {promised}"
    for entry in ours:
        for fact in command.facts:
            if (entry.stream, entry.name) == (fact.stream, fact.name):
                said = {key: entry.event[key] for key in fact.fields}
                if said != fact.fields:
                    return f"{command} left {entry}"
    return ""
