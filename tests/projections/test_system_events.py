"""System events: what the log says, said as device events once each, in the log's order."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from domain.device_commands import ForceUpdates, UnforceUpdates
from domain.hello import Told
from domain.log.mapper import RecordedMapper
from domain.ownership import ClaimDevice, UnclaimDevice
from domain.session import Progress
from migrations import FOLDER, migrate
from projections.announcing.link import Link
from projections.device_events.system_event import OF_SESSIONS, Before, evolve, told_of
from projections.device_events.system_events import SystemEvents
from projections.fleet.model import FleetModel
from tests.projections.ear import connected_link, delete
from tests.projections.following import connected, follow, query, run
from tests.projections.taking import make_device_events, take
from tests.projections.world import DEVICES, USERS, World, live_on, world

ONE, TWO = DEVICES[:2]
ADA = USERS[0]


@pytest.fixture
def link(nats_url: str) -> Iterator[Link]:
    make_device_events(nats_url)
    with connected_link(nats_url) as link:
        yield link


def said(database: str) -> list[tuple[Any, ...]]:
    return query(database, "SELECT device_id, name, data FROM telemetry.device_event ORDER BY id")


def expected(database: str) -> list[tuple[Any, ...]]:
    """What the whole log says, read in one go: position, name, data."""
    event_of = RecordedMapper().event
    known: dict[str, Before] = {}
    told = []
    log = "SELECT notification_id, topic, state FROM log.fleet_events ORDER BY 1"
    for position, topic, state in query(database, log):
        event = event_of(topic, state)
        device_id = event.device_id if isinstance(event, OF_SESSIONS) else ""
        before = known.get(device_id, Before())
        known[device_id] = evolve(before, event)
        if one := told_of(position, event, before):
            told += [(position, event.name, event.data) for event in one.events]
    return told


def stored(database: str) -> list[tuple[Any, ...]]:
    return query(database, 'SELECT "position", name, data FROM telemetry.device_event ORDER BY id')


def test_an_update_is_told_from_beginning_to_end(
    database: str, nats_url: str, link: Link, fleet_world: World
) -> None:
    fleet_world.product()
    for version in (1, 2):
        fleet_world.upload(version)
        fleet_world.prove(version)
    fleet_world.member(ONE)
    fleet_world.hello(ONE, 1, app_hash="aa", reset_reason="power_down")
    fleet_world.release(2, intelligent=True)
    fleet_world.progress(Progress.STARTED, 2)
    fleet_world.progress(Progress.DELIVERED, 2)
    fleet_world.hello(ONE, 2, app_hash="bb", reset_reason="update")
    fleet_world.disconnect(ONE)
    follow(database, FleetModel())

    run(database, SystemEvents(link))
    take(database, nats_url)

    assert said(database) == [
        ("api", "particle/firmware/create", '{"version":"1"}'),
        ("api", "particle/firmware/create", '{"version":"2"}'),
        (ONE, "spark/status", "online"),
        (ONE, "spark/device/last_reset", "power_down"),
        (ONE, "spark/device/app-hash", "aa"),
        ("api", "particle/firmware/release", '{"immediate":true,"version":2}'),
        (ONE, "spark/status", "auto-update"),
        (ONE, "spark/flash/status", "started "),
        (ONE, "spark/flash/status", "success "),
        (ONE, "spark/status", "offline"),
        (ONE, "spark/status", "online"),
        (ONE, "spark/device/last_reset", "update"),
        (ONE, "spark/device/app-hash", "bb"),
        (ONE, "spark/status", "offline"),
    ]


def test_an_update_that_must_wait_is_told_until_it_waits_no_more(
    database: str, nats_url: str, link: Link, fleet_world: World
) -> None:
    fleet_world.product()
    fleet_world.upload(1)
    fleet_world.prove(1)
    fleet_world.release(1)
    fleet_world.member(ONE)
    assert fleet_world.hello(ONE, None, updates_enabled=False).told == Told.PENDING
    fleet_world.do(ForceUpdates(device_id=ONE, product_id=7000))
    assert fleet_world.hello(ONE, None, updates_enabled=False).told == Told.UPDATE
    fleet_world.progress(Progress.FAILED, 1)
    fleet_world.do(UnforceUpdates(device_id=ONE, product_id=7000))
    follow(database, FleetModel())

    run(database, SystemEvents(link))
    take(database, nats_url)

    of_updates = [
        row[1:] for row in said(database) if row[1].startswith(("particle/device", "spark/flash"))
    ]
    assert of_updates == [
        ("particle/device/updates/pending", "true"),
        ("particle/device/updates/enabled", "false"),
        ("particle/device/updates/forced", "true"),
        ("particle/device/updates/pending", "false"),
        ("spark/flash/status", "started "),
        ("spark/flash/status", "failed"),
        ("particle/device/updates/forced", "false"),
    ]


def test_everybody_hears_what_concerns_them(
    database: str, nats_url: str, link: Link, fleet_world: World
) -> None:
    fleet_world.product()
    fleet_world.upload(1)
    fleet_world.member(ONE)
    fleet_world.do(ClaimDevice(device_id=ONE, user_id=ADA, reachable=True))
    fleet_world.do(ClaimDevice(device_id=TWO, user_id=ADA, reachable=True))
    fleet_world.do(UnclaimDevice(device_id=TWO, user_id=ADA))
    follow(database, FleetModel())

    run(database, SystemEvents(link))
    take(database, nats_url)

    seen = query(
        database,
        "SELECT name, device_id, product_id, user_id, publisher"
        " FROM telemetry.device_event ORDER BY id",
    )
    assert seen == [
        ("particle/firmware/create", "api", 7000, None, "api"),
        ("particle/device/claimed", ONE, 7000, ADA, None),
        ("particle/device/claimed", TWO, None, None, None),  # by now it is nobody's
        ("particle/device/unclaimed", TWO, None, ADA, None),
    ]


@pytest.mark.parametrize("page_events", [1, 7, 1_000])
def test_each_is_stored_once_in_the_logs_order_whatever_is_lost_or_said_twice(
    database: str,
    nats_url: str,
    link: Link,
    fleet_world: World,
    monkeypatch: pytest.MonkeyPatch,
    page_events: int,
) -> None:
    monkeypatch.setattr("projections.device_events.system_events.PAGE_EVENTS_MAX", page_events)
    monkeypatch.setattr("projections.device_events.system_events.STREAM_CHECK_S", 0.0)
    task, random = SystemEvents(link), Random(page_events)
    for turn in range(4):
        live_on(fleet_world, random, 25)
        follow(database, FleetModel())
        if turn == 1:
            delete(nats_url, "DEVICE_EVENTS")  # with what nobody has stored yet
            make_device_events(nats_url)
        with connected(database, task.name) as connection:
            for _ in range(random.randint(0, 3)):
                task.begin(connection)  # as another process would: it says some of it again
                for _ in range(random.randint(1, 4)):
                    task.step(connection)
        if turn == 2:
            take(database, nats_url)
    with connected(database, task.name) as connection:
        while task.step(connection):
            pass
    take(database, nats_url)
    run(database, task)
    take(database, nats_url)

    assert stored(database) == expected(database)
    assert len(stored(database)) > 20


def test_it_does_not_run_ahead_of_whose_the_devices_are(
    database: str, link: Link, fleet_world: World
) -> None:
    fleet_world.product()
    fleet_world.upload(1)
    with connected(database) as connection:
        task = SystemEvents(link)
        task.begin(connection)
        assert not task.step(connection)
        follow(database, FleetModel())
        assert task.step(connection)


def test_what_happened_before_there_were_system_events_is_not_told(
    empty_database: str, nats_url: str, link: Link, tmp_path: Path
) -> None:
    before = [path for path in sorted(FOLDER.glob("*.sql")) if path.stem < "0019"]
    for path in before:
        shutil.copy(path, tmp_path)
    migrate(empty_database, tmp_path)
    with world(empty_database) as old:
        old.product()
        old.upload(1)
        migrate(empty_database)
        old.upload(2)
    follow(empty_database, FleetModel())

    run(empty_database, SystemEvents(link))
    take(empty_database, nats_url)

    assert said(empty_database) == [("api", "particle/firmware/create", '{"version":"2"}')]
