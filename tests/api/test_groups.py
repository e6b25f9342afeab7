"""Groups: created, listed, renamed, described, removed; now and as of the past."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.api.world import World


def test_a_group_is_created(world: World) -> None:
    group = world.create_group("beta", color="#ff8800", description="the brave")
    assert (
        group.items()
        >= {
            "name": "beta",
            "color": "#ff8800",
            "description": "the brave",
            "fw_version": None,
            "device_count": 0,
        }.items()
    )
    assert world.get("/groups/beta")["group"] == group
    assert world.get("/groups") == {"groups": [group]}
    assert world.get()["product"]["groups"] == ["beta"]


def test_groups_are_found_by_part_of_their_name(world: World) -> None:
    for name in ("alpha", "beta", "alphabet"):
        world.create_group(name)
    names = [group["name"] for group in world.get("/groups", name="bet")["groups"]]
    assert names == ["alphabet", "beta"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "Beta"}, "name"),
        ({"name": "b" * 65}, "name"),
        ({"name": "beta\n"}, "name"),
        ({"name": ["beta"]}, "name"),
        ({"name": "beta", "color": "orange"}, "color"),
        ({"name": "beta", "description": "d" * 4_097}, "description"),
    ],
)
def test_a_group_that_cannot_be_is_refused(
    world: World, body: dict[str, object], field: str
) -> None:
    assert world.refused("POST", "/groups", 400, json=body)["field"] == field
    assert world.get("/groups") == {"groups": []}


def test_a_name_is_given_once(world: World) -> None:
    world.create_group("beta")
    error = world.refused("POST", "/groups", 409, json={"name": "beta"})
    assert (error["error"], error["field"]) == ("group_name_taken", "name")


def test_of_many_who_create_the_same_group_one_does(world: World) -> None:
    def create(_: int) -> int:
        return world.api.post(world.path + "/groups", json={"name": "beta"}).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(create, range(8)))
    assert statuses == [201] + [409] * 7
    assert len(world.get("/groups")["groups"]) == 1


def test_a_group_is_renamed_and_keeps_its_devices_and_its_release(world: World) -> None:
    device_id = world.prove(1)
    world.put(f"/devices/{device_id}", groups=["beta"])
    world.release(1, groups=["beta"])
    group = world.put("/groups/beta", name="gamma", description="d")["group"]
    assert (group["name"], group["key"]) == ("gamma", "beta")
    assert (group["fw_version"], group["device_count"]) == (1, 1)
    assert world.device(device_id)["groups"] == ["gamma"]
    world.refused("GET", "/groups/beta", 404)


def test_a_rename_to_a_name_that_is_taken_is_refused(world: World) -> None:
    world.create_group("alpha")
    world.create_group("beta")
    error = world.refused("PUT", "/groups/beta", 409, json={"name": "alpha", "color": "000000"})
    assert error["error"] == "group_name_taken"
    assert world.get("/groups/beta")["group"]["color"] == ""


def test_a_group_is_changed_in_something(world: World) -> None:
    world.create_group("beta")
    error = world.refused("PUT", "/groups/beta", 400, json={})
    assert "name, color, description" in error["error_description"]


def test_a_removed_group_frees_its_name_and_its_devices(world: World) -> None:
    device_id = world.prove(1)
    world.put(f"/devices/{device_id}", groups=["beta"])
    world.release(1, groups=["beta"])
    assert world.api.delete(world.path + "/groups/beta").status_code == 204
    assert world.device(device_id)["groups"] == []
    assert world.device(device_id)["firmware_target"]["rule"] == "none"
    again = world.create_group("beta")
    assert again["fw_version"] is None
    assert again["device_count"] == 0
    assert again["key"] != "beta"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_a_group_that_is_not_there_is_not_found(world: World, method: str) -> None:
    for name in ("nowhere", "%00"):
        body = {"json": {"name": "x"}} if method == "PUT" else {}
        world.refused(method, f"/groups/{name}", 404, **body)
    world.refused("GET", "/groups/nowhere/history", 404)


def test_a_group_is_shown_as_of_a_position(world: World) -> None:
    world.create_group("beta", color="111111")
    created = world.head()
    world.put("/groups/beta", color="222222")
    world.put("/groups/beta", name="gamma")
    then = world.get("/groups/beta", as_of=created)["group"]
    assert (then["color"], then["device_count"]) == ("111111", None)
    assert world.refused("GET", "/groups/gamma", 404, params={"as_of": created})
    assert world.get("/groups/gamma", as_of=world.head())["group"]["color"] == "222222"
