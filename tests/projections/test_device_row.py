"""A device's row, event by event."""

from datetime import datetime
from random import Random
from typing import get_args

import pytest

from domain.device import DEVICE
from domain.device_events import (
    BillingStarted,
    DeviceEvent,
    DeviceGrouped,
    DeviceImported,
    DeviceNamed,
    DeviceQuarantined,
    DeviceRemoved,
    FirmwareLocked,
    UpdateRetryAsked,
)
from domain.hello import Answer, Hello, Told
from domain.model import Event, fold
from domain.ownership import DeviceClaimed, DeviceUnclaimed
from domain.session import (
    DeviceHandshook,
    FirmwareSeenRunning,
    FirmwareUpdateFailed,
    SessionEnded,
    SessionEvent,
    UpdateConfirmed,
    UpdateDelivered,
    UpdateStarted,
    UpdateStuck,
)
from domain.targeting import Rule
from projections.fleet import DeviceRow, device_as_of
from projections.fleet.cohorts import cohort_id
from projections.fleet.device import APPLY
from tests.domain.histories import recorded

ONE = "0" * 23 + "1"
AT = "2030-05-05T12:00:00+00:00"
LATER = "2030-05-05T13:00:00+00:00"
IMPORTED = DeviceImported(device_id=ONE, product_id=7000)


def row_after(*events: Event) -> DeviceRow:
    row = device_as_of(recorded(*events))
    assert row is not None
    return row


def handshook(
    running: int | None = 1,
    told: Told = Told.NOTHING,
    product_id: int | None = 7000,
    version: int | None = None,
) -> DeviceHandshook:
    return DeviceHandshook(
        device_id=ONE,
        product_id=product_id,
        said=Hello(product_id=7000, version=running, platform_id=6, system_version="5.8.0"),
        told=Answer(told=told, rule=Rule.DEFAULT, version=version, product_id=product_id),
        based_on=1,
        running=running if product_id == 7000 else None,
        at=AT,
    )


def failed(attempt: int) -> FirmwareUpdateFailed:
    return FirmwareUpdateFailed(
        device_id=ONE, product_id=7000, version=2, reason="no space", attempt=attempt, at=LATER
    )


def started(version: int = 2) -> UpdateStarted:
    return UpdateStarted(device_id=ONE, product_id=7000, version=version, at=AT)


def test_there_is_no_row_without_an_event() -> None:
    assert device_as_of([]) is None


def test_an_imported_device_is_a_member_that_has_never_been_seen() -> None:
    row = row_after(IMPORTED)

    assert (row.product_id, row.standing, row.entered_at) == (
        7000,
        "member",
        recorded(IMPORTED)[0].recorded_at,
    )
    assert (row.online, row.last_handshake_at, row.told, row.running) == (False, None, None, None)
    assert (row.facts_position, row.last_position) == (1, 1)
    assert row.cohort_id == cohort_id(row.facts())


def test_a_handshake_says_what_the_device_runs_and_was_told() -> None:
    row = row_after(IMPORTED, handshook(1, Told.UPDATE, version=2))

    assert (row.running, row.firmware_version, row.system_version) == (1, 1, "5.8.0")
    assert (row.told, row.told_version, row.told_position) == ("update", 2, 2)
    assert row.online
    assert row.last_handshake_at == row.last_heard_at == datetime.fromisoformat(AT)
    assert row.facts_position == 1, "no edge needs to know of a handshake"
    assert row.last_position == 2


def test_a_session_that_ended_leaves_the_device_offline_and_last_heard_then() -> None:
    row = row_after(
        IMPORTED,
        handshook(),
        SessionEnded(device_id=ONE, product_id=7000, reason="closed", at=LATER),
    )

    assert (row.online, row.last_heard_at) == (False, datetime.fromisoformat(LATER))
    assert row.last_handshake_at == datetime.fromisoformat(AT)


def test_an_update_is_followed_to_its_confirmation() -> None:
    delivered = UpdateDelivered(device_id=ONE, product_id=7000, version=2, at=LATER)
    confirmed = UpdateConfirmed(device_id=ONE, product_id=7000, version=2)
    seen = FirmwareSeenRunning(device_id=ONE, product_id=7000, version=2, before=1)
    history = [IMPORTED, handshook(), started(), delivered, handshook(2), seen, confirmed]

    states = [row_after(*history[:length]).update_state for length in range(2, 8)]

    assert states == [None, "started", "delivered", "delivered", "delivered", "confirmed"]
    assert row_after(*history).running == 2


def test_failures_are_counted_until_the_device_is_stuck() -> None:
    stuck = UpdateStuck(device_id=ONE, product_id=7000, version=2, attempts=2, reason="no space")
    history = [IMPORTED, handshook(), started(), failed(1), started(), failed(2), stuck]

    again = row_after(*history[:5])
    last = row_after(*history)

    assert (again.update_state, again.update_attempt) == ("started", 2)
    assert (last.update_state, last.update_attempt) == ("stuck", 2)
    assert (last.update_reason, last.stuck_version) == ("no space", 2)
    assert last.facts_position == 7


