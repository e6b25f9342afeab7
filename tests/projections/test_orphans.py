"""Whoever is erased has no devices any more, in whatever order things came to pass."""

import pytest

from domain.device_commands import NameDevice
from domain.ownership import ClaimDevice, DeviceUnclaimed
from domain.user import EraseUser
from projections.fleet.model import FleetModel
from projections.following import Follower
from projections.reactions import orphans
from projections.reactions.orphans import OrphanModel
from projections.tracking import Tracking
from tests.people import people
from tests.projections.following import follow, query, run
from tests.projections.test_reactions import of_kind
from tests.projections.world import World, device_id


@pytest.fixture
def ann(database: str) -> str:
    with people(database) as those:
        return those.sign_up("ann@example.com")


def claim(world: World, number: int, user_id: str) -> str:
    one = device_id(number)
    world.do(ClaimDevice(device_id=one, user_id=user_id, reachable=True))
    return one


def look_after_orphans(database: str, world: World, *, page_events_max: int = 5_000) -> None:
    """As it is run: never ahead of the fleet model."""
    model = OrphanModel(lambda: world.fleet)
    model.page_events_max = page_events_max
    follow(database, FleetModel())
    run(database, Follower(model, behind=Tracking("fleet", "fleet")))
    follow(database, FleetModel())


def owners(database: str) -> dict[str, str]:
    return dict(query(database, "SELECT device_id, owner FROM fleet.device"))


@pytest.mark.parametrize("page_events_max", [1, 5_000])
def test_devices_of_who_is_erased_are_nobodys(
    database: str, fleet_world: World, ann: str, page_events_max: int
) -> None:
    first, second = claim(fleet_world, 1, ann), claim(fleet_world, 2, ann)
    others = claim(fleet_world, 3, "bob")
    fleet_world.do(NameDevice(device_id=first, owner=ann, name="Diary"))
    fleet_world.do(EraseUser(user_id=ann))

    look_after_orphans(database, fleet_world, page_events_max=page_events_max)

    assert owners(database) == {first: None, second: None, others: "bob"}
    assert query(database, "SELECT name FROM fleet.device WHERE name <> ''") == []
    released = of_kind(fleet_world, DeviceUnclaimed)
    assert {one.provenance.actor for one in released} == {"reaction:orphans"}


@pytest.mark.parametrize("page_events_max", [1, 5_000])
def test_a_device_claimed_after_its_owner_was_erased_is_nobodys(
    database: str, fleet_world: World, ann: str, page_events_max: int
) -> None:
    fleet_world.do(EraseUser(user_id=ann))
    late = claim(fleet_world, 1, ann)

    look_after_orphans(database, fleet_world, page_events_max=page_events_max)

    assert owners(database) == {late: None}


def test_it_waits_for_the_fleet_model(database: str, fleet_world: World, ann: str) -> None:
    one = claim(fleet_world, 1, ann)
    fleet_world.do(EraseUser(user_id=ann))
    model = OrphanModel(lambda: fleet_world.fleet)
    run(database, Follower(model, behind=Tracking("fleet", "fleet")))
    assert of_kind(fleet_world, DeviceUnclaimed) == []

    look_after_orphans(database, fleet_world)
    assert owners(database) == {one: None}


def test_gone_through_again_it_does_nothing_more(
    database: str, fleet_world: World, ann: str
) -> None:
    one = claim(fleet_world, 1, ann)
    fleet_world.do(EraseUser(user_id=ann))
    look_after_orphans(database, fleet_world)
    claim(fleet_world, 1, "bob")
    query(database, "DELETE FROM follow.tracking RETURNING 1")
    look_after_orphans(database, fleet_world)

    assert owners(database) == {one: "bob"}
    assert len(of_kind(fleet_world, DeviceUnclaimed)) == 1


def test_however_many_devices_there_are(
    database: str, fleet_world: World, ann: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orphans, "DEVICES_AT_ONCE", 2)
    for number in range(1, 6):
        claim(fleet_world, number, ann)
    fleet_world.do(EraseUser(user_id=ann))
    look_after_orphans(database, fleet_world)
    assert set(owners(database).values()) == {None}
