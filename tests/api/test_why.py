"""Why a device has its target, or was told what it was told: from events alone."""

from typing import Any

import pytest

from domain.hello import Told
from tests.api.world import World
from tests.people import id_for


def why(world: World, device_id: str, **query: Any) -> Any:
    return world.get(f"/devices/{device_id}/why", **query)


def test_a_lock_wins_and_what_lost_to_it_is_named_with_its_events(world: World) -> None:
    world.prove(1)
    world.prove(2)
    device_id = world.import_devices()[0]
    world.put(f"/devices/{device_id}", groups=["beta"])
    world.release(1, product_default=True)
    world.release(2, groups=["beta"])
    world.put(f"/devices/{device_id}", desired_firmware_version=1)
    found = why(world, device_id)
    assert found["target"] == {"version": 1, "rule": "locked", "group": None}
    assert [one["name"] for one in found["winner"]["events"]] == ["FirmwareLocked"]
    losers = [(one["rule"], one["version"], one["group"]) for one in found["losers"]]
    assert losers == [("group", 2, "beta"), ("default", 1, None)]
    positions = [event["position"] for event in found["events"]]
    assert positions == sorted(positions)
    assert {event["actor"] for event in found["events"]} == {f"user:{id_for('admin')}"}
    assert device_id in found["sentence"]
    assert "locked" in found["sentence"]


@pytest.mark.parametrize(
    ("change", "rule"),
    [({"development": True}, "development"), ({"name": "n"}, "none")],
)
def test_a_device_without_a_target_has_a_reason_too(
    world: World, change: dict[str, object], rule: str
) -> None:
    device_id = world.import_devices()[0]
    world.put(f"/devices/{device_id}", **change)
    assert why(world, device_id)["target"] == {"version": None, "rule": rule, "group": None}


def test_why_is_asked_as_of_the_past(world: World) -> None:
    world.prove(1)
    device_id = world.import_devices()[0]
    before = world.head()
    world.release(1, product_default=True)
    assert why(world, device_id, as_of=before)["target"]["rule"] == "none"
    now = why(world, device_id)
    assert now["target"]["rule"] == "default"
    assert now["position"] == world.head()


def test_a_past_handshake_is_decided_again(world: World) -> None:
    world.prove(1)
    device_id = world.import_devices()[0]
    before = world.head()
    right = world.handshake(device_id, None, told=Told.NOTHING, based_on=before)
    world.release(1, product_default=True)
    wrong = world.handshake(device_id, None, told=Told.NOTHING, based_on=world.head())
    told = why(world, device_id, handshake=right)
    assert told["handshake"]["based_on"] == before
    assert told["position"] == before
    assert told["handshake"]["decided_again"]["told"] == "nothing"
    told = why(world, device_id, handshake=wrong)
    assert told["handshake"]["right"] is False
    assert told["handshake"]["told"]["told"] == "nothing"
    assert told["handshake"]["decided_again"]["told"] == "update"
    assert "FirmwareReleased" in [event["name"] for event in told["events"]]


def test_only_a_handshake_of_this_device_is_explained(world: World) -> None:
    first, second = world.import_devices(2)
    position = world.handshake(first, 1)
    for handshake in (position, position + 1, 10**15):
        world.refused("GET", f"/devices/{second}/why", 404, params={"handshake": handshake})
    world.refused("GET", f"/devices/{first}/why", 404, params={"handshake": position + 1})
    for query in ({"handshake": "x"}, {"handshake": 0}):
        error = world.refused("GET", f"/devices/{first}/why", 400, params=query)
        assert error["field"] == "handshake"
    both = {"handshake": position, "as_of": position}
    assert world.refused("GET", f"/devices/{first}/why", 400, params=both)["field"] == "as_of"
