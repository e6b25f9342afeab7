"""A person's own devices: who sees them, what they are called, and giving them up."""

import secrets
from typing import Any

import pytest

from api.fleet.sandbox import DEVICES_LISTED_MAX
from domain.device_commands import QuarantineDevice
from domain.roles import Role
from rollcall.sample_firmware import build
from tests.api.owners import Owners, Person
from tests.api.world import PLATFORM, new_id

UNRECOGNIZED = {
    "ok": False,
    "error": "Permission Denied",
    "error_description": "Permission Denied: I didn't recognize that device name or ID.",
    "info": "I didn't recognize that device name or ID.",
}


@pytest.fixture
def ann(owners: Owners) -> Person:
    return owners.person("ann")


@pytest.fixture
def bob(owners: Owners) -> Person:
    return owners.person("bob")


def test_a_person_sees_the_devices_they_claimed_and_no_others(ann: Person, bob: Person) -> None:
    first, second, others = ann.device(), ann.device(), bob.device()

    listed = ann.get("/v1/devices")

    assert [device["id"] for device in listed] == [second, first]
    assert [device["id"] for device in bob.get("/v1/devices")] == [others]
    assert {device["owner"] for device in listed} == {ann.email}


def test_the_list_is_a_bare_array_a_page_at_a_time_for_who_wants_pages(ann: Person) -> None:
    ids = [ann.device() for _ in range(3)][::-1]
    assert [one["id"] for one in ann.get("/v1/devices?per_page=2&page=2")] == ids[2:]
    assert ann.client.get(f"/v1/devices?per_page={DEVICES_LISTED_MAX + 1}").status_code == 400
    assert "next" not in ann.client.get("/v1/devices").links
    first = ann.client.get("/v1/devices?per_page=2")
    rest = ann.client.get(first.links["next"]["url"])
    assert [one["id"] for one in [*first.json(), *rest.json()]] == ids
    assert "next" not in rest.links


def test_a_device_in_no_product_is_of_the_product_of_its_platform(ann: Person) -> None:
    device = ann.get(f"/v1/devices/{ann.device()}")

    assert device["product_id"] == device["platform_id"] == PLATFORM
    assert device["online"] is device["connected"] is True
    assert (device["groups"], device["desired_firmware_version"]) == ([], None)
    assert device["firmware_target"] == {"version": None, "rule": "none", "group": None}
    assert (device["quarantined"], device["denied"], device["development"]) == (False,) * 3


def test_a_device_is_found_by_id_in_any_case_or_by_name(ann: Person, bob: Person) -> None:
    device_id = ann.device()
    ann.put(f"/v1/devices/{device_id}", name="Kitchen lamp")

    for named in (device_id, device_id.upper(), "Kitchen lamp"):
        assert ann.get(f"/v1/devices/{named}")["id"] == device_id
    # Another one's name for it is nobody else's.
    assert refusal(bob, "GET", "/v1/devices/Kitchen lamp") == UNRECOGNIZED


def test_of_two_devices_of_one_name_neither_is_meant(ann: Person) -> None:
    for device_id in (ann.device(), ann.device()):
        ann.put(f"/v1/devices/{device_id}", name="Twin")
    answer = ann.client.delete("/v1/devices/Twin")
    assert (answer.status_code, answer.json()["error"]) == (409, "device_name_ambiguous")


def refusal(who: Person, method: str, path: str, **options: Any) -> dict[str, Any]:
    answer = who.client.request(method, path, **options)
    assert answer.status_code == 403, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize(
    ("method", "options"),
    [("GET", {}), ("PUT", {"json": {"name": "mine"}}), ("DELETE", {})],
    ids=["get", "rename", "remove"],
)
def test_a_foreign_device_is_answered_as_one_that_nobody_knows(
    ann: Person, bob: Person, method: str, options: dict[str, Any]
) -> None:
    foreign, unknown = ann.device(), new_id()
    path = "/v1/devices/{}".format
    assert refusal(bob, method, path(foreign), **options) == UNRECOGNIZED
    assert refusal(bob, method, path(unknown), **options) == UNRECOGNIZED
    assert refusal(bob, method, path("unheard of"), **options) == UNRECOGNIZED


