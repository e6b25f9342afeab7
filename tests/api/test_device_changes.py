"""What people do with a device: name, note, group, lock, mark, force, flash, deny, remove."""

import pytest

from domain.device_events import DevelopmentMarked
from domain.hello import Told
from rollcall.sample_firmware import build
from tests.api.world import PLATFORM, World, new_id


@pytest.mark.parametrize(
    "change",
    [
        {"name": "kitchen"},
        {"notes": "by the sink"},
        {"development": True},
        {"firmware_updates_forced": True},
        {"groups": ["alpha", "beta"]},
    ],
)
def test_each_intent_changes_its_key_and_says_so(world: World, change: dict[str, object]) -> None:
    device_id = world.import_devices()[0]
    answer = world.put(f"/devices/{device_id}", **change)
    assert answer.pop("updated_at").endswith("Z")
    assert answer == {"id": device_id, "ok": True, **change}
    assert world.device(device_id).items() >= change.items()


def test_several_intents_are_done_together(world: World) -> None:
    device_id = world.import_devices()[0]
    world.upload(1)
    world.put(
        f"/devices/{device_id}", name="one", notes="two", desired_firmware_version=1, groups=["g"]
    )
    device = world.device(device_id)
    assert (device["name"], device["notes"], device["groups"]) == ("one", "two", ["g"])
    assert device["desired_firmware_version"] == 1


def test_several_intents_are_refused_together(world: World) -> None:
    device_id = world.import_devices()[0]
    body = {"name": "one", "desired_firmware_version": 9}
    error = world.refused("PUT", f"/devices/{device_id}", 400, json=body)
    assert error["field"] == "desired_firmware_version"
    assert error["details"] == {"version": 9}
    assert world.device(device_id)["name"] is None


def test_a_mark_is_taken_back(world: World) -> None:
    device_id = world.import_devices()[0]
    world.put(f"/devices/{device_id}", development=True, firmware_updates_forced=True, notes="n")
    world.put(f"/devices/{device_id}", development=False, firmware_updates_forced=False, notes=None)
    device = world.device(device_id)
    assert not device["development"]
    assert not device["firmware_updates_forced"]
    assert device["notes"] is None


def test_a_lock_is_set_and_lifted_by_json_and_by_form(world: World) -> None:
    device_id = world.import_devices()[0]
    world.upload(1)
    path = f"{world.path}/devices/{device_id}"
    world.put(f"/devices/{device_id}", desired_firmware_version=1, flash=True)
    answer = world.put(f"/devices/{device_id}", desired_firmware_version=None)
    assert answer["desired_firmware_version"] is None
    assert world.device(device_id)["desired_firmware_version"] is None
    locked = world.api.put(path, data={"desired_firmware_version": "1", "flash": "true"})
    assert locked.json()["desired_firmware_version"] == 1
    unlocked = world.api.put(path, data={"desired_firmware_version": "null"})
    assert unlocked.json()["desired_firmware_version"] is None
    assert world.device(device_id)["desired_firmware_version"] is None


def test_a_lock_may_name_a_version_that_was_never_released(world: World) -> None:
    device_id = world.import_devices()[0]
    world.upload(5)
    world.put(f"/devices/{device_id}", desired_firmware_version=5)
    assert world.device(device_id)["firmware_target"]["version"] == 5


def test_a_lock_to_a_deleted_version_is_refused(world: World) -> None:
    device_id = world.import_devices()[0]
    world.upload(1)
    assert world.api.delete(world.path + "/firmware/1").status_code == 204
    body = {"desired_firmware_version": 1}
    assert world.refused("PUT", f"/devices/{device_id}", 400, json=body)["details"] == {
        "version": 1
    }


