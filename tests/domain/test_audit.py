"""The sweep finds the one decision that does not follow from the events before it."""

from msgspec.structs import replace

from domain.audit import Finding, Sweep
from domain.device_events import (
    DeviceImported,
    FirmwareLocked,
)
from domain.firmware import FirmwareReleased
from domain.hello import Answer, Hello, Told
from domain.model import Event
from domain.ownership import DeviceClaimed
from domain.product import AutoApprovalAllowed, ProductCreated
from domain.session import DeviceHandshook
from domain.targeting import Rule
from tests.domain.histories import recorded

D = "0123456789abcdef01234567"


def handshake(told: Answer, based_on: int, running: int | None = 1) -> DeviceHandshook:
    return DeviceHandshook(
        device_id=D,
        product_id=told.product_id,
        said=Hello(product_id=200, version=1),
        told=told,
        based_on=based_on,
        running=running,
        at="2030-01-01T00:00:00.000Z",
    )


UPDATE_TO_3 = Answer(told=Told.UPDATE, rule=Rule.DEFAULT, version=3, product_id=200)
QUARANTINED = Answer(told=Told.QUARANTINED, rule=Rule.QUARANTINED, product_id=200)
HISTORY: list[Event] = [
    ProductCreated(product_id=200, platform_id=6, name="Lamp", slug="lamp-200"),
    handshake(QUARANTINED, based_on=1),
    DeviceImported(device_id=D, product_id=200),
    FirmwareReleased(product_id=200, version=3, product_default=True, groups=()),
    handshake(UPDATE_TO_3, based_on=4),
    FirmwareLocked(device_id=D, product_id=200, version=1),
    # Recorded after the lock, but decided by an edge that had not heard of it: that is right.
    handshake(UPDATE_TO_3, based_on=5),
    handshake(Answer(told=Told.NOTHING, rule=Rule.LOCKED, version=1, product_id=200), based_on=6),
]


def findings(history: list[Event]) -> list[Finding]:
    sweep = Sweep()
    return [finding for one in recorded(*history) for finding in sweep.feed(one)]


def test_a_true_history_has_no_finding():
    assert findings(HISTORY) == []


def test_a_decision_altered_by_hand_is_named_by_its_position():
    altered = list(HISTORY)
    altered[4] = handshake(replace(UPDATE_TO_3, version=4), based_on=4)
    assert [finding.position for finding in findings(altered)] == [5]


def test_an_altered_cause_is_found_at_every_decision_that_rests_on_it():
    altered = list(HISTORY)
    altered[5] = FirmwareLocked(device_id=D, product_id=200, version=2)
    (finding,) = findings(altered)
    assert finding.position == 8
    assert "say update version 2 by rule locked" in str(finding)


def test_who_is_somebodys_was_rightly_told_to_wait_where_others_join():
    claimed = DeviceClaimed(device_id=D, user_id="ada")
    joins = Answer(told=Told.NOTHING, product_id=200, joins=True)
    history: list[Event] = [HISTORY[0], AutoApprovalAllowed(product_id=200), claimed]
    history += [handshake(joins, based_on=2), handshake(QUARANTINED, based_on=3)]
    assert findings(history) == []
    history[4] = handshake(joins, based_on=3)
    assert [finding.position for finding in findings(history)] == [5]


def test_what_the_device_ran_is_part_of_the_decision():
    altered = list(HISTORY)
    altered[4] = handshake(UPDATE_TO_3, based_on=4, running=2)
    assert [finding.position for finding in findings(altered)] == [5]