def test_whoever_asks_for_a_retry_ends_being_stuck() -> None:
    stuck = UpdateStuck(device_id=ONE, product_id=7000, version=2, attempts=1, reason="no space")
    retry = UpdateRetryAsked(device_id=ONE, product_id=7000, version=2)

    row = row_after(IMPORTED, handshook(), started(), failed(1), stuck, retry)

    assert (row.update_state, row.stuck_version) == (None, None)


def test_a_device_that_came_to_run_what_it_was_stuck_at_is_stuck_no_longer() -> None:
    stuck = UpdateStuck(device_id=ONE, product_id=7000, version=2, attempts=1, reason="no space")
    seen = FirmwareSeenRunning(device_id=ONE, product_id=7000, version=2, before=1)

    row = row_after(IMPORTED, handshook(), started(), failed(1), stuck, handshook(2), seen)

    assert (row.update_state, row.stuck_version, row.running) == (None, None, 2)


def test_what_a_stranger_was_told_stays_when_it_is_quarantined() -> None:
    asked = handshook(3, Told.QUARANTINED)
    quarantined = DeviceQuarantined(device_id=ONE, product_id=7000)

    before, after = row_after(asked), row_after(asked, quarantined)

    assert (before.product_id, before.running, before.told) == (None, None, "quarantined")
    assert (after.product_id, after.running, after.told) == (7000, 3, "quarantined")


def test_a_removed_device_loses_its_name_and_what_it_runs_but_not_its_past() -> None:
    removed = DeviceRemoved(device_id=ONE, product_id=7000)
    named = DeviceNamed(device_id=ONE, name="door")
    billed = BillingStarted(device_id=ONE, product_id=7000)

    row = row_after(IMPORTED, named, handshook(), billed, removed)

    assert (row.product_id, row.cohort_id, row.name, row.running) == (None, None, "", None)
    assert (row.removed_from, row.billed_in, row.facts_position) == ((7000,), 7000, 5)


CLAIMED = DeviceClaimed(device_id=ONE, user_id="ann")
UNCLAIMED = DeviceUnclaimed(device_id=ONE, user_id="ann")
NAMED = DeviceNamed(device_id=ONE, name="door")
REMOVED = DeviceRemoved(device_id=ONE, product_id=7000)


def test_a_claimed_device_has_an_owner_in_a_product_or_in_none() -> None:
    assert row_after(CLAIMED).owner == "ann"
    assert row_after(IMPORTED, CLAIMED).owner == row_after(CLAIMED, IMPORTED).owner == "ann"
    assert row_after(IMPORTED, CLAIMED, REMOVED).owner == "ann"
    assert row_after(CLAIMED, UNCLAIMED).owner is None
    assert row_after(CLAIMED, DeviceClaimed(device_id=ONE, user_id="bob")).owner == "bob"


def test_edges_must_know_whether_a_device_is_somebodys_and_not_whose() -> None:
    bob = DeviceClaimed(device_id=ONE, user_id="bob")
    assert row_after(IMPORTED, CLAIMED).facts_position == 2
    assert row_after(IMPORTED, CLAIMED, bob).facts_position == 2
    assert row_after(IMPORTED, CLAIMED, bob, UNCLAIMED).facts_position == 4


def test_a_name_goes_with_the_owner_or_else_with_the_product() -> None:
    assert row_after(CLAIMED, NAMED, IMPORTED).name == "door"
    assert row_after(CLAIMED, IMPORTED, NAMED, REMOVED).name == "door"
    assert row_after(CLAIMED, NAMED, UNCLAIMED).name == ""
    assert row_after(IMPORTED, CLAIMED, NAMED, UNCLAIMED).name == "door"


@pytest.mark.parametrize("seed", range(20))
def test_a_row_says_of_names_and_owners_what_the_device_decides_by(seed: int) -> None:
    """Two folds, the row's and the decider's, of whatever happens: they must not part."""
    random = Random(seed)
    bob = DeviceClaimed(device_id=ONE, user_id="bob")
    elsewhere = DeviceQuarantined(device_id=ONE, product_id=7001)
    history: list[Event] = [IMPORTED]
    for _ in range(12):
        history.append(
            random.choice([IMPORTED, CLAIMED, UNCLAIMED, NAMED, REMOVED, bob, elsewhere])
        )
        row, state = row_after(*history), fold(DEVICE, history)
        assert (row.name, row.owner or "") == (state.name, state.ownership.owner)


def test_what_an_event_does_not_change_leaves_the_position_of_the_facts() -> None:
    grouped = DeviceGrouped(device_id=ONE, product_id=7000, groups=("alpha",))
    locked = FirmwareLocked(device_id=ONE, product_id=7000, version=2)
    flashed = FirmwareLocked(device_id=ONE, product_id=7000, version=2, flash=True)

    row = row_after(IMPORTED, grouped, locked, flashed)

    assert (row.groups, row.locked_version) == (("alpha",), 2)
    assert (row.facts_position, row.last_position) == (3, 4)


def test_every_event_about_a_device_has_something_done_with_it() -> None:
    about_devices = {*get_args(DeviceEvent), *get_args(SessionEvent)}

    assert about_devices - {*APPLY} == set()