def test_an_owner_changes_a_device(ann: Person) -> None:
    path = f"/v1/devices/{ann.device()}"

    renamed = ann.put(path, name="Lamp")
    noted = ann.put(path, notes="Flickers")

    assert (renamed["name"], "notes" in renamed) == ("Lamp", False)
    assert (noted["notes"], "name" in noted) == ("Flickers", False)
    device = ann.get(path)
    assert (device["name"], device["notes"]) == ("Lamp", "Flickers")
    assert ann.put(path, notes=None)["notes"] is None
    assert ann.get(path)["notes"] is None


def test_an_owner_says_what_to_change(ann: Person) -> None:
    answer = ann.client.put(f"/v1/devices/{ann.device()}", json={"owner": "me", "user_id": "x"})
    assert answer.status_code == 400
    assert "name, notes" in answer.json()["error_description"]


def test_in_no_product_there_is_nothing_to_update_a_device_to(ann: Person) -> None:
    path = f"/v1/devices/{ann.device()}"
    answer = ann.client.put(path, json={"firmware_updates_forced": True})
    assert (answer.status_code, answer.json()["error"]) == (409, "device_in_no_product")


def test_an_owner_flashes_a_device_in_no_product(ann: Person) -> None:
    path = f"/v1/devices/{ann.device()}"
    flashed = ann.client.put(path, files={"file": ("app.bin", build(PLATFORM, 1, PLATFORM))})
    assert (flashed.status_code, flashed.json()["status"]) == (200, "Update started")

    wrong = ann.client.put(path, files={"file": ("app.bin", build(PLATFORM, 1, 12))})
    assert (wrong.status_code, wrong.json()["error"]) == (400, "platform_wrong")


def test_an_owner_flashes_a_development_device_of_a_product(owners: Owners, ann: Person) -> None:
    device_id = owners.member_device(ann)
    path = f"/v1/devices/{device_id}"
    binary = {"file": ("app.bin", build(owners.world.id, 7, PLATFORM, seed=7))}

    refused = ann.client.put(path, files=binary)
    owners.world.put(f"/devices/{device_id}", development=True)
    flashed = ann.client.put(path, files=binary)

    assert refused.json()["error"] == "not_for_development"
    assert (flashed.status_code, flashed.json()["status"]) == (200, "Update started")


def test_a_device_of_a_product_is_its_owners_too(owners: Owners, ann: Person) -> None:
    device_id = owners.member_device(ann)
    ann.put(f"/v1/devices/{device_id}", name="Door", firmware_updates_forced=True)

    (listed,) = ann.get("/v1/devices")
    of_product = owners.world.device(device_id)

    assert listed == of_product
    assert (listed["product_id"], listed["platform_id"]) == (owners.world.id, PLATFORM)
    assert (of_product["name"], of_product["owner"]) == ("Door", ann.email)
    assert of_product["firmware_updates_forced"] is True
    (in_list,) = owners.world.get("/devices", deviceId=device_id)["devices"]
    assert in_list == of_product


def test_the_team_reaches_a_device_of_its_product_without_owning_it(
    owners: Owners, ann: Person
) -> None:
    device_id = owners.member_device(ann)
    developer, viewer = owners.member(Role.DEVELOPER), owners.member(Role.VIEW_ONLY)
    path = f"/v1/devices/{device_id}"

    assert viewer.get(path)["id"] == device_id
    assert viewer.get("/v1/devices") == []
    assert viewer.client.put(path, json={"name": "x"}).json()["error"] == "insufficient_scope"
    assert developer.put(path, name="By the team")["name"] == "By the team"
    assert ann.get(path)["name"] == "By the team"


def test_a_product_that_a_device_only_asks_for_has_no_say_over_it(
    owners: Owners, ann: Person
) -> None:
    device_id = ann.device()
    owners.world.record(QuarantineDevice(device_id=device_id, product_id=owners.world.id))
    developer = owners.member(Role.DEVELOPER)

    assert developer.get(f"{owners.world.path}/devices/{device_id}")["quarantined"] is True
    assert refusal(developer, "DELETE", f"/v1/devices/{device_id}") == UNRECOGNIZED
    answer = developer.client.delete(f"{owners.world.path}/devices/{device_id}/owner")
    assert (answer.status_code, answer.json()["error"]) == (409, "device_not_approved")
    assert ann.get(f"/v1/devices/{device_id}")["owner"] == ann.email


