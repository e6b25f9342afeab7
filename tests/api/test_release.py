"""Releasing: the safeguard, what a preview says, and that it is what then happens."""

from itertools import product as every
from typing import Any

import pytest

from tests.api.world import World


def preview(world: World, version: int, **query: Any) -> Any:
    return world.get("/impact", firmware_version=version, **query)


def targets(world: World) -> dict[str, Any]:
    """Every device's target and the version that it runs."""
    return {
        device["id"]: (device["firmware_target"], device["firmware_version"])
        for device in world.get("/devices", per_page=100)["devices"]
    }


def test_a_version_that_never_ran_on_a_device_is_not_released(world: World) -> None:
    world.upload(1)
    for body in ({"version": 1, "product_default": True}, {"version": 1, "groups": []}):
        error = world.refused("PUT", "/firmware/release", 400, json=body)
        assert error["error"] == "firmware_unproven"
        assert error["field"] == "version"


def test_a_release_answers_with_the_firmware_as_it_is_now(world: World) -> None:
    world.prove(1)
    world.create_group("beta")
    released = world.release(1, product_default=True, groups=["beta"], intelligent=True)
    assert (
        released.items()
        >= {
            "version": 1,
            "product_default": True,
            "groups": ["beta"],
            "intelligent": True,
            "product_id": world.id,
            "title": "version 1",
            "size": 4096,
        }.items()
    )
    assert released == world.get("/firmware/1")
    assert world.get("/groups/beta")["group"]["fw_version"] == 1


def test_a_form_may_release_too(world: World) -> None:
    world.prove(1)
    world.create_group("beta")
    form = {"version": "1", "product_default": "false", "groups[]": ["beta"]}
    answer = world.api.put(world.path + "/firmware/release", data=form)
    assert answer.json()["groups"] == ["beta"]


def test_groups_are_absolute_and_move_from_version_to_version(world: World) -> None:
    world.prove(1)
    world.prove(2)
    for name in ("alpha", "beta"):
        world.create_group(name)
    world.release(1, product_default=True, groups=["alpha", "beta"])
    world.release(2, groups=["beta"])
    assert world.get("/firmware/1")["groups"] == ["alpha"]
    assert world.release(2)["groups"] == []
    assert world.get("/groups/beta")["group"]["fw_version"] is None
    assert world.get("/firmware/1")["product_default"] is True
    assert world.release(2, product_default=True)["product_default"] is True
    assert world.get("/firmware/1")["product_default"] is False


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"version": 9}, 404, "version"),
        ({"version": 1, "groups": ["nowhere"]}, 400, "groups"),
        ({"version": 1, "groups": "beta"}, 400, "groups"),
        ({"version": "1"}, 400, "version"),
        ({"product_default": True}, 400, "version"),
        ({"version": 1, "product_default": "maybe"}, 400, "product_default"),
        ({"version": 1, "as_previewed": -1}, 400, "as_previewed"),
        ({"version": 1, "as_previewed": 10**12}, 400, "position"),
    ],
)
def test_a_release_that_cannot_be_is_refused(
    world: World, body: dict[str, object], status: int, field: str
) -> None:
    world.prove(1)
    assert world.refused("PUT", "/firmware/release", status, json=body)["field"] == field
    assert world.get("/firmware/1")["released_at"] is None


def test_a_preview_counts_and_lists_who_would_be_updated(world: World) -> None:
    runner = world.prove(1)
    devices = sorted(world.import_devices(3))
    world.put(f"/devices/{devices[0]}", development=True)
    found = preview(world, 1, product_default=True, list=True)
    update = found["devices"]["firmware_update"]
    assert update == {"total": 2, "by_version": [{"version": 1, "total": 2}]}
    nothing = {"version": None, "rule": "none", "group": None}
    default = {"version": 1, "rule": "default", "group": None}
    assert found["changes"] == [{"before": nothing, "after": default, "total": 2}]
    assert found["impacted"] == [
        {"id": device_id, "firmware_version": None, "before": nothing, "after": default}
        for device_id in devices[1:]
    ]
    assert runner not in str(found)


def test_a_preview_without_list_lists_nothing(world: World) -> None:
    world.prove(1)
    assert "impacted" not in preview(world, 1, product_default=True)


def test_the_list_of_a_preview_comes_in_pages(world: World) -> None:
    world.prove(1)
    devices = sorted(world.import_devices(5))
    listed, after, position = [], "", None
    for _ in range(3):
        query: dict[str, Any] = {} if position is None else {"after": after, "position": position}
        page = preview(world, 1, product_default=True, list="1", per_page=2, **query)
        listed += [one["id"] for one in page["impacted"]]
        after, position = page.get("next"), page["position"]
    assert listed == devices
    assert after is None


def test_a_page_of_another_history_is_refused(world: World) -> None:
    world.prove(1)
    world.import_devices(5)
    first = preview(world, 1, product_default=True, list="1", per_page=2)
    world.import_devices(1)
    query = {"firmware_version": 1, "product_default": True, "position": first["position"]}
    error = world.refused("GET", "/impact", 409, params=query)
    assert error["error"] == "history_moved_on"


