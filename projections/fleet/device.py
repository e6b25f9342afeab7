"""A device's row, folded from its two streams: what people intend, and what it did."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from domain import device_events as intended
from domain import session as done
from domain.description import DeviceDescribed
from domain.facts import DEVICE_FACTS_CHANGED_BY, DeviceFacts, evolve_device
from domain.handshake import running_version
from domain.hello import Hello
from domain.model import Event
from domain.ownership import (
    DeviceClaimed,
    DeviceUnclaimed,
    TransferAccepted,
    TransferDeclined,
    TransferRequested,
    TransferWithdrawn,
)
from projections.fleet.cohorts import cohort_id
from projections.fleet.rows import DeviceRow

# What a row makes of an event, its position, when it was recorded, and where it came from.
Fold = Callable[[DeviceRow, Any, int, datetime, str], None]
# The same, and whether the facts of the device have changed.
Apply = Callable[[DeviceRow, Any, int, datetime, str], bool | None]


class UpdateState:
    """The values of `update_state`."""

    STARTED = "started"
    DELIVERED = "delivered"
    CONFIRMED = "confirmed"
    FAILED = "failed"
    STUCK = "stuck"


def change_facts(row: DeviceRow, event: Event, position: int) -> bool:
    """What targeting sees comes from the domain's own fold, and from nowhere else."""
    before = row.facts()
    after = evolve_device(before, event)
    if after is before or after == before:
        return False
    row.known_facts = after
    row.facts_position = position
    row.forced = after.forced
    row.stuck_version = after.stuck_version
    row.removed_from = after.removed_from
    row.standing = after.standing._value_  # what .value gives, at a third of the price
    row.groups = after.groups
    row.locked_version = after.locked_version
    row.development = after.development
    if after.product_id != before.product_id:
        change_product(row, after)
    row.cohort_id = None if after.product_id is None else cohort_id(after)
    return True


def change_product(row: DeviceRow, facts: DeviceFacts) -> None:
    """Elsewhere it starts anew; what it runs is looked at with the new product's eyes."""
    row.product_id = facts.product_id
    if row.owner is None:
        row.name = row.notes = ""
    row.entered_at = None
    row.running = running_of(row)


def running_of(row: DeviceRow) -> int | None:
    if row.product_id is None or row.told_position is None:
        return None
    said = Hello(product_id=row.firmware_product_id, version=row.firmware_version)
    return running_version(said, row.product_id)


def forget_update(row: DeviceRow) -> None:
    row.update_state = row.update_version = row.update_attempt = row.update_at = None
    row.update_reason = ""


def enter(row: DeviceRow, event: Any, position: int, recorded_at: datetime, *_: object) -> None:
    row.entered_at = recorded_at


def name(row: DeviceRow, event: intended.DeviceNamed, *_: object) -> None:
    row.name = event.name


def note(row: DeviceRow, event: intended.DeviceNoted, *_: object) -> None:
    row.notes = event.notes


def claim(row: DeviceRow, event: DeviceClaimed, *_: object) -> None:
    change_owner(row, event.user_id)


def unclaim(row: DeviceRow, *_: object) -> None:
    change_owner(row, None)


def change_owner(row: DeviceRow, owner: str | None) -> None:
    """What the owner called it is the owner's, unless the device is in a product."""
    row.owner = owner
    if row.product_id is None:
        row.name = row.notes = ""


def start_billing(
    row: DeviceRow,
    event: intended.BillingStarted,
    position: int,
    recorded_at: datetime,
    *_: object,
) -> None:
    row.billed_in = event.product_id
    row.billed_since = recorded_at


def retry(row: DeviceRow, event: intended.UpdateRetryAsked, *_: object) -> None:
    if row.update_state == UpdateState.STUCK:
        forget_update(row)


def handshake(
    row: DeviceRow,
    event: done.DeviceHandshook,
    position: int,
    recorded_at: datetime,
    origin: str,
) -> None:
    said, told, product_id = event.said, event.told, event.product_id
    if product_id != row.told_product_id:
        forget_update(row)
    row.firmware_product_id = said.product_id
    row.firmware_version = said.version
    row.platform_id = said.platform_id
    row.system_version = said.system_version
    row.app_hash = said.app_hash
    row.reset_reason = said.reset_reason
    row.updates_enabled = said.updates_enabled
    row.told = told.told._value_
    row.told_version = told.version
    row.told_product_id = product_id
    row.told_position = position
    row.online = True
    row.last_handshake_at = row.last_heard_at = datetime.fromisoformat(event.at)
    row.last_ip = origin or row.last_ip
    row.running = event.running if product_id == row.product_id else running_of(row)