def test_an_owner_gives_a_device_up(ann: Person) -> None:
    device_id = ann.device()
    ann.put(f"/v1/devices/{device_id}", name="Diary of Ann")

    assert ann.client.delete(f"/v1/devices/{device_id}").json() == {"ok": True}

    assert ann.get("/v1/devices") == []
    assert refusal(ann, "GET", f"/v1/devices/{device_id}") == UNRECOGNIZED
    assert ann.claim(device_id).status_code == 200
    assert ann.get(f"/v1/devices/{device_id}")["name"] is None


def test_given_up_a_device_stays_in_its_product(owners: Owners, ann: Person) -> None:
    device_id = owners.member_device(ann)
    assert ann.client.delete(f"/v1/devices/{device_id}").json() == {"ok": True}
    assert owners.world.device(device_id)["owner"] is None


def test_the_team_frees_a_device_from_its_owner(owners: Owners, ann: Person) -> None:
    device_id = owners.member_device(ann)
    developer, support = owners.member(Role.DEVELOPER), owners.member(Role.SUPPORT)
    path = f"{owners.world.path}/devices/{device_id}/owner"

    assert support.client.delete(path).json()["error"] == "insufficient_scope"
    assert developer.client.delete(path).json() == {"ok": True}
    assert developer.client.delete(path).json() == {"ok": True}
    assert owners.world.device(device_id)["owner"] is None
    assert ann.get("/v1/devices") == []
    unknown = developer.client.delete(f"{owners.world.path}/devices/{new_id()}/owner")
    assert (unknown.status_code, unknown.json()["error"]) == (404, "device_not_found")


def test_removed_from_a_product_a_device_is_its_owners_still(owners: Owners, ann: Person) -> None:
    device_id = owners.member_device(ann)
    ann.put(f"/v1/devices/{device_id}", name="Door")
    assert owners.world.api.delete(f"{owners.world.path}/devices/{device_id}").status_code == 204

    device = ann.get(f"/v1/devices/{device_id}")

    assert (device["owner"], device["name"], device["product_id"]) == (ann.email, "Door", PLATFORM)


def test_what_happens_outside_a_product_is_not_for_its_team(owners: Owners, ann: Person) -> None:
    device_id = ann.device()
    ann.put(f"/v1/devices/{device_id}", name=f"secret {secrets.token_hex(4)}")
    owners.those.do(*owners.joining(ann))
    owners.import_devices(device_id)

    history = owners.world.get(f"/devices/{device_id}/history")["events"]

    assert {event["name"] for event in history} == {"DeviceImported"}


def test_what_a_device_is_called_after_it_left_a_product_is_not_for_its_team(
    owners: Owners, ann: Person
) -> None:
    device_id = owners.member_device(ann)
    ann.put(f"/v1/devices/{device_id}", name="while there")
    owners.world.api.delete(f"{owners.world.path}/devices/{device_id}")
    ann.put(f"/v1/devices/{device_id}", name="after it left")
    ann.client.delete(f"/v1/devices/{device_id}")

    of_product = owners.world.get("/history", per_page=500)["events"]
    of_device = owners.world.get(f"/devices/{device_id}/history", per_page=500)["events"]

    for history in (of_product, of_device):
        names = [one["name"] for one in history if one["event"].get("device_id") == device_id]
        assert names[0] == "DeviceRemoved"
        assert [name for name in names if "Name" in name or "laimed" in name] == [
            "DeviceNamed",
            "DeviceClaimed",
        ]


def test_as_of_the_past_a_device_was_another_ones(owners: Owners, ann: Person) -> None:
    device_id = owners.member_device(ann)
    before = owners.world.head()
    ann.client.delete(f"/v1/devices/{device_id}")

    then = owners.world.get(f"/devices/{device_id}", as_of=before)

    assert (then["owner"], owners.world.device(device_id)["owner"]) == (ann.email, None)


def test_the_devices_of_who_is_erased_are_nobodys(owners: Owners, ann: Person) -> None:
    alone, member = ann.device(), owners.member_device(ann)
    owners.those.erase(ann.user_id)

    owners.world.until(lambda: owners.world.device(member)["owner"] is None)
    bob = owners.person("bob")
    owners.world.until(lambda: bob.claim(alone).status_code == 200)


def test_a_device_claimed_while_its_owner_is_erased_is_nobodys_either(
    owners: Owners, ann: Person
) -> None:
    owners.those.erase(ann.user_id)
    device_id = owners.online_device()
    owners.claim_in_log(device_id, ann.user_id)

    bob = owners.person("bob")
    owners.world.until(lambda: bob.claim(device_id).status_code == 200)
