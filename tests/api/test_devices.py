"""Devices of a product: listed, searched, sorted, paged, shown now and as of the past."""

import pytest

from domain.hello import Told
from tests.api.world import World, new_id

KEYS_OF_LIST = {
    *("denied", "development", "firmware_product_id", "firmware_version", "groups", "id"),
    *("last_handshake_at", "last_ip_address", "name", "online", "owner", "platform_id"),
    *("product_id", "quarantined", "serial_number", "system_firmware_version"),
    *("targeted_firmware_release_version", "desired_firmware_version", "notes", "status"),
}
KEYS_OF_ONE = KEYS_OF_LIST | {
    *("cellular", "connected", "current_build_target", "default_build_target", "functions"),
    *("firmware_updates_enabled", "firmware_updates_forced", "last_heard", "mobile_secret"),
    *("variables", "device_protection"),
}


def ids_of(world: World, **query: object) -> list[str]:
    return [device["id"] for device in world.get("/devices", **query)["devices"]]


def test_a_device_has_every_key_that_clients_read(world: World) -> None:
    device_id = world.import_devices()[0]
    assert world.device(device_id).keys() >= KEYS_OF_ONE
    assert world.get("/devices")["devices"][0].keys() >= KEYS_OF_LIST


def test_a_device_shows_what_it_said_when_it_shook_hands(world: World) -> None:
    device_id = world.import_devices()[0]
    world.handshake(device_id, 3, told=Told.PENDING, updates_enabled=False, system_version="6.3.0")
    device = world.device(device_id)
    assert device["online"] is device["connected"] is True
    assert device["firmware_version"] == 3
    assert device["firmware_product_id"] == world.id
    assert device["firmware_updates_enabled"] is False
    assert device["system_firmware_version"] == "6.3.0"
    assert device["last_handshake_at"].endswith("Z")
    world.disconnect(device_id)
    assert world.device(device_id)["online"] is False


def test_a_device_id_is_taken_in_any_case(world: World) -> None:
    device_id = world.import_devices()[0]
    assert world.device(device_id.upper())["id"] == device_id


@pytest.mark.parametrize("name", ["f" * 24, "short", "g" * 24, "%00" * 24, "f" * 24 + "%0A"])
def test_a_device_that_is_not_in_the_product_is_not_found(world: World, name: str) -> None:
    for method in ("GET", "DELETE"):
        error = world.refused(method, f"/devices/{name}", 404)
        assert error["error_description"].rstrip(".") == "Device not found for this product"
    world.refused("PUT", f"/devices/{name}", 404, json={"name": "n"})
    world.refused("GET", f"/devices/{name}/why", 404)
    world.refused("GET", f"/devices/{name}/history", 404)
    world.refused("POST", f"/devices/{name}/retry", 404)


def test_a_device_of_another_product_is_not_found(world: World) -> None:
    device_id = world.import_devices()[0]
    other = world.api.post("/v1/products", json={"name": "other", "platform_id": 6}).json()
    path = f"/v1/products/{other['product']['id']}/devices/{device_id}"
    assert world.api.get(path).status_code == 404
    assert world.api.put(path, json={"name": "mine"}).status_code == 404
    assert world.api.get(f"{path}/why").status_code == 404
    assert world.api.get(f"{path}/history").status_code == 404


def test_devices_are_listed_last_connection_first(world: World) -> None:
    first, second, never = world.import_devices(3)
    world.handshake(first, 1)
    world.handshake(second, 1)
    assert ids_of(world) == [second, first, never]
    assert ids_of(world, sortDir="asc") == [never, first, second]


def test_devices_are_sorted_by_what_is_asked_for(world: World) -> None:
    a, b, c = sorted(world.import_devices(3))
    for device_id, name, version in ((a, "mango", 2), (b, "apple", 3), (c, "zebra", 1)):
        world.put(f"/devices/{device_id}", name=name)
        world.handshake(device_id, version)
    assert ids_of(world, sortAttr="deviceName", sortDir="asc") == [b, a, c]
    assert ids_of(world, sortAttr="deviceName", sortDir="desc") == [c, a, b]
    assert ids_of(world, sortAttr="deviceId", sortDir="asc") == [a, b, c]
    assert ids_of(world, sortAttr="firmwareVersion", sortDir="desc") == [b, a, c]
    world.put(f"/devices/{c}", development=True)
    assert ids_of(world, sortAttr="firmwareVersion", sortDir="desc") == [c, b, a]
    error = world.refused("GET", "/devices", 400, params={"sortAttr": "colour"})
    assert error["field"] == "sortAttr"


def test_devices_are_found_by_part_of_their_id_or_name(world: World) -> None:
    first, second = world.import_devices(2)
    world.put(f"/devices/{first}", name="Green_100%")
    assert ids_of(world, deviceId=second[4:20].upper()) == [second]
    assert ids_of(world, deviceName="green_100%") == [first]
    assert ids_of(world, device_name="n_1") == [first]
    assert ids_of(world, deviceName="%") == [first]
    assert ids_of(world, serialNumber="PH-1") == []