def test_unreleasing_shows_what_devices_fall_back_to(world: World) -> None:
    world.prove(1)
    world.prove(2)
    world.create_group("beta")
    device_id = world.import_devices()[0]
    world.handshake(device_id, 2)
    world.put(f"/devices/{device_id}", groups=["beta"])
    world.release(1, product_default=True)
    world.release(2, groups=["beta"])
    found = preview(world, 2, list=True)
    assert found["devices"]["firmware_update"]["by_version"] == [{"version": 1, "total": 1}]
    assert found["impacted"][0]["before"] == {"version": 2, "rule": "group", "group": "beta"}
    assert found["impacted"][0]["after"] == {"version": 1, "rule": "default", "group": None}


@pytest.mark.parametrize(
    ("query", "status", "field"),
    [
        ({}, 400, "firmware_version"),
        ({"firmware_version": 9}, 404, "version"),
        ({"firmware_version": "x"}, 400, "firmware_version"),
        ({"firmware_version": 1, "groups": "nowhere"}, 400, "groups"),
        ({"firmware_version": 1, "action": "guess"}, 400, "action"),
        ({"firmware_version": 1, "per_page": 1001}, 400, "per_page"),
        ({"firmware_version": 1, "position": 10**12}, 400, "position"),
    ],
)
def test_a_preview_that_cannot_be_is_refused(
    world: World, query: dict[str, object], status: int, field: str
) -> None:
    world.upload(1)
    assert world.refused("GET", "/impact", status, params=query)["field"] == field


MIXED = list(every((False, True), ("", "alpha", "alpha,beta")))


@pytest.mark.parametrize(("default", "groups"), MIXED)
def test_what_the_preview_says_is_what_then_happens(
    world: World, default: bool, groups: str
) -> None:
    a_mixed_fleet(world)
    before = targets(world)
    found = preview(world, 2, product_default=default, groups=groups, list=True, per_page=100)
    names = groups.split(",") if groups else []
    world.release(2, product_default=default, groups=names, as_previewed=found["position"])
    after = targets(world)
    happened = {
        device_id: (before[device_id][0], after[device_id][0])
        for device_id, (target, running) in after.items()
        if target["version"] is not None
        and target["version"] != before[device_id][0]["version"]
        and target["version"] != running
    }
    said = {one["id"]: (one["before"], one["after"]) for one in found["impacted"]}
    assert said == happened
    assert found["devices"]["firmware_update"]["total"] == len(happened)


def a_mixed_fleet(world: World) -> None:
    """Devices of every kind that targeting tells apart, some of which run what is to come."""
    world.prove(1)
    world.prove(2)
    for name in ("alpha", "beta"):
        world.create_group(name)
    world.release(1, product_default=True, groups=["beta"])
    kinds: list[dict[str, Any]] = [
        {"groups": []},
        {"groups": ["alpha"]},
        {"groups": ["beta"]},
        {"groups": ["alpha", "beta"]},
        {"groups": ["alpha"], "desired_firmware_version": 1},
        {"groups": ["beta"], "development": True},
    ]
    for kind, device_id in zip(kinds * 2, world.import_devices(2 * len(kinds)), strict=True):
        world.put(f"/devices/{device_id}", **kind)
        if kind["groups"]:
            world.handshake(device_id, 2 if len(kind["groups"]) == 2 else 1)


@pytest.mark.parametrize("change", ["import", "group", "lock", "run", "release"])
def test_a_release_as_previewed_is_refused_once_history_moved_on(world: World, change: str) -> None:
    world.prove(1)
    world.prove(2)
    device_id = world.import_devices()[0]
    world.create_group("beta")
    found = preview(world, 2, product_default=True)
    match change:
        case "import":
            world.import_devices()
        case "group":
            world.put(f"/devices/{device_id}", groups=["beta"])
        case "lock":
            world.put(f"/devices/{device_id}", desired_firmware_version=1)
        case "run":
            world.handshake(device_id, 2)
        case "release":
            world.release(1, groups=["beta"])
    body = {"version": 2, "product_default": True, "as_previewed": found["position"]}
    error = world.refused("PUT", "/firmware/release", 409, json=body)
    assert error["error"] == "history_moved_on"
    assert error["details"]["as_previewed"] == found["position"]
    assert error["details"]["position"] > found["position"]
    assert "preview" in error["error_description"].lower()
    again = preview(world, 2, product_default=True)
    world.release(2, product_default=True, as_previewed=again["position"])


def test_what_changes_no_target_does_not_outdate_a_preview(world: World) -> None:
    world.prove(1)
    device_id = world.import_devices()[0]
    found = preview(world, 1, product_default=True)
    world.put(f"/devices/{device_id}", name="only a name", notes="and a note")
    world.put("", name="and the product's")
    other = world.api.post("/v1/products", json={"name": "other", "platform_id": 6}).json()
    imported = {"id": "c" * 16 + f"{world.id:08x}"}
    world.api.post(f"/v1/products/{other['product']['id']}/devices", json=imported)
    world.release(1, product_default=True, as_previewed=found["position"])


def test_releasing_the_same_again_writes_nothing(world: World) -> None:
    world.prove(1)
    world.release(1, product_default=True)
    before = world.head()
    world.release(1, product_default=True)
    assert world.head() == before
