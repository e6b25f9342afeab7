"""The journal's side of PostgreSQL: what a page needs is read at once, what became of it stored."""

from collections.abc import Sequence
from typing import Any

import msgspec
from psycopg import Cursor
from psycopg.rows import tuple_row

from device_edge.checkpoints import BEGIN, MOVE, READ, Checkpoint, Superseded
from device_edge.journal.ledger import Ledger, Snapshot
from device_edge.journal.presence import Connection
from domain.log.fleet import Fleet
from domain.session import Session

READER = "journal"
SESSIONS = "SELECT device_id, stream_version, state FROM edge.session WHERE device_id = ANY (%s)"
# A probe each: the planner does not know how short the list is.
HISTORIES = (
    "SELECT device_id FROM unnest(%s::text[]) AS asked (device_id) WHERE EXISTS ("
    "SELECT 1 FROM log.fleet_events WHERE originator_id = 'session-' || device_id)"
)
OF_DEVICES = (
    "SELECT server_id, cid, device_id, host, transport, connected_at FROM edge.connection"
    " WHERE device_id = ANY (%s)"
)
ALL_OPEN = "SELECT server_id, cid, device_id, host, transport, connected_at FROM edge.connection"
KEEP_SESSIONS = (
    "INSERT INTO edge.session (device_id, stream_version, state)"
    " SELECT * FROM unnest(%b::text[], %b::int8[], %b::bytea[])"
    " ON CONFLICT (device_id) DO UPDATE"
    " SET stream_version = excluded.stream_version, state = excluded.state"
)
OPEN = (
    "INSERT INTO edge.connection (server_id, cid, device_id, host, transport, connected_at)"
    " SELECT * FROM unnest(%b::text[], %b::int8[], %b::text[], %b::text[], %b::text[],"
    " %b::timestamptz[]) ON CONFLICT (server_id, cid) DO NOTHING"
)
CLOSE = (
    "DELETE FROM edge.connection USING unnest(%b::text[], %b::int8[]) AS gone (server_id, cid)"
    " WHERE connection.server_id = gone.server_id AND connection.cid = gone.cid"
)

decode_session = msgspec.json.Decoder(Session).decode
encode_session = msgspec.json.Encoder().encode


class Store:
    """Sync, for one thread."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def begin(self, stream: str, last_sequence: int) -> Checkpoint:
        """Where to read on: at the beginning of a stream that was made anew.

        A stream that ends before the checkpoint lost its end to a power cut; what comes now takes
        the places of what was lost.
        """
        with (
            self._fleet.recorder.datastore.get_connection() as connection,
            connection.transaction(),
        ):
            cursor = connection.cursor(row_factory=tuple_row)
            begin = {"reader": READER, "stream": stream, "last": last_sequence}
            cursor.execute(BEGIN, begin)
            row = cursor.execute(READ, [READER]).fetchone()
        assert row is not None
        return Checkpoint(READER, *row)

    def ledger(self, device_ids: Sequence[str]) -> Ledger:
        """The sessions and connections of these devices."""
        with self._fleet.recorder.datastore.get_connection() as connection:
            cursor = connection.cursor(row_factory=tuple_row, binary=True)
            sessions = {
                device_id: Snapshot(version, decode_session(state))
                for device_id, version, state in cursor.execute(
                    SESSIONS, [device_ids], prepare=True
                )
            }
            missing = [one for one in device_ids if one not in sessions]
            told = cursor.execute(HISTORIES, [missing], prepare=True).fetchall() if missing else []
            connections = cursor.execute(OF_DEVICES, [device_ids], prepare=True).fetchall()
        for device_id in missing:
            sessions[device_id] = Snapshot(0, Session())
        for (device_id,) in told:
            loaded = self._fleet.load(f"session-{device_id}")
            sessions[device_id] = Snapshot(loaded.version, loaded.state)
        return Ledger(sessions, [Connection(*row) for row in connections])

    def open_connections(self) -> list[Connection]:
        """Every connection that has not ended as far as we know."""
        with self._fleet.recorder.datastore.get_connection() as connection:
            cursor = connection.cursor(row_factory=tuple_row, binary=True)
            return [Connection(*row) for row in cursor.execute(ALL_OPEN)]

    def keep(self, ledger: Ledger, checkpoint: Checkpoint, sequence: int) -> Checkpoint:
        """Store what the page led to, all or none; returns the new checkpoint.

        Raises Superseded if another worker stored the page first.
        """

        def alongside(cursor: Cursor[tuple[Any, ...]]) -> None:
            move = cursor.execute(MOVE, checkpoint.move_parameters(sequence), prepare=True)
            if move.rowcount != 1:
                raise Superseded
            keep_sessions(cursor, ledger)
            keep_connections(cursor, ledger)

        mapper = self._fleet.mapper
        stored = [mapper.to_stored_event(recorded) for recorded in ledger.recorded]
        self._fleet.recorder.insert_events(stored, alongside=alongside)
        return checkpoint.moved_to(sequence)


def keep_sessions(cursor: Cursor[tuple[Any, ...]], ledger: Ledger) -> None:
    if not ledger.changed:
        return
    # In one order, whoever writes: no two transactions can wait for each other.
    devices = sorted(ledger.changed)
    snapshots = [ledger.sessions[device_id] for device_id in devices]
    versions = [snapshot.stream_version for snapshot in snapshots]
    states = [encode_session(snapshot.session) for snapshot in snapshots]
    cursor.execute(KEEP_SESSIONS, [devices, versions, states], prepare=True)


def keep_connections(cursor: Cursor[tuple[Any, ...]], ledger: Ledger) -> None:
    if ledger.closed:
        closed = list(ledger.closed.values())
        gone = [[one.server_id for one in closed], [one.cid for one in closed]]
        cursor.execute(CLOSE, gone, prepare=True)
    if ledger.opened:
        opened = list(ledger.opened.values())
        columns = [
            [getattr(one, column) for one in opened] for column in Connection.__struct_fields__
        ]
        cursor.execute(OPEN, columns, prepare=True)