def test_devices_are_found_by_group(world: World) -> None:
    first, second, third = world.import_devices(3)
    world.put(f"/devices/{first}", groups=["beta"])
    world.put(f"/devices/{second}", groups=["alpha", "beta"])
    assert sorted(ids_of(world, groups="beta")) == sorted([first, second])
    assert ids_of(world, groups="alpha, nowhere") == [second]
    assert ids_of(world, groups="nowhere") == []
    assert third in ids_of(world)


def test_devices_are_found_by_being_online(world: World) -> None:
    first, second = world.import_devices(2)
    world.handshake(first, 1)
    assert ids_of(world, online="true") == [first]
    assert ids_of(world, online="false") == [second]
    # … and, beside it, by what keeps them from their target.
    assert ids_of(world, online="true", reason="no_release") == [first]
    found = world.get("/devices", online="true")
    assert found["meta"]["total"] == 1


def test_quarantined_and_denied_devices_are_listed_with_their_marks(world: World) -> None:
    member = world.import_devices()[0]
    stranger = new_id()
    world.handshake(stranger, 1, told=Told.QUARANTINED)
    world.until(lambda: ids_of(world, quarantined="true") == [stranger])
    device = world.device(stranger)
    assert (device["quarantined"], device["denied"]) == (True, False)
    assert set(ids_of(world)) == {member, stranger}
    world.api.request("DELETE", f"{world.path}/devices/{stranger}", json={"deny": True})
    device = world.device(stranger)
    assert (device["quarantined"], device["denied"]) == (True, True)
    assert world.get()["product"]["device_count"] == 1


def test_devices_come_in_pages(world: World) -> None:
    ids = sorted(world.import_devices(7))
    pages = [
        world.get("/devices", sortAttr="deviceId", sortDir="asc", page=page, per_page=3)
        for page in (1, 2, 3, 4)
    ]
    assert [len(page["devices"]) for page in pages] == [3, 3, 1, 0]
    assert [one["id"] for page in pages for one in page["devices"]] == ids
    assert pages[0]["meta"] == {"page": 1, "per_page": 3, "total": 7, "total_pages": 3}
    assert pages[0]["customers"] == []
    assert len(world.get("/devices", perPage=2)["devices"]) == 2


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"per_page": 101}, "per_page"),
        ({"per_page": 0}, "per_page"),
        ({"page": 0}, "page"),
        ({"page": "one"}, "page"),
        ({"page": 10**7}, "page"),
        ({"deviceName": "n" * 129}, "deviceName"),
        ({"quarantined": "perhaps"}, "quarantined"),
        ({"reason": "bad-luck"}, "reason"),
        ({"deviceName": "a\0b"}, "deviceName"),
    ],
)
def test_a_query_that_cannot_be_is_refused(
    world: World, query: dict[str, object], field: str
) -> None:
    assert world.refused("GET", "/devices", 400, params=query)["field"] == field


def test_a_device_shows_its_targets(world: World) -> None:
    runner = world.prove(1)
    world.upload(2)
    other = world.import_devices()[0]
    world.release(1, product_default=True)
    world.put(f"/devices/{other}", desired_firmware_version=2)
    device = world.device(other)
    assert device["desired_firmware_version"] == 2
    assert device["targeted_firmware_release_version"] == 1
    assert device["firmware_target"] == {"version": 2, "rule": "locked", "group": None}
    assert device["firmware_reason"] == "no_handshake"
    assert world.device(runner)["firmware_reason"] == "on_target"


def test_a_device_is_shown_as_of_a_position(world: World) -> None:
    device_id = world.import_devices()[0]
    imported = world.head()
    world.put(f"/devices/{device_id}", name="later", groups=["beta"])
    world.put("/groups/beta", name="gamma")
    grouped = world.head() - 1
    world.handshake(device_id, 1)
    then = world.get(f"/devices/{device_id}", as_of=imported)
    assert (then["name"], then["groups"], then["online"]) == (None, [], False)
    assert world.get(f"/devices/{device_id}", as_of=grouped)["groups"] == ["beta"]
    now = world.device(device_id)
    assert (now["name"], now["groups"], now["online"]) == ("later", ["gamma"], True)
    as_now = world.get(f"/devices/{device_id}", as_of=world.head())
    assert as_now == now
    error = world.refused("GET", f"/devices/{device_id}", 404, params={"as_of": imported - 1})
    assert error["error_description"] == "Device not found for this product"


def test_a_past_reply_says_which_position_it_is_of(world: World) -> None:
    device_id = world.import_devices()[0]
    at = world.head()
    world.put(f"/devices/{device_id}", name="later")
    answer = world.api.get(f"{world.path}/devices/{device_id}", params={"as_of": at})
    assert answer.headers["X-Rollcall-Position"] == str(at)
