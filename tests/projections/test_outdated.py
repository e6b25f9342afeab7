"""A change and a handshake at the same moment: who was answered from before it is asked again."""

from collections.abc import Iterator

import pytest

from domain.device_commands import GroupDevice, ImportDevice, JoinDevice, LockFirmware
from domain.facts import NO_DEVICE_FACTS, DeviceFacts, ProductFacts
from domain.handshake import answer, product_of, running_version
from domain.hello import Hello
from domain.log.history import device_history, product_history
from domain.product import AllowAutoApproval
from domain.session import RecordHandshake
from domain.why import fold_device, fold_product
from projections.announcing.link import Link, Message
from projections.announcing.nudges import NudgeModel
from projections.fleet.model import FleetModel
from projections.following import Follower
from projections.tracking import Tracking
from tests.projections.ear import Ear, connected_link, listening
from tests.projections.following import follow, run
from tests.projections.world import DEVICES, PLATFORM, World

ONE, STRANGER = DEVICES[0], DEVICES[5]
PRODUCT = 7000


@pytest.fixture
def link(nats_url: str) -> Iterator[Link]:
    with connected_link(nats_url) as link:
        yield link


@pytest.fixture
def ear(nats_url: str) -> Iterator[Ear]:
    with listening(nats_url, "d.*.dn.>") as ear:
        yield ear


@pytest.fixture
def member(database: str, fleet_world: World, link: Link) -> World:
    """A product with versions 1 and 2, and a member that was never online."""
    fleet_world.product()
    for version in (1, 2):
        fleet_world.upload(version)
        fleet_world.prove(version)
    fleet_world.member(ONE)
    nudge(database, link)
    return fleet_world


def nudge(conninfo: str, link: Link) -> None:
    follow(conninfo, FleetModel())
    run(conninfo, Follower(NudgeModel(link), behind=Tracking("fleet", "fleet")))


def say_hello(world: World, one: str, based_on: int) -> int:
    """An edge that knows the log up to there answers; returns where the handshake stands."""
    said = Hello(product_id=PRODUCT, version=1, platform_id=PLATFORM)
    device: DeviceFacts = fold_device(device_history(world.fleet, one, based_on))
    assert product_of(said, device or NO_DEVICE_FACTS) == PRODUCT
    product: ProductFacts | None = fold_product(product_history(world.fleet, PRODUCT, based_on))
    told = answer(said, device, product)
    handshake = RecordHandshake(
        device_id=one,
        at=world.at(),
        said=said,
        told=told,
        based_on=based_on,
        running=running_version(said, PRODUCT),
        attempts_max=3,
        connection="connection",
    )
    handshook, *_ = world.do(handshake).events
    assert type(handshook).__name__ == "DeviceHandshook"
    (position,) = [
        recorded.position
        for recorded in device_history(world.fleet, one)
        if recorded.event == handshook
    ]
    assert position is not None
    return position


def silent(ear: Ear, link: Link) -> bool:
    link.send([Message("d.end.dn.again", b"0")])
    return ear.heard(1) == [("d.end.dn.again", 0)]


def test_who_was_quarantined_while_being_imported_is_asked_again(
    database: str, member: World, link: Link, ear: Ear
) -> None:
    before = member.position()
    member.do(ImportDevice(device_id=STRANGER, product_id=PRODUCT))
    handshake = say_hello(member, STRANGER, before)

    nudge(database, link)

    assert ear.heard(1) == [(f"d.{STRANGER}.dn.again", {"position": handshake})]
    assert silent(ear, link)


def test_who_was_answered_while_being_locked_is_asked_again(
    database: str, member: World, link: Link, ear: Ear
) -> None:
    before = member.position()
    member.do(LockFirmware(device_id=ONE, product_id=PRODUCT, version=2))
    handshake = say_hello(member, ONE, before)

    nudge(database, link)

    assert ear.heard(1) == [(f"d.{ONE}.dn.again", {"position": handshake})]


def test_who_was_answered_while_a_version_was_released_is_asked_again(
    database: str, member: World, link: Link, ear: Ear
) -> None:
    before = member.position()
    member.release(2)
    handshake = say_hello(member, ONE, before)

    nudge(database, link)

    assert ear.heard(1) == [(f"d.{ONE}.dn.again", {"position": handshake})]


def test_who_would_be_told_the_same_is_left_alone(
    database: str, member: World, link: Link, ear: Ear
) -> None:
    before = member.position()
    member.do(GroupDevice(device_id=ONE, product_id=PRODUCT, groups=("beta",)))
    say_hello(member, ONE, before)

    nudge(database, link)

    assert silent(ear, link)


def test_a_change_after_the_handshake_waits_for_the_next_one(
    database: str, member: World, link: Link, ear: Ear
) -> None:
    say_hello(member, ONE, member.position())
    member.release(2)

    nudge(database, link)

    assert silent(ear, link)


def test_who_joins_by_asking_is_not_asked_twice(
    database: str, member: World, link: Link, ear: Ear
) -> None:
    member.do(AllowAutoApproval(product_id=PRODUCT))
    before = member.position()
    member.do(JoinDevice(device_id=STRANGER, product_id=PRODUCT))
    say_hello(member, STRANGER, before)

    nudge(database, link)

    assert silent(ear, link)


def test_who_went_offline_meanwhile_is_left_alone(
    database: str, member: World, link: Link, ear: Ear
) -> None:
    before = member.position()
    member.do(LockFirmware(device_id=ONE, product_id=PRODUCT, version=2))
    say_hello(member, ONE, before)
    member.disconnect(ONE)

    nudge(database, link)

    assert silent(ear, link)
