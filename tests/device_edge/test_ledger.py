"""Deciding the journal, without a server: whose connection it was, and when a session is over."""

from datetime import UTC, datetime

from device_edge.journal.entries import Step
from device_edge.journal.ledger import Ledger, Snapshot
from device_edge.journal.presence import Connected, Connection, Disconnected
from domain.hello import Answer, Hello, Told
from domain.model import Event
from domain.session import (
    DeviceHandshook,
    Progress,
    RecordHandshake,
    RecordProgress,
    RecordTimeOut,
    Session,
    SessionEnded,
    UpdateStarted,
)

DEVICE = "0" * 24


def connection(number: int) -> Connection:
    at = datetime(2026, 11, 21, 4, 0, number, tzinfo=UTC)
    return Connection("N1", number, DEVICE, f"10.0.0.{number}", "mqtt", at)


def handshake(at: str = "t1") -> RecordHandshake:
    return RecordHandshake(
        device_id=DEVICE,
        at=at,
        said=Hello(product_id=94),
        told=Answer(told=Told.NOTHING, product_id=94),
        based_on=7,
        running=None,
        attempts_max=3,
    )


def gone(number: int) -> Disconnected:
    return Disconnected(connection(number), reason="Client Closed", at="t9")


def ledger_of(*steps: Step, known: Session | None = None) -> Ledger:
    ledger = Ledger({DEVICE: Snapshot(5 if known else 0, known or Session())}, [])
    for step in steps:
        ledger.take(step)
    return ledger


def events_of(*steps: Step) -> list[Event]:
    return [recorded.event for recorded in ledger_of(*steps).recorded]


def ended(*steps: Step) -> list[str]:
    return [one.connection for one in events_of(*steps) if isinstance(one, SessionEnded)]


def test_a_handshake_is_on_record_with_the_newest_connection_and_its_address() -> None:
    ledger = ledger_of(Connected(connection(1)), Connected(connection(2)), handshake())
    recorded = ledger.recorded[0]
    assert isinstance(recorded.event, DeviceHandshook)
    assert recorded.event.connection == "N1/2"
    assert recorded.provenance.actor == f"device:{DEVICE}"
    assert recorded.provenance.origin == "10.0.0.2"
    assert recorded.stream == f"session-{DEVICE}"


def test_events_go_on_where_the_session_stands() -> None:
    started = RecordProgress(
        device_id=DEVICE, at="t", version=3, state=Progress.STARTED, attempts_max=3
    )
    ledger = ledger_of(started, known=Session(product_id=94))
    assert [(one.stream_version, type(one.event)) for one in ledger.recorded] == [
        (6, UpdateStarted)
    ]
    assert ledger.sessions[DEVICE].stream_version == 6
    assert ledger.changed == {DEVICE}


def test_a_session_ends_with_its_connection() -> None:
    assert ended(Connected(connection(1)), handshake(), gone(1)) == ["N1/1"]


def test_the_end_of_the_old_connection_does_not_end_the_new_session() -> None:
    took_over = (
        Connected(connection(1)),
        handshake("t1"),
        Connected(connection(2)),
        gone(1),
        handshake("t2"),
    )
    assert ended(*took_over) == []
    assert ended(*took_over, gone(2)) == ["N1/2"]


def test_a_handshake_that_comes_before_the_news_of_its_connection_still_ends_with_it() -> None:
    early = (
        Connected(connection(1)),
        handshake("t1"),
        handshake("t2"),  # on the second connection, which is only heard of now
        Connected(connection(2)),
        gone(1),
    )
    assert ended(*early) == []
    assert len(ended(*early, gone(2))) == 1


def test_a_disconnection_that_is_told_twice_ends_a_session_once() -> None:
    assert len(ended(Connected(connection(1)), handshake(), gone(1), gone(1))) == 1


def test_a_connection_that_was_never_heard_of_still_ends_the_session() -> None:
    assert len(ended(handshake(), gone(1))) == 1


def test_a_device_that_never_said_hello_has_no_session_to_end() -> None:
    assert events_of(Connected(connection(1)), gone(1)) == []


def test_what_opened_and_closed_on_one_page_is_not_kept() -> None:
    ledger = ledger_of(Connected(connection(1)), Connected(connection(2)), gone(1))
    assert set(ledger.opened) == {"N1/2"}
    assert set(ledger.closed) == {"N1/1"}


def test_a_time_out_is_the_timers_doing() -> None:
    started = RecordProgress(
        device_id=DEVICE, at="t", version=3, state=Progress.STARTED, attempts_max=3
    )
    late = RecordTimeOut(device_id=DEVICE, at="t", version=3, attempts_max=3)
    ledger = ledger_of(Connected(connection(1)), started, late)
    assert [one.provenance.actor for one in ledger.recorded] == [f"device:{DEVICE}", "timer"]
    assert ledger.recorded[1].provenance.origin == ""
