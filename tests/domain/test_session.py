"""What a device does, as its sessions are recorded: handshakes, updates, going offline."""

import pytest

from domain.hello import Answer, Hello, Told
from domain.model import Event
from domain.session import (
    SESSION,
    DeviceHandshook,
    FirmwareSeenRunning,
    FirmwareUpdateFailed,
    Progress,
    RecordDisconnection,
    RecordHandshake,
    RecordProgress,
    RecordTimeOut,
    SessionCommand,
    SessionEnded,
    UpdateConfirmed,
    UpdateDelivered,
    UpdateStarted,
    UpdateStuck,
)
from domain.targeting import Rule
from tests.given import Story

ID = "e00fce681234567890abcdef"
HERE, THERE = 7000, 7001
NINE, TEN, ELEVEN = "2030-01-01T09:00:00Z", "2030-01-01T10:00:00Z", "2030-01-01T11:00:00Z"
story = Story(SESSION)


def told(product_id: int | None = HERE) -> Answer:
    return Answer(told=Told.UPDATE, rule=Rule.DEFAULT, version=3, product_id=product_id)


def says_hello(
    running: int | None = 2, at: str = TEN, connection: str = "c1", product_id: int = HERE
) -> RecordHandshake:
    return RecordHandshake(
        device_id=ID,
        at=at,
        said=Hello(product_id=product_id, version=running),
        told=told(product_id),
        based_on=40,
        running=running,
        attempts_max=2,
        edge="edge-1",
        connection=connection,
    )


def handshook(
    running: int | None = 2, at: str = TEN, connection: str = "c1", product_id: int = HERE
) -> DeviceHandshook:
    return DeviceHandshook(
        device_id=ID,
        product_id=product_id,
        said=Hello(product_id=product_id, version=running),
        told=told(product_id),
        based_on=40,
        running=running,
        at=at,
        edge="edge-1",
        connection=connection,
    )


def seen(
    version: int | None, before: int | None = None, product_id: int = HERE
) -> FirmwareSeenRunning:
    return FirmwareSeenRunning(device_id=ID, product_id=product_id, version=version, before=before)


def reports(state: Progress, version: int = 3, reason: str = "") -> RecordProgress:
    return RecordProgress(
        device_id=ID, at=ELEVEN, version=version, state=state, attempts_max=2, reason=reason
    )


def started(version: int = 3) -> UpdateStarted:
    return UpdateStarted(device_id=ID, product_id=HERE, version=version, at=ELEVEN)


def delivered(version: int = 3) -> UpdateDelivered:
    return UpdateDelivered(device_id=ID, product_id=HERE, version=version, at=ELEVEN)


def failed(reason: str, attempt: int = 1, at: str = ELEVEN) -> FirmwareUpdateFailed:
    return FirmwareUpdateFailed(
        device_id=ID, product_id=HERE, version=3, reason=reason, attempt=attempt, at=at
    )


def stuck(reason: str) -> UpdateStuck:
    return UpdateStuck(device_id=ID, product_id=HERE, version=3, attempts=2, reason=reason)


def goes(connection: str = "c1", left: int = 0) -> RecordDisconnection:
    return RecordDisconnection(
        device_id=ID, at=ELEVEN, connection=connection, connections_left=left, reason="asleep"
    )


def ended(connection: str = "c1") -> SessionEnded:
    return SessionEnded(
        device_id=ID, product_id=HERE, reason="asleep", at=ELEVEN, connection=connection
    )


confirmed = UpdateConfirmed(device_id=ID, product_id=HERE, version=3)
timed_out = RecordTimeOut(device_id=ID, at=ELEVEN, version=3, attempts_max=2)
online: tuple[Event, ...] = (handshook(at=NINE), seen(2))


def test_a_first_handshake_shows_what_the_device_runs() -> None:
    story.given().when(says_hello()).then(handshook(), seen(2))


def test_a_first_handshake_may_show_that_no_version_of_the_product_runs() -> None:
    story.given().when(says_hello(None)).then(handshook(None), seen(None))


def test_a_handshake_that_shows_nothing_new_is_recorded_by_itself() -> None:
    story.given(*online).when(says_hello()).then(handshook())


def test_a_handshake_that_the_journal_says_twice_is_recorded_once() -> None:
    story.given(handshook(), seen(2)).when(says_hello()).then_nothing()
    story.given(handshook(), seen(2), ended()).when(says_hello()).then_nothing()


def test_a_handshake_shows_that_another_version_runs_now() -> None:
    story.given(*online).when(says_hello(4)).then(handshook(4), seen(4, before=2))
    story.given(*online).when(says_hello(None)).then(handshook(None), seen(None, before=2))


def test_the_same_version_of_another_product_is_other_firmware() -> None:
    story.given(*online).when(says_hello(2, product_id=THERE)).then(
        handshook(2, product_id=THERE), seen(2, product_id=THERE)
    )


def test_an_update_starts_once() -> None:
    story.given(*online).when(reports(Progress.STARTED)).then(started())
    story.given(*online, started()).when(reports(Progress.STARTED)).then_nothing()


def test_an_update_to_another_version_takes_the_place_of_the_one_under_way() -> None:
    story.given(*online, started(3)).when(reports(Progress.STARTED, 4)).then(started(4))


