"""How a product is doing: for each device not on its target the reason, counted from the tally.

Pure. The same function tells the reason of one device, and names the states whose devices to list.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any

from msgspec import Struct, field

from domain.hello import Told
from domain.targeting import Cohort, Releases, Rule, Target, target_of
from projections.fleet.device import UpdateState
from projections.fleet.rows import DeviceRow, TallyRow


class Reason(StrEnum):
    """Where a device stands to its target."""

    ON_TARGET = "on_target"
    # it has no target
    QUARANTINED = "quarantined"
    DENIED = "denied"
    DEVELOPMENT = "development"
    NO_RELEASE = "no_release"
    # it has one, and does not run it
    STUCK = "stuck"  # it failed too often
    FAILED = "failed"  # it failed, and is tried again at the next handshake
    STARTED = "update_started"
    DELIVERED = "update_delivered"  # it has the bytes, and has not come back running them
    PENDING = "pending"  # the device says that it wants no update
    OFFERED = "offered"
    OFFLINE = "offline"  # it will be told when it comes online
    NO_HANDSHAKE = "no_handshake"  # never since it came into the product
    NO_HANDSHAKE_SINCE = "no_handshake_since"  # online, but told before the target was this


NO_TARGET = {
    Rule.QUARANTINED: Reason.QUARANTINED,
    Rule.DENIED: Reason.DENIED,
    Rule.DEVELOPMENT: Reason.DEVELOPMENT,
}
TRIED = {
    UpdateState.STUCK: Reason.STUCK,
    UpdateState.FAILED: Reason.FAILED,
    UpdateState.STARTED: Reason.STARTED,
    UpdateState.DELIVERED: Reason.DELIVERED,
}


class Overview(Struct):
    """Of one product. `states` are the rows of the tally that each reason was counted from."""

    devices: int = 0
    online: int = 0
    by_version: Counter[int | None] = field(default_factory=Counter)  # members, by what they run
    by_target: Counter[int | None] = field(default_factory=Counter)
    reasons: Counter[Reason] = field(default_factory=Counter)
    states: dict[Reason, list[TallyRow]] = field(default_factory=dict)

    @property
    def on_target(self) -> int:
        return self.reasons[Reason.ON_TARGET]


def overview(tally: Iterable[tuple[TallyRow, Cohort]], releases: Releases) -> Overview:
    """Count a product's devices; each row of the tally comes with its cohort."""
    found = Overview()
    for state, cohort in tally:
        target = target_of(cohort, releases)
        reason = reason_of(state, target)
        found.devices += state.devices
        found.online += state.devices if state.online else 0
        found.by_version[state.running] += state.devices
        found.by_target[target.version] += state.devices
        found.reasons[reason] += state.devices
        found.states.setdefault(reason, []).append(state)
    return found


def reason_of_device(row: DeviceRow, target: Target) -> Reason | None:
    """Of one device; None if it is in no product. A failed one's attempt stands in its row."""
    if row.product_id is None:
        return None
    return reason_of(row, target, told_here=row.told_product_id == row.product_id)


def reason_of(state: TallyRow | DeviceRow, target: Target, *, told_here: bool = True) -> Reason:
    """What a device did in another product, not `told_here`, says nothing here."""
    if target.version is None:
        return NO_TARGET.get(target.rule, Reason.NO_RELEASE)
    if state.running == target.version:
        return Reason.ON_TARGET
    if not told_here:
        return Reason.NO_HANDSHAKE
    if state.update_version == target.version and state.update_state in TRIED:
        return TRIED[state.update_state]
    if state.told is None:
        return Reason.NO_HANDSHAKE
    told_this = state.told_version == target.version
    if told_this and state.told == Told.PENDING:
        return Reason.PENDING
    if told_this and state.told == Told.STUCK:
        return Reason.STUCK
    if not state.online:
        return Reason.OFFLINE
    return Reason.OFFERED if told_this else Reason.NO_HANDSHAKE_SINCE


# True of a row of fleet.device that one of the states counts. Parameters: in_states(…).
IN_STATES = """
    EXISTS (
        SELECT FROM unnest(
            %(cohorts)s::bigint[], %(running)s::integer[], %(online)s::boolean[],
            %(update_states)s::text[], %(update_versions)s::integer[],
            %(told)s::text[], %(told_versions)s::integer[]
        ) AS state (cohort_id, running, online, update_state, update_version, told, told_version)
        WHERE device.cohort_id = state.cohort_id AND device.online = state.online
          AND device.running IS NOT DISTINCT FROM state.running
          AND CASE WHEN device.told_product_id = device.product_id THEN
              (device.update_state, device.update_version, device.told, device.told_version)
              IS NOT DISTINCT FROM
              (state.update_state, state.update_version, state.told, state.told_version)
          ELSE state.told IS NULL AND state.update_state IS NULL END
    )
"""


def in_states(states: Sequence[TallyRow]) -> dict[str, list[Any]]:
    """The parameters of IN_STATES."""
    return {
        "cohorts": [state.cohort_id for state in states],
        "running": [state.running for state in states],
        "online": [state.online for state in states],
        "update_states": [state.update_state for state in states],
        "update_versions": [state.update_version for state in states],
        "told": [state.told for state in states],
        "told_versions": [state.told_version for state in states],
    }
