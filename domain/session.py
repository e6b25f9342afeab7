"""A device's sessions: handshakes, updates tried and how they ended, going offline.

One writer records these, from the edge's journal, so that each report is decided once and in order.
"""

from enum import StrEnum
from typing import Annotated, TypeAlias, assert_never

from msgspec import Meta, Struct
from msgspec.structs import replace

from domain.description import Description, DeviceDescribed
from domain.hello import Answer, Hello
from domain.model import Command, Decider, Event
from domain.names import REASON_CHARACTERS_MAX, TEXT_PATTERN, DeviceId, Version

Reason = Annotated[str, Meta(max_length=REASON_CHARACTERS_MAX, pattern=TEXT_PATTERN)]


class DeviceHandshook(Event):
    """What the device said, what it was told, and the position the answer was based on."""

    device_id: str
    product_id: int | None
    said: Hello
    told: Answer
    based_on: int
    running: int | None
    at: str
    edge: str = ""
    connection: str = ""


class FirmwareSeenRunning(Event):
    """The device came back running another version than before (None: none of its product's)."""

    device_id: str
    product_id: int | None
    version: int | None
    before: int | None = None


class UpdateStarted(Event):
    device_id: str
    product_id: int | None
    version: int
    at: str


class UpdateDelivered(Event):
    """The device has every byte and has checked them; it does not run them yet."""

    device_id: str
    product_id: int | None
    version: int
    at: str


class UpdateConfirmed(Event):
    """The device came back running the version it was updated to."""

    device_id: str
    product_id: int | None
    version: int


class FirmwareUpdateFailed(Event):
    device_id: str
    product_id: int | None
    version: int
    reason: str
    attempt: int
    at: str


class UpdateStuck(Event):
    """The update failed so often that it is not offered again until somebody asks."""

    device_id: str
    product_id: int | None
    version: int
    attempts: int
    reason: str


class SessionEnded(Event):
    device_id: str
    product_id: int | None
    reason: str
    at: str
    connection: str = ""


SessionEvent: TypeAlias = (
    DeviceHandshook
    | FirmwareSeenRunning
    | UpdateStarted
    | UpdateDelivered
    | UpdateConfirmed
    | FirmwareUpdateFailed
    | UpdateStuck
    | SessionEnded
    | DeviceDescribed
)


class Progress(StrEnum):
    """What a device may report of an update under way."""

    STARTED = "started"
    DELIVERED = "delivered"
    FAILED = "failed"


class AboutSession(Command):
    device_id: DeviceId
    at: str

    @property
    def stream(self) -> str:
        return f"session-{self.device_id}"


class RecordHandshake(AboutSession, tag_field="report", tag="handshake"):
    """`running` is the version of its product the device runs; `attempts_max` its product's."""

    said: Hello
    told: Answer
    based_on: int
    running: int | None
    attempts_max: int
    edge: str = ""
    connection: str = ""


class RecordProgress(AboutSession, kw_only=True, tag_field="report", tag="progress"):
    version: Version
    state: Progress
    attempts_max: int
    reason: Reason = ""


class RecordTimeOut(AboutSession, tag_field="report", tag="time_out"):
    """The update started long ago and nothing more was heard of it."""

    version: Version
    attempts_max: int


class RecordDescription(AboutSession, tag_field="report", tag="description"):
    """What the device said in its hello that it has."""

    has: Description


class RecordDisconnection(AboutSession, tag_field="report", tag="disconnection"):
    """`connections_left` is how many other connections the device still has."""

    connection: str
    connections_left: int
    reason: Reason = ""


SessionCommand: TypeAlias = (
    RecordHandshake | RecordProgress | RecordTimeOut | RecordDescription | RecordDisconnection
)

# What edges and timers write into the journal: arrays of these, as JSON, told apart by `report`.
Report: TypeAlias = RecordHandshake | RecordProgress | RecordTimeOut | RecordDescription


class Attempt(Struct, frozen=True):
    """An update under way."""

    version: int
    delivered: bool = False


class Session(Struct, frozen=True):
    product_id: int | None = None
    running: int | None = None
    seen: bool = False
    online: bool = False
    connection: str = ""
    handshook_at: str = ""
    attempt: Attempt | None = None
    failures: int = 0  # in a row, at `failed_version`
    failed_version: int | None = None
    described: str = ""  # the digest of what the device has; empty before it says so