def test_an_update_is_delivered_once() -> None:
    story.given(*online, started()).when(reports(Progress.DELIVERED)).then(delivered())
    story.given(*online, started(), delivered()).when(reports(Progress.DELIVERED)).then_nothing()


def test_a_delivery_whose_start_was_never_heard_of_started_too() -> None:
    story.given(*online).when(reports(Progress.DELIVERED)).then(started(), delivered())


def test_an_update_is_confirmed_by_coming_back_with_it() -> None:
    story.given(*online, started(), delivered()).when(says_hello(3)).then(
        handshook(3), seen(3, before=2), confirmed
    )


def test_an_update_is_confirmed_even_if_its_delivery_was_never_heard_of() -> None:
    story.given(*online, started()).when(says_hello(3)).then(
        handshook(3), seen(3, before=2), confirmed
    )


def test_a_download_that_a_reconnection_interrupts_goes_on() -> None:
    story.given(*online, started()).when(says_hello(2)).then(handshook(2))
    story.given(*online, started(), handshook(2)).when(reports(Progress.DELIVERED)).then(
        delivered()
    )


@pytest.mark.parametrize(
    ("running", "reason"),
    [(2, "came back running 2"), (None, "came back running no version of the product")],
)
def test_an_update_that_was_delivered_but_does_not_run_has_failed(
    running: int | None, reason: str
) -> None:
    decided = story.given(*online, started(), delivered()).when(says_hello(running)).decide()
    assert decided[-1] == failed(reason, at=TEN)


def test_a_handshake_in_another_product_says_nothing_of_the_update_under_way() -> None:
    story.given(*online, started(), delivered()).when(says_hello(3, product_id=THERE)).then(
        handshook(3, product_id=THERE), seen(3, product_id=THERE)
    )
    moved = (*online, started(), handshook(2, product_id=THERE), seen(2, product_id=THERE))
    story.given(*moved).when(timed_out).then_nothing()


def test_an_update_fails_with_the_reason_that_the_device_gives() -> None:
    bad = reports(Progress.FAILED, reason="bad checksum")
    story.given(*online, started()).when(bad).then(failed("bad checksum"))


def test_a_failure_without_a_reason_says_so() -> None:
    story.given(*online, started()).when(reports(Progress.FAILED)).then(failed("no reason given"))


def test_a_failure_whose_start_was_never_heard_of_started_too() -> None:
    bad = reports(Progress.FAILED, reason="no space")
    story.given(*online).when(bad).then(started(), failed("no space"))


def test_a_failure_is_recorded_once() -> None:
    bad = reports(Progress.FAILED, reason="no space")
    story.given(*online, started(), failed("no space")).when(bad).then_nothing()


def test_an_update_that_nothing_more_is_heard_of_times_out_once() -> None:
    story.given(*online, started()).when(timed_out).then(failed("timed out"))
    story.given(*online, started(), failed("timed out")).when(timed_out).then_nothing()


def test_an_update_that_ended_or_gave_way_to_another_does_not_time_out() -> None:
    story.given(*online).when(timed_out).then_nothing()
    story.given(*online, started(), confirmed).when(timed_out).then_nothing()
    story.given(*online, started(4)).when(timed_out).then_nothing()


def test_the_failure_that_reaches_the_products_limit_leaves_the_device_stuck() -> None:
    once = (*online, started(), failed("no space"), started())
    story.given(*once).when(timed_out).then(failed("timed out", 2), stuck("timed out"))


def test_failures_at_another_version_count_anew() -> None:
    once = (*online, started(), failed("no space"), started(4))
    other = reports(Progress.FAILED, 4, "no space")
    story.given(*once).when(other).then(
        FirmwareUpdateFailed(
            device_id=ID, product_id=HERE, version=4, reason="no space", attempt=1, at=ELEVEN
        )
    )


def test_failures_count_anew_after_a_success() -> None:
    once = (*online, started(), failed("no space"), started(), confirmed, started())
    story.given(*once).when(timed_out).then(failed("timed out", 1))


def test_failures_count_anew_after_the_device_was_stuck() -> None:
    twice = (*online, started(), failed("a", 1), started(), failed("b", 2), stuck("b"), started())
    story.given(*twice).when(timed_out).then(failed("timed out", 1))


def test_a_session_ends_with_its_connection() -> None:
    story.given(*online).when(goes()).then(ended())


def test_a_session_outlives_a_connection_that_is_not_its_own() -> None:
    story.given(*online).when(goes("an old one")).then_nothing()
    story.given(*online).when(goes(left=1)).then_nothing()


def test_a_session_whose_connection_is_not_known_ends_with_the_last_one() -> None:
    story.given(handshook(connection=""), seen(2)).when(goes("c9")).then(ended("c9"))


@pytest.mark.parametrize("history", [(), (*online, ended())], ids=["never seen", "gone"])
def test_a_session_that_is_over_does_not_end(history: tuple[Event, ...]) -> None:
    story.given(*history).when(goes()).then_nothing()


def test_a_new_handshake_starts_a_session_anew() -> None:
    story.given(*online, ended(), handshook(connection="c2")).when(goes("c2")).then(ended("c2"))


@pytest.mark.parametrize("command", [says_hello(), reports(Progress.STARTED), timed_out, goes()])
def test_every_report_writes_the_devices_own_session(command: SessionCommand) -> None:
    assert command.stream == f"session-{ID}"
