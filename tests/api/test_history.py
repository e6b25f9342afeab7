"""The history of a product, a device, a firmware, a group: filtered, in pages, nothing left out."""

from datetime import UTC, datetime
from typing import Any

import pytest

from domain.hello import Told
from domain.roles import Role
from tests.api.serving import Served, add_token
from tests.api.teams import Around
from tests.api.world import World, new_id
from tests.people import id_for, people


def names(world: World, below: str = "", **query: Any) -> list[str]:
    return [event["name"] for event in world.get(f"{below}/history", **query)["events"]]


def test_an_event_says_who_did_it_from_where_and_when(world: World) -> None:
    request = {"X-Request-Id": "order-66"}
    world.api.put(world.path, json={"name": "renamed"}, headers=request)
    event = world.get("/history")["events"][0]
    assert (
        event.items()
        >= {
            "name": "ProductRenamed",
            "format": 1,
            "stream": f"product-{world.id}",
            "event": {"product_id": world.id, "name": "renamed"},
            "stream_version": 2,
            "actor": f"user:{id_for('admin')}",
            "by": "admin",
            "origin": "http 127.0.0.1",
            "request": "order-66",
        }.items()
    )
    assert event["recorded_at"].endswith("Z")
    assert event["position"] == world.head()


def test_who_was_erased_is_called_nothing_in_a_history(world: World, served: Served) -> None:
    with people(served.database) as those:
        around = Around(served, those, str(world.id))
        gone = around.member(Role.DEVELOPER)
        with around.clients:
            around.call(gone).post(world.path + "/groups", json={"name": "beta"})
        created = world.get("/history", name="GroupCreated")["events"][0]
        assert (created["actor"], created["by"]) == (f"user:{gone.user_id}", gone.email)
        those.erase(gone.user_id)
    created = world.get("/history", name="GroupCreated")["events"][0]
    assert created["actor"] == f"user:{gone.user_id}"
    assert "by" not in created


def test_a_product_s_history_has_its_groups_firmware_and_devices(world: World) -> None:
    device_id = world.prove(1)
    world.create_group("beta")
    world.put(f"/devices/{device_id}", name="n")
    assert {
        *("ProductCreated", "FirmwareUploaded", "DeviceImported", "DeviceHandshook"),
        *("FirmwareSeenRunning", "FirmwareProven", "GroupCreated", "DeviceNamed"),
    } <= set(names(world))
    cause = next(
        event for event in world.get("/history")["events"] if event["name"] == "FirmwareProven"
    )
    assert cause["actor"].startswith("reaction:")
    assert cause["cause"] < cause["position"]


def test_a_device_s_history_is_what_was_intended_and_what_it_did(world: World) -> None:
    device_id = world.import_devices()[0]
    world.put(f"/devices/{device_id}", name="n")
    position = world.handshake(device_id, 1)
    found = names(world, f"/devices/{device_id}", order="asc")
    assert found[:4] == ["DeviceImported", "DeviceNamed", "DeviceHandshook", "FirmwareSeenRunning"]
    handshakes = world.get(f"/devices/{device_id}/history", name="DeviceHandshook")["events"]
    assert [event["position"] for event in handshakes] == [position]


def test_what_a_device_did_elsewhere_is_not_shown_here(world: World) -> None:
    device_id = world.import_devices()[0]
    world.put(f"/devices/{device_id}", groups=["secret"])
    world.api.delete(f"{world.path}/devices/{device_id}")
    other = world.api.post("/v1/products", json={"name": "other", "platform_id": 6}).json()
    path = f"/v1/products/{other['product']['id']}/devices"
    world.api.post(path, json={"id": device_id})
    events = world.api.get(f"{path}/{device_id}/history").json()["events"]
    assert [event["name"] for event in events] == ["DeviceImported"]


def test_firmware_and_groups_have_histories(world: World) -> None:
    world.prove(1)
    world.create_group("beta")
    world.release(1, groups=["beta"])
    world.put("/groups/beta", name="gamma")
    assert names(world, "/firmware/1", order="asc") == [
        "FirmwareUploaded",
        "FirmwareProven",
        "FirmwareReleased",
    ]
    assert names(world, "/groups/gamma", order="asc") == ["GroupCreated", "GroupRenamed"]


def test_history_is_filtered_by_name_and_by_actor(world: World, served: Served) -> None:
    robot_is = f"user:{add_token(served.database, 'second', 'robot')}"
    admin_is = f"user:{id_for('admin')}"
    with served.client(token="second") as robot:
        robot.put(world.path, json={"name": "by robot"})
    world.put("", description="d")
    assert names(world, actor=robot_is) == ["ProductRenamed"]
    assert names(world, name="ProductDescribed,ProductCreated") == [
        "ProductDescribed",
        "ProductCreated",
    ]
    assert names(world, name="Nothing") == []
    assert names(world, actor="nobody") == []
    device_id = world.import_devices()[0]
    assert names(world, f"/devices/{device_id}", actor=admin_is) == ["DeviceImported"]
    assert names(world, f"/devices/{device_id}", actor=robot_is) == []


def test_history_is_bounded_by_positions_and_times(world: World) -> None:
    first = world.head()
    world.put("", name="two")
    between = datetime.now(UTC).isoformat()
    world.put("", name="three")
    assert names(world, to=first) == ["ProductCreated"]
    second: dict[str, Any] = {"from": first + 1, "to": first + 1}
    assert names(world, "", **second) == ["ProductRenamed"]
    since: dict[str, Any] = {"from": between}
    assert names(world, "", **since) == ["ProductRenamed"]
    assert len(names(world, to=between)) == 2
    assert len(names(world, to="2999-01-01T00:00:00Z")) == 3


def test_history_comes_in_pages_that_leave_nothing_out(world: World) -> None:
    for number in range(6):
        world.put("", name=f"name {number}")
    for order in ("asc", "desc"):
        whole = [event["position"] for event in world.get("/history", order=order)["events"]]
        paged: list[int] = []
        cursor: dict[str, str] = {}
        while True:
            page = world.get("/history", order=order, per_page=3, **cursor)
            paged += [event["position"] for event in page["events"]]
            if page["next"] is None:
                break
            cursor = {"cursor": page["next"]}
        assert paged == whole
        assert len(whole) == 7


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"from": "soon"}, "from"),
        ({"to": "x"}, "to"),
        ({"order": "sideways"}, "order"),
        ({"cursor": "abc"}, "cursor"),
        ({"per_page": 501}, "per_page"),
        ({"name": ",".join(["X"] * 51)}, "name"),
        ({"actor": "a" * 257}, "actor"),
    ],
)
def test_a_filter_that_cannot_be_is_refused(
    world: World, query: dict[str, object], field: str
) -> None:
    assert world.refused("GET", "/history", 400, params=query)["field"] == field


def test_a_stranger_s_handshake_is_in_the_history(world: World) -> None:
    stranger = new_id()
    world.handshake(stranger, 1, told=Told.QUARANTINED)
    world.until(lambda: "DeviceQuarantined" in names(world))
    assert "DeviceHandshook" in names(world, f"/devices/{stranger}")
