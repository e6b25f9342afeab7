"""Deciding a page of the journal: sessions and connections as they are, moved on step by step.

Pure. What has become of them, and the events that led there, are stored together afterwards.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from msgspec.structs import replace

from device_edge.journal.entries import Step
from device_edge.journal.presence import Connected, Connection, Disconnected
from domain.recorded import Provenance, Recorded
from domain.session import (
    SESSION,
    RecordDisconnection,
    RecordHandshake,
    RecordTimeOut,
    Session,
    SessionCommand,
)


class Snapshot(NamedTuple):
    """A session as of a place in its stream."""

    stream_version: int
    session: Session


class Ledger:
    """The sessions and connections of the devices that one page is about."""

    def __init__(self, sessions: Mapping[str, Snapshot], connections: Iterable[Connection]) -> None:
        self.sessions = dict(sessions)
        self.changed: set[str] = set()
        self.recorded: list[Recorded] = []
        self.opened: dict[str, Connection] = {}
        self.closed: dict[str, Connection] = {}
        self._open: dict[str, dict[str, Connection]] = {}
        for connection in sorted(connections, key=lambda one: one.connected_at):
            self._open.setdefault(connection.device_id, {})[connection.name] = connection

    def take(self, step: Step) -> None:
        """One more thing that happened."""
        match step:
            case Connected(connection=connection):
                self._open.setdefault(connection.device_id, {})[connection.name] = connection
                self.closed.pop(connection.name, None)
                self.opened[connection.name] = connection
            case Disconnected():
                self._disconnect(step)
            case RecordHandshake():
                self._decide(replace(step, connection=self._newest(step.device_id)))
            case _:
                self._decide(step)

    def _newest(self, device_id: str) -> str:
        """The connection the device made last: that one it speaks on."""
        return next(reversed(self._open.get(device_id, {})), "")

    def _disconnect(self, step: Disconnected) -> None:
        connection = step.connection
        left = self._open.get(connection.device_id, {})
        left.pop(connection.name, None)
        self.opened.pop(connection.name, None)
        self.closed[connection.name] = connection
        session = self.sessions[connection.device_id].session
        name = connection.name
        if not left and session.connection:
            # With none left the session is over, also where its handshake came before the news of
            # its connection and so was put down under the one before.
            name = session.connection
        self._decide(
            RecordDisconnection(
                device_id=connection.device_id,
                at=step.at,
                connection=name,
                connections_left=len(left),
                reason=step.reason,
            ),
            connection.host,
        )

    def _decide(self, command: SessionCommand, host: str = "") -> None:
        device_id = command.device_id
        version, session = self.sessions[device_id]
        events = SESSION.decide(session, command)
        if not events:
            return
        provenance = self._provenance(command, host)
        for event in events:
            version += 1
            session = SESSION.evolve(session, event)
            self.recorded.append(Recorded(command.stream, version, event, provenance))
        self.sessions[device_id] = Snapshot(version, session)
        self.changed.add(device_id)

    def _provenance(self, command: SessionCommand, host: str) -> Provenance:
        """The device itself did it, from the address of its newest connection; or a timer."""
        if isinstance(command, RecordTimeOut):
            return Provenance(actor="timer")
        if not host:
            for connection in reversed(self._open.get(command.device_id, {}).values()):
                host = connection.host
                break
        return Provenance(actor=f"device:{command.device_id}", origin=host)
