"""Why a device has its target: each explanation, and the events it names."""

from domain.device_events import (
    DevelopmentMarked,
    DeviceGrouped,
    DeviceImported,
    DeviceQuarantined,
    FirmwareLocked,
)
from domain.firmware import FirmwareReleased, FirmwareUploaded
from domain.hello import Answer, Hello, Told
from domain.model import Event
from domain.ownership import DeviceClaimed
from domain.product import AutoApprovalAllowed, ProductCreated
from domain.session import DeviceHandshook
from domain.targeting import Rule
from domain.why import Explanation, derive, explain
from tests.domain.histories import recorded

D = "0123456789abcdef01234567"
CREATED = ProductCreated(product_id=200, platform_id=6, name="Lamp", slug="lamp-200")
IMPORTED = DeviceImported(device_id=D, product_id=200)
LOCKED = FirmwareLocked(device_id=D, product_id=200, version=1)


def uploaded(version: int) -> FirmwareUploaded:
    return FirmwareUploaded(
        product_id=200, version=version, sha256="ab", size_bytes=9, title=f"v{version}"
    )


def released(version: int, *groups: str, default: bool = False) -> FirmwareReleased:
    return FirmwareReleased(product_id=200, version=version, product_default=default, groups=groups)


def grouped(*groups: str) -> DeviceGrouped:
    return DeviceGrouped(device_id=D, product_id=200, groups=groups)


def why(*events: Event) -> Explanation:
    history = recorded(*events)
    about_device = [one for one in history if one.stream.startswith(("device-", "session-"))]
    about_product = [one for one in history if one not in about_device]
    return explain(D, about_device, about_product)


def used(explanation: Explanation) -> list[int | None]:
    return [one.position for one in explanation.used]


def test_a_device_without_releases_is_left_alone():
    found = why(CREATED, IMPORTED)
    assert (found.target.rule, found.target.version) == (Rule.NONE, None)
    assert "left alone" in found.sentence


def test_the_default_release_is_named_with_the_event_that_made_it_so():
    found = why(CREATED, IMPORTED, uploaded(3), released(3, default=True))
    assert (found.target.version, found.winner.rule) == (3, Rule.DEFAULT)
    assert used(found) == [2, 4]


def test_a_lock_wins_and_the_losing_releases_are_named():
    found = why(
        CREATED,
        IMPORTED,
        grouped("beta"),
        released(3, default=True),
        released(2, "beta"),
        LOCKED,
    )
    assert (found.target.version, found.winner.rule) == (1, Rule.LOCKED)
    assert [(one.rule, one.version) for one in found.losers] == [
        (Rule.GROUP, 2),
        (Rule.DEFAULT, 3),
    ]
    assert found.winner.events[0].position == 6
    assert used(found) == [2, 3, 4, 5, 6]


def test_of_two_groups_the_higher_version_wins_and_the_other_loses():
    found = why(CREATED, IMPORTED, grouped("a", "b"), released(2, "a"), released(4, "b"))
    assert (found.target.version, found.target.group) == (4, "b")
    assert [(one.rule, one.group) for one in found.losers] == [(Rule.GROUP, "a")]


def test_a_development_device_ignores_its_lock():
    marked = DevelopmentMarked(device_id=D, product_id=200)
    found = why(CREATED, IMPORTED, LOCKED, marked)
    assert (found.target.version, found.winner.rule) == (None, Rule.DEVELOPMENT)
    assert found.losers[0].rule == Rule.LOCKED


def test_a_quarantined_device_is_explained_by_its_quarantine():
    found = why(CREATED, DeviceQuarantined(device_id=D, product_id=200))
    assert (found.winner.rule, used(found)) == (Rule.QUARANTINED, [2])


def test_a_device_in_no_product_is_targeted_by_nothing():
    assert "in no product" in why(CREATED).sentence


def test_a_past_handshake_is_decided_again_from_what_was_known_then():
    told = Answer(told=Told.UPDATE, rule=Rule.DEFAULT, version=3, product_id=200)
    handshake = DeviceHandshook(
        device_id=D,
        product_id=200,
        said=Hello(product_id=200, version=1),
        told=told,
        based_on=3,
        running=1,
        at="2030-01-01T00:00:00.000Z",
    )
    history = recorded(CREATED, IMPORTED, released(3, default=True), LOCKED, handshake)
    device = [history[1], history[3], history[4]]
    derivation = derive(history[4], device, [history[0], history[2]])
    assert derivation.right
    assert [one.position for one in derivation.used] == [1, 2, 3]


def test_that_a_stranger_is_somebodys_is_part_of_why_it_waits():
    told = Answer(told=Told.QUARANTINED, rule=Rule.QUARANTINED, product_id=200)
    handshake = DeviceHandshook(
        device_id=D,
        product_id=200,
        said=Hello(product_id=200, version=1),
        told=told,
        based_on=3,
        running=1,
        at="2030-01-01T00:00:00.000Z",
    )
    claimed = DeviceClaimed(device_id=D, user_id="ada")
    history = recorded(CREATED, AutoApprovalAllowed(product_id=200), claimed, handshake)
    derivation = derive(history[3], history[2:], history[:2])
    assert derivation.right
    assert [one.position for one in derivation.used] == [2, 3]