def test_groups_are_absolute_and_made_where_there_are_none(world: World) -> None:
    device_id = world.import_devices()[0]
    world.create_group("alpha")
    world.put(f"/devices/{device_id}", groups=["alpha", "new"])
    world.put(f"/devices/{device_id}", groups=["new", "newer"])
    assert world.device(device_id)["groups"] == ["new", "newer"]
    names = [group["name"] for group in world.get("/groups")["groups"]]
    assert names == ["alpha", "new", "newer"]
    world.api.put(f"{world.path}/devices/{device_id}", data={"groups[]": ["alpha"]})
    assert world.device(device_id)["groups"] == ["alpha"]
    world.put(f"/devices/{device_id}", groups=[])
    assert world.device(device_id)["groups"] == []


def test_no_group_is_made_for_a_device_that_is_not_there(world: World) -> None:
    world.refused("PUT", f"/devices/{new_id()}", 404, json={"groups": ["ghosts"]})
    assert world.get("/groups") == {"groups": []}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "n" * 129}, "name"),
        ({"notes": "n" * 8_193}, "notes"),
        ({"notes": "a\u0000b"}, "notes"),
        ({"development": "yes"}, "development"),
        ({"desired_firmware_version": "1"}, "desired_firmware_version"),
        ({"desired_firmware_version": 0}, "desired_firmware_version"),
        ({"desired_firmware_version": 65_535}, "desired_firmware_version"),
        ({"groups": "beta"}, "groups"),
        ({"groups": ["Beta"]}, "groups[0]"),
        ({"groups": ["beta\n"]}, "groups[0]"),
        ({"groups": ["b" * 65]}, "groups[0]"),
        ({"groups": [f"g{number}" for number in range(65)]}, "groups"),
    ],
)
def test_a_value_that_cannot_be_is_named(
    world: World, change: dict[str, object], field: str
) -> None:
    device_id = world.import_devices()[0]
    before = world.device(device_id)
    assert world.refused("PUT", f"/devices/{device_id}", 400, json=change)["field"] == field
    assert world.device(device_id) == before


def test_nothing_to_change_is_said(world: World) -> None:
    device_id = world.import_devices()[0]
    for body in ({}, {"blink": 1}, {"flash": True}):
        error = world.refused("PUT", f"/devices/{device_id}", 400, json=body)
        assert "desired_firmware_version" in error["error_description"]


def test_many_devices_are_put_into_groups_at_once(world: World) -> None:
    first, second = world.import_devices(2)
    world.put(f"/devices/{first}", groups=["old"])
    body = {"add": ["new"], "remove": ["old", "never-was"]}
    answer = world.put("/devices", action="groups", devices=[first, second, first], metadata=body)
    assert answer == {"ok": True}
    assert world.device(first)["groups"] == ["new"]
    assert world.device(second)["groups"] == ["new"]


def test_a_batch_with_one_bad_device_changes_none_and_names_it(world: World) -> None:
    member, stranger = world.import_devices()[0], new_id()
    body = {"action": "groups", "devices": [member, stranger], "metadata": {"add": ["g"]}}
    error = world.refused("PUT", "/devices", 404, json=body)
    assert error["details"]["device_id"] == stranger
    assert stranger in error["error_description"]
    assert world.device(member)["groups"] == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"action": "paint", "devices": ["a" * 24], "metadata": {}}, "action"),
        ({"action": "groups", "devices": [], "metadata": {"add": ["g"]}}, "devices"),
        ({"action": "groups", "devices": ["A" * 24], "metadata": {"add": ["g"]}}, "devices[0]"),
        ({"action": "groups", "devices": ["a" * 24]}, "metadata"),
        (
            {
                "action": "groups",
                "devices": ["a" * 24],
                "metadata": {"add": ["g"], "remove": ["g"]},
            },
            "metadata",
        ),
    ],
)
def test_a_batch_that_cannot_be_is_refused(
    world: World, body: dict[str, object], field: str
) -> None:
    assert world.refused("PUT", "/devices", 400, json=body)["field"] == field
    assert world.get("/groups") == {"groups": []}


