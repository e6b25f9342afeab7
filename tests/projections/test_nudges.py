"""Nudges: who is online and affected is asked to say hello again; nobody else is."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from domain.device_commands import (
    FlashBinary,
    ForceUpdates,
    GroupDevice,
    ImportDevice,
    LockFirmware,
    MarkForDevelopment,
    RetryUpdate,
)
from domain.group import CreateGroup
from domain.session import Progress
from projections.announcing.link import Link, Message
from projections.announcing.nudges import NudgeModel
from projections.fleet.model import FleetModel
from projections.following import Follower
from projections.tracking import Tracking
from tests.projections.ear import Ear, connected_link, listening
from tests.projections.following import follow, query, run
from tests.projections.world import DEVICES, World

ONE, OTHER, THIRD = DEVICES[:3]


@pytest.fixture
def link(nats_url: str) -> Iterator[Link]:
    with connected_link(nats_url) as link:
        yield link


@pytest.fixture
def ear(nats_url: str) -> Iterator[Ear]:
    with listening(nats_url, "d.*.dn.>") as ear:
        yield ear


@pytest.fixture
def online(database: str, fleet_world: World, link: Link) -> World:
    """A product with versions 1 and 2, and three members that are online running 1."""
    fleet_world.product()
    for version in (1, 2):
        fleet_world.upload(version)
        fleet_world.prove(version)
    for one in DEVICES[:3]:
        fleet_world.member(one)
        fleet_world.hello(one, 1)
    nudge(database, link)
    return fleet_world


def nudge(conninfo: str, link: Link, *, now: datetime | None = None) -> None:
    follow(conninfo, FleetModel())
    model = NudgeModel(link, now=(lambda: now) if now else None)
    run(conninfo, Follower(model, behind=Tracking("fleet", "fleet")))


def silent(ear: Ear, link: Link) -> bool:
    """Nothing was said: a message sent after all of it is the next one heard."""
    link.send([Message("d.end.dn.again", b"0")])
    return ear.heard(1) == [("d.end.dn.again", 0)]


def test_a_lock_that_asks_to_flash_nudges_its_device(
    database: str, online: World, link: Link, ear: Ear
) -> None:
    online.do(LockFirmware(device_id=ONE, product_id=7000, version=2, flash=True))

    nudge(database, link)

    assert ear.heard(1) == [(f"d.{ONE}.dn.again", {"position": online.position()})]
    assert silent(ear, link)


def test_a_lock_that_does_not_ask_waits_for_the_next_handshake(
    database: str, online: World, link: Link, ear: Ear
) -> None:
    online.do(LockFirmware(device_id=ONE, product_id=7000, version=2))

    nudge(database, link)

    assert silent(ear, link)


def test_who_is_offline_is_not_nudged(database: str, online: World, link: Link, ear: Ear) -> None:
    online.disconnect(ONE)
    for one in (ONE, OTHER):
        online.do(ForceUpdates(device_id=one, product_id=7000))

    nudge(database, link)

    assert [subject for subject, _ in ear.heard(1)] == [f"d.{OTHER}.dn.again"]
    assert silent(ear, link)


def test_who_has_said_hello_since_is_not_nudged(
    database: str, online: World, link: Link, ear: Ear
) -> None:
    online.do(ForceUpdates(device_id=ONE, product_id=7000))
    online.hello(ONE, 1)

    nudge(database, link)

    assert silent(ear, link)


def test_a_stuck_device_is_nudged_when_somebody_asks_for_a_retry(
    database: str, online: World, link: Link, ear: Ear
) -> None:
    for _ in range(3):
        online.progress(Progress.FAILED, 2, ONE, "no space")
        online.progress(Progress.STARTED, 2, ONE)
    online.do(RetryUpdate(device_id=ONE, product_id=7000, stuck_version=2))

    nudge(database, link)

    assert [subject for subject, _ in ear.heard(1)] == [f"d.{ONE}.dn.again"]


def test_a_stranger_that_is_approved_while_online_is_nudged(
    database: str, online: World, link: Link, ear: Ear
) -> None:
    online.hello(DEVICES[5], 1)
    online.do(ImportDevice(device_id=DEVICES[5], product_id=7000))

    nudge(database, link)

    assert [subject for subject, _ in ear.heard(1)] == [f"d.{DEVICES[5]}.dn.again"]


def test_an_intelligent_release_nudges_those_whose_target_it_is(
    database: str, online: World, link: Link, ear: Ear
) -> None:
    online.do(MarkForDevelopment(device_id=OTHER, product_id=7000))
    online.hello(THIRD, 1, updates_enabled=False)
    online.release(2, intelligent=True)

    nudge(database, link)

    assert ear.heard(1) == [(f"d.{ONE}.dn.again", {"position": online.position()})]
    assert silent(ear, link)


def test_an_intelligent_release_to_a_group_nudges_the_group_alone(
    database: str, online: World, link: Link, ear: Ear
) -> None:
    online.do(CreateGroup(product_id=7000, group="alpha", name="alpha"))
    online.do(GroupDevice(device_id=THIRD, product_id=7000, groups=("alpha",)))
    online.release(2, "alpha", default=False, intelligent=True)

    nudge(database, link)

    assert [subject for subject, _ in ear.heard(1)] == [f"d.{THIRD}.dn.again"]
    assert silent(ear, link)


def test_an_ordinary_release_nudges_nobody(
    database: str, online: World, link: Link, ear: Ear
) -> None:
    online.release(2)

    nudge(database, link)

    assert silent(ear, link)


def test_a_flashed_binary_is_named_to_the_device_while_it_is_fresh(
    database: str, online: World, link: Link, ear: Ear
) -> None:
    online.do(MarkForDevelopment(device_id=ONE, product_id=7000))
    flash = FlashBinary(
        device_id=ONE, product_id=7000, sha256="ab" * 32, size_bytes=9, online=True, request="1"
    )
    online.do(flash)
    nudge(database, link)
    assert ear.heard(1) == [(f"d.{ONE}.dn.flash", {"sha256": "ab" * 32, "size_bytes": 9})]

    query(database, "DELETE FROM follow.tracking RETURNING 1")
    nudge(database, link, now=datetime.now(UTC) + timedelta(seconds=61))

    assert silent(ear, link)
