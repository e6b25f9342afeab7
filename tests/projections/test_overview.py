"""How a product is doing: every device has a reason, and every reason has its devices."""

from random import Random
from typing import Any

import psycopg
import pytest

from domain.device_commands import LockFirmware, MarkForDevelopment, QuarantineDevice
from domain.hello import Told
from domain.log.history import device_history
from domain.session import Progress
from domain.targeting import Cohort, Releases, Rule, Target, target_of
from projections.announcing.nudges import cohort_of
from projections.fleet import TallyRow, device_as_of
from projections.fleet.model import FleetModel
from projections.fleet.overview import (
    IN_STATES,
    Reason,
    in_states,
    overview,
    reason_of,
    reason_of_device,
)
from tests.projections.following import follow, query
from tests.projections.world import DEVICES, World, live_on

TALLY = """
    SELECT tally.*, standing, groups, locked_version, development
    FROM fleet.tally JOIN fleet.cohort USING (product_id, cohort_id) WHERE product_id = %s
"""
VERSION_2 = Target(version=2, rule=Rule.DEFAULT)


def state(**changes: Any) -> TallyRow:
    blank = {
        "product_id": 7000, "cohort_id": 1, "running": 1, "online": True, "update_state": None,
        "update_version": None, "told": None, "told_version": None, "devices": 1,
    }  # fmt: skip
    return TallyRow(**{**blank, **changes})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"running": 2}, Reason.ON_TARGET),
        ({"running": 2, "told": Told.UPDATE, "told_version": 1}, Reason.ON_TARGET),
        ({}, Reason.NO_HANDSHAKE),
        ({"told": "nothing", "told_version": 1}, Reason.NO_HANDSHAKE_SINCE),
        ({"told": "nothing", "told_version": 1, "online": False}, Reason.OFFLINE),
        ({"told": "update", "told_version": 2}, Reason.OFFERED),
        ({"told": "update", "told_version": 2, "online": False}, Reason.OFFLINE),
        ({"told": "pending", "told_version": 2}, Reason.PENDING),
        ({"told": "pending", "told_version": 1}, Reason.NO_HANDSHAKE_SINCE),
        ({"told": "update", "update_state": "started", "update_version": 2}, Reason.STARTED),
        ({"told": "update", "update_state": "delivered", "update_version": 2}, Reason.DELIVERED),
        ({"told": "update", "update_state": "failed", "update_version": 2}, Reason.FAILED),
        ({"told": "stuck", "update_state": "stuck", "update_version": 2}, Reason.STUCK),
        (
            {"told": "stuck", "told_version": 1, "update_state": "stuck", "update_version": 1},
            Reason.NO_HANDSHAKE_SINCE,
        ),
    ],
)
def test_a_device_that_has_a_target_stands_to_it_so(
    changes: dict[str, Any], reason: Reason
) -> None:
    assert reason_of(state(**changes), VERSION_2) == reason


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        (Rule.QUARANTINED, Reason.QUARANTINED),
        (Rule.DENIED, Reason.DENIED),
        (Rule.DEVELOPMENT, Reason.DEVELOPMENT),
        (Rule.NONE, Reason.NO_RELEASE),
    ],
)
def test_a_device_without_a_target_is_not_behind(rule: Rule, reason: Reason) -> None:
    assert reason_of(state(), Target(version=None, rule=rule)) == reason


def read_tally(conninfo: str, product_id: int = 7000) -> list[tuple[TallyRow, Cohort]]:
    return [
        (TallyRow(*row[:9]), cohort_of([row[0], *row[9:]]))
        for row in query(conninfo, TALLY, product_id)
    ]


def releases_of(conninfo: str, product_id: int = 7000) -> Releases:
    found = query(
        conninfo,
        "SELECT default_version, group_versions FROM fleet.product WHERE product_id = %s",
        product_id,
    )
    return Releases(*found[0]) if found else Releases()


def test_a_product_is_counted_by_version_and_by_reason(database: str, fleet_world: World) -> None:
    on_target, behind, failing, marked, locked, stranger = DEVICES
    fleet_world.product()
    for version in (1, 2):
        fleet_world.upload(version)
        fleet_world.prove(version)
    for one in (on_target, behind, failing, marked, locked):
        fleet_world.member(one)
    fleet_world.do(QuarantineDevice(device_id=stranger, product_id=7000))
    fleet_world.do(MarkForDevelopment(device_id=marked, product_id=7000))
    fleet_world.do(LockFirmware(device_id=locked, product_id=7000, version=1))
    fleet_world.hello(behind, 1)
    fleet_world.release(2)
    fleet_world.hello(on_target, 2)
    fleet_world.hello(failing, 1)
    fleet_world.progress(Progress.FAILED, 2, failing, "no space")
    fleet_world.hello(locked, 1)
    follow(database, FleetModel())

    found = overview(read_tally(database), releases_of(database))

    assert (found.devices, found.online, found.on_target) == (6, 4, 2)
    assert found.by_version == {1: 3, 2: 1, None: 2}
    assert found.reasons == {
        Reason.ON_TARGET: 2,
        Reason.NO_HANDSHAKE_SINCE: 1,
        Reason.FAILED: 1,
        Reason.DEVELOPMENT: 1,
        Reason.QUARANTINED: 1,
    }


@pytest.mark.parametrize("seed", range(3))
def test_the_devices_of_each_reason_are_those_that_were_counted(
    database: str, fleet_world: World, seed: int
) -> None:
    live_on(fleet_world, Random(300 + seed), 150)
    follow(database, FleetModel())
    for product_id in (7000, 7001):
        releases = releases_of(database, product_id)
        found = overview(read_tally(database, product_id), releases)
        listed: dict[str, Reason] = {}
        for reason, states in found.states.items():
            with psycopg.connect(database) as connection:
                rows = connection.execute(
                    f"SELECT device_id FROM fleet.device WHERE {IN_STATES}".encode(),
                    in_states(states),
                ).fetchall()
            assert len(rows) == found.reasons[reason]
            listed |= {device_id: reason for (device_id,) in rows}

        expected = {}
        for one in DEVICES:
            row = device_as_of(device_history(fleet_world.fleet, one))
            if row is not None and row.product_id == product_id:
                expected[one] = reason_of_device(row, target_of(row.facts().cohort(), releases))
        assert listed == expected