def see_running(row: DeviceRow, event: done.FirmwareSeenRunning, *_: object) -> None:
    if event.product_id == row.product_id:
        row.running = event.version
    if row.update_state == UpdateState.STUCK and row.stuck_version is None:
        forget_update(row)  # it runs the version that it was stuck at, however it came by it


def start_update(row: DeviceRow, event: done.UpdateStarted, *_: object) -> None:
    again = row.update_state == UpdateState.FAILED and row.update_version == event.version
    row.update_attempt = (row.update_attempt or 0) + 1 if again else 1
    row.update_state = UpdateState.STARTED
    row.update_version = event.version
    row.update_reason = ""
    heard(row, event.at)


def deliver_update(row: DeviceRow, event: done.UpdateDelivered, *_: object) -> None:
    row.update_state = UpdateState.DELIVERED
    row.update_version = event.version
    heard(row, event.at)


def confirm_update(row: DeviceRow, event: done.UpdateConfirmed, *_: object) -> None:
    row.update_state = UpdateState.CONFIRMED
    row.update_version = event.version
    row.update_at = row.last_handshake_at


def fail_update(row: DeviceRow, event: done.FirmwareUpdateFailed, *_: object) -> None:
    row.update_state = UpdateState.FAILED
    row.update_version = event.version
    row.update_attempt = event.attempt
    row.update_reason = event.reason
    # Not heard(): an update that timed out failed because nothing was heard.
    row.update_at = datetime.fromisoformat(event.at)


def get_stuck(row: DeviceRow, event: done.UpdateStuck, *_: object) -> None:
    row.update_state = UpdateState.STUCK
    row.update_version = event.version
    row.update_attempt = event.attempts
    row.update_reason = event.reason


def go_offline(row: DeviceRow, event: done.SessionEnded, *_: object) -> None:
    row.online = False
    row.last_heard_at = datetime.fromisoformat(event.at)


def heard(row: DeviceRow, at: str) -> None:
    row.update_at = row.last_heard_at = datetime.fromisoformat(at)


def leave(*_: object) -> None:
    """It shows in no column; `last_position` says that it was there."""


FOLDS: dict[type[Event], Fold] = {
    intended.DeviceImported: enter,
    intended.DeviceQuarantined: enter,
    intended.DeviceJoined: enter,
    intended.DeviceDenied: enter,
    intended.DeviceNamed: name,
    intended.DeviceNoted: note,
    DeviceClaimed: claim,
    DeviceUnclaimed: unclaim,
    TransferRequested: leave,
    TransferWithdrawn: leave,
    TransferDeclined: leave,
    TransferAccepted: leave,
    intended.BillingStarted: start_billing,
    intended.UpdateRetryAsked: retry,
    intended.BinaryFlashed: leave,
    done.DeviceHandshook: handshake,
    done.FirmwareSeenRunning: see_running,
    done.UpdateStarted: start_update,
    done.UpdateDelivered: deliver_update,
    done.UpdateConfirmed: confirm_update,
    done.FirmwareUpdateFailed: fail_update,
    done.UpdateStuck: get_stuck,
    done.SessionEnded: go_offline,
    DeviceDescribed: leave,
}


def changes_facts(fold: Fold | None) -> Apply:
    """For events that may change what edges must know, whatever else they do to the row."""

    def apply(
        row: DeviceRow, event: Event, position: int, recorded_at: datetime, origin: str
    ) -> bool:
        changed = change_facts(row, event, position)
        if fold is not None:
            fold(row, event, position, recorded_at, origin)
        return changed

    return apply


def unless_stuck(apply: Apply) -> Apply:
    """For what comes with every handshake: only of a stuck device can it change the facts."""

    def apply_if_stuck(
        row: DeviceRow, event: Any, position: int, recorded_at: datetime, origin: str
    ) -> bool | None:
        if row.stuck_version is not None:
            return apply(row, event, position, recorded_at, origin)
        see_running(row, event)
        return None

    return apply_if_stuck


# What is done with each event about a device. Whoever does it sets `last_position` besides.
APPLY: dict[type[Event], Apply] = {
    **FOLDS,
    **{kind: changes_facts(FOLDS.get(kind)) for kind in DEVICE_FACTS_CHANGED_BY},
}
APPLY[done.FirmwareSeenRunning] = unless_stuck(APPLY[done.FirmwareSeenRunning])