def test_a_removed_device_is_gone_and_said_so(world: World) -> None:
    device_id = world.import_devices()[0]
    removed = world.api.request("DELETE", f"{world.path}/devices/{device_id}", json={})
    assert removed.status_code == 204
    assert removed.content == b""
    world.refused("GET", f"/devices/{device_id}", 404)
    assert world.get("/devices")["devices"] == []


def test_a_denied_device_is_approved_by_importing_it(world: World) -> None:
    device_id = world.import_devices()[0]
    deny = world.api.request("DELETE", f"{world.path}/devices/{device_id}", json={"deny": True})
    assert deny.status_code == 204
    assert world.device(device_id)["denied"]
    error = world.refused("PUT", f"/devices/{device_id}", 409, json={"development": True})
    assert error["error"] == "device_not_approved"
    answer = world.api.post(world.path + "/devices", json={"id": device_id}).json()
    assert answer["updatedDeviceIds"] == [device_id]
    assert not world.device(device_id)["denied"]


def flashed(world: World, device_id: str, content: bytes) -> tuple[int, dict[str, object]]:
    files = {"file": ("app.bin", content)}
    answer = world.api.put(f"{world.path}/devices/{device_id}", files=files)
    return answer.status_code, answer.json()


def test_a_development_device_that_is_online_is_flashed(world: World) -> None:
    device_id = world.import_devices()[0]
    content = build(world.id, 77, PLATFORM)
    status, error = flashed(world, device_id, content)
    assert (status, error["error"]) == (400, "not_for_development")
    world.put(f"/devices/{device_id}", development=True)
    status, error = flashed(world, device_id, content)
    assert (status, error["error"]) == (409, "device_offline")
    world.handshake(device_id, 1)
    status, answer = flashed(world, device_id, content)
    assert status == 200
    assert answer["status"] == "Update started"
    events = world.get(f"/devices/{device_id}/history", name="BinaryFlashed")["events"]
    assert events[0]["event"]["size_bytes"] == len(content)


@pytest.mark.parametrize("platform_id", [8, 13])
def test_a_binary_for_other_hardware_is_not_flashed(world: World, platform_id: int) -> None:
    device_id = world.import_devices()[0]
    world.put(f"/devices/{device_id}", development=True)
    world.handshake(device_id, 1)
    status, error = flashed(world, device_id, build(world.id, 1, platform_id))
    assert status == 400
    assert f"platform {platform_id}" in str(error["error_description"])
    assert f"platform {PLATFORM}" in str(error["error_description"])


def test_a_source_file_is_not_flashed(world: World) -> None:
    device_id = world.import_devices()[0]
    status, error = flashed(world, device_id, b"void setup() {}")
    assert status == 400
    assert error["field"] == "file"


def test_a_stuck_device_is_offered_its_version_again_when_asked(world: World) -> None:
    device_id = world.import_devices()[0]
    not_stuck = world.api.post(f"{world.path}/devices/{device_id}/retry")
    assert not_stuck.json()["retried_firmware_version"] is None
    world.handshake(device_id, 1, told=Told.UPDATE)
    for _ in range(3):
        world.fail_update(device_id, 2, "no space")
    assert world.device(device_id)["stuck_firmware_version"] == 2
    answer = world.api.post(f"{world.path}/devices/{device_id}/retry")
    assert answer.json()["retried_firmware_version"] == 2
    assert world.device(device_id)["stuck_firmware_version"] is None


def test_saying_the_same_again_writes_nothing(world: World) -> None:
    device_id = world.import_devices()[0]
    world.put(f"/devices/{device_id}", development=True, name="n")
    before = world.head()
    world.put(f"/devices/{device_id}", development=True, name="n")
    assert world.head() == before
    history = world.get(f"/devices/{device_id}/history", name=DevelopmentMarked.__name__)
    assert len(history["events"]) == 1