def decide(session: Session, command: SessionCommand) -> list[SessionEvent]:
    match command:
        case RecordHandshake(at=at):
            if at == session.handshook_at:
                return []  # the journal said it twice: a device has one handshake at a time
            return record_handshake(session, command)
        case RecordProgress(state=Progress.STARTED, version=version):
            return start(session, command, version)
        case RecordProgress(state=Progress.DELIVERED, version=version):
            if session.attempt == Attempt(version=version, delivered=True):
                return []
            delivered = UpdateDelivered(
                device_id=command.device_id,
                product_id=session.product_id,
                version=version,
                at=command.at,
            )
            return [*start(session, command, version), delivered]
        case RecordProgress(version=version, reason=reason):
            if session.attempt is None and session.failed_version == version:
                return []  # reported before
            return [
                *start(session, command, version),
                *fail(session, command, version, reason or "no reason given"),
            ]
        case RecordTimeOut(version=version):
            if session.attempt is None or session.attempt.version != version:
                return []
            return fail(session, command, version, "timed out")
        case RecordDescription(device_id=device_id, has=has, at=at):
            if has.digest == session.described:
                return []  # as nearly every hello says again
            product_id = session.product_id
            return [DeviceDescribed(device_id=device_id, product_id=product_id, has=has, at=at)]
        case RecordDisconnection():
            return disconnect(session, command)
    assert_never(command)


def record_handshake(session: Session, command: RecordHandshake) -> list[SessionEvent]:
    """The handshake itself, then what it shows: another version running, an update's outcome."""
    device_id, product_id = command.device_id, command.told.product_id
    events: list[SessionEvent] = [
        DeviceHandshook(
            device_id=device_id,
            product_id=product_id,
            said=command.said,
            told=command.told,
            based_on=command.based_on,
            running=command.running,
            at=command.at,
            edge=command.edge,
            connection=command.connection,
        )
    ]
    moved = (session.product_id, session.running) != (product_id, command.running)
    if moved or not session.seen:
        events.append(
            FirmwareSeenRunning(
                device_id=device_id,
                product_id=product_id,
                version=command.running,
                before=session.running if session.product_id == product_id else None,
            )
        )
    return events + outcome(session, command)


def outcome(session: Session, command: RecordHandshake) -> list[SessionEvent]:
    """What a handshake says of the update under way: confirmed, failed, or still going on."""
    attempt = session.attempt
    if attempt is None or session.product_id != command.told.product_id:
        return []
    if command.running == attempt.version:
        return [
            UpdateConfirmed(
                device_id=command.device_id,
                product_id=session.product_id,
                version=attempt.version,
            )
        ]
    if not attempt.delivered:
        return []  # a broken connection; the download is taken up where it stopped
    running = "no version of the product" if command.running is None else f"{command.running}"
    return fail(session, command, attempt.version, f"came back running {running}")


def start(session: Session, command: AboutSession, version: int) -> list[SessionEvent]:
    if session.attempt is not None and session.attempt.version == version:
        return []
    return [
        UpdateStarted(
            device_id=command.device_id,
            product_id=session.product_id,
            version=version,
            at=command.at,
        )
    ]


def fail(
    session: Session,
    command: RecordHandshake | RecordProgress | RecordTimeOut,
    version: int,
    reason: str,
) -> list[SessionEvent]:
    """The attempt failed; the one that reaches the product's limit leaves the device stuck."""
    attempt = session.failures + 1 if session.failed_version == version else 1
    failed = FirmwareUpdateFailed(
        device_id=command.device_id,
        product_id=session.product_id,
        version=version,
        reason=reason,
        attempt=attempt,
        at=command.at,
    )
    if attempt < command.attempts_max:
        return [failed]
    stuck = UpdateStuck(
        device_id=command.device_id,
        product_id=session.product_id,
        version=version,
        attempts=attempt,
        reason=reason,
    )
    return [failed, stuck]


def disconnect(session: Session, command: RecordDisconnection) -> list[SessionEvent]:
    """A session ends with its own connection, unless the device has another one left."""
    if not session.online or command.connections_left:
        return []
    if session.connection and session.connection != command.connection:
        return []
    return [
        SessionEnded(
            device_id=command.device_id,
            product_id=session.product_id,
            reason=command.reason,
            at=command.at,
            connection=command.connection,
        )
    ]


def evolve(session: Session, event: SessionEvent) -> Session:
    match event:
        case DeviceHandshook(product_id=product_id, connection=connection, at=at):
            known = session
            if session.product_id != product_id:
                known = Session(seen=session.seen, described=session.described)
            return replace(
                known,
                product_id=product_id,
                running=session.running,
                online=True,
                connection=connection,
                handshook_at=at,
            )
        case FirmwareSeenRunning(version=version):
            return replace(session, running=version, seen=True)
        case UpdateStarted(version=version):
            return replace(session, attempt=Attempt(version=version))
        case UpdateDelivered(version=version):
            return replace(session, attempt=Attempt(version=version, delivered=True))
        case UpdateConfirmed():
            return replace(session, attempt=None, failures=0, failed_version=None)
        case FirmwareUpdateFailed(version=version, attempt=attempt):
            return replace(session, attempt=None, failures=attempt, failed_version=version)
        case UpdateStuck():
            # Counted anew once somebody asks for it to be tried again.
            return replace(session, failures=0)
        case SessionEnded():
            return replace(session, online=False, connection="")
        case DeviceDescribed(has=has):
            return replace(session, described=has.digest)
    assert_never(event)


SESSION = Decider(initial=Session(), decide=decide, evolve=evolve)
