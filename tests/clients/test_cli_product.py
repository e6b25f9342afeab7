"""A product manager's day with particle-cli."""

import json

import pytest

from rollcall.reference_answers import Offer, returning
from tests.clients.field import Field, new_id
from tests.clients.people import People, Person
from tests.clients.terminal import Terminal
from tests.cloud import Cloud

# Fields that the tests of particle-cli itself ask for.
IN_LISTS = {
    *("id", "name", "owner", "groups", "online", "platform_id", "product_id", "serial_number"),
    *("denied", "development", "quarantined", "firmware_product_id", "last_handshake_at"),
    *("last_ip_address", "system_firmware_version", "targeted_firmware_release_version"),
}
ALONE = {
    *("cellular", "connected", "current_build_target", "default_build_target", "last_heard"),
    *("firmware_updates_enabled", "firmware_updates_forced", "mobile_secret"),
}


@pytest.fixture(scope="module")
def manager(people: People) -> Person:
    return people.sign_up()


@pytest.fixture(scope="module")
def product(manager: Person) -> str:
    return str(manager.create_product()["id"])


@pytest.fixture(scope="module")
def desk(rollcall: Cloud, manager: Person, tmp_path_factory: pytest.TempPathFactory) -> Terminal:
    """The terminal where the manager has logged in."""
    terminal = Terminal(tmp_path_factory.mktemp("home"))
    terminal.knows(apiUrl=rollcall.status["http"], access_token=manager.token)
    return terminal


def test_a_product_takes_devices_and_gives_them_up(desk: Terminal, product: str) -> None:
    one, other = new_id(), new_id()
    added = desk.shows("product device add", product, one)
    assert f"Product {product} Includes:\n  {one}" in added

    (desk.home / "devices.txt").write_text(f"{one}\r\n{other.upper()}\r\nnonsense\r\n")
    added = desk.shows("product device add", product, "--file", "devices.txt")
    assert f"  {one}\n  {other.upper()}\n" in added
    assert "Skipped Invalid IDs:\n  nonsense" in added

    listed = desk.shows("product device list", product)
    assert f"[{one}] (Product {product}) is offline" in listed
    assert other in listed
    found = json.loads(desk.shows("product device list", product, one, "--json"))
    assert found["data"]["id"] == one
    page = json.loads(desk.shows("product device list", product, "--json", "--limit", "1"))
    assert (len(page["data"]), page["meta"]["current"]) == (1, 1)

    printed = desk.shows("product device remove", product, one)
    assert f"Success! Removed device {one} from product {product}" in printed
    assert one not in desk.shows("product device list", product)


def test_a_device_is_told_with_all_that_scripts_look_for(
    desk: Terminal, product: str, manager: Person
) -> None:
    one = new_id()
    manager.js.call("addDeviceToProduct", product=product, deviceId=one)
    page = json.loads(desk.shows("product device list", product, "--json", "--limit", "1"))
    assert page["data"][0].keys() >= IN_LISTS
    found = json.loads(desk.shows("product device list", product, one, "--json"))["data"]
    assert found.keys() >= IN_LISTS | ALONE


def test_devices_of_groups_and_by_name(desk: Terminal, product: str, manager: Person) -> None:
    one, other = new_id(), new_id()
    for device_id in (one, other):
        manager.js.call("addDeviceToProduct", product=product, deviceId=device_id)
    manager.js.call("renameDevice", product=product, deviceId=one, name="kitchen")
    data = {"groups": ["beta"]}
    manager.js.call("post", uri=f"/v1/products/{product}/groups", data={"name": "beta"})
    manager.js.call("put", uri=f"/v1/products/{product}/devices/{other}", data=data)
    by_name = desk.shows("product device list", product, "--name", "kitch")
    assert (one in by_name, other in by_name) == (True, False)
    by_group = desk.shows("product device list", product, "--groups", "beta")
    assert (one in by_group, other in by_group) == (False, True)


def test_what_is_not_there_is_said_so(desk: Terminal, product: str) -> None:
    for unknown in ("65000", "never-heard-of"):
        assert "Permission denied" in desk.fails("product device list", unknown)
    told = json.loads(desk.fails("product device list", "65000", "--json"))
    assert told["error"]["message"] == "Permission denied"
    assert "not found" in desk.fails("product device list", product, new_id()).lower()
    printed = desk.fails("product device remove", product, new_id())
    assert "Device not found for this product" in printed
    printed = desk.fails("product device add", product, "e00fce681f2a3b4c5d6e7f8")
    assert "must be an id" in printed
    assert desk.profile["access_token"]


def test_anothers_product_is_out_of_reach(desk: Terminal, people: People) -> None:
    theirs = str(people.sign_up().create_product()["id"])
    for words in (("list", theirs), ("add", theirs, new_id()), ("remove", theirs, new_id())):
        assert "Permission denied" in desk.fails("product device", *words)


def test_devices_of_the_product_are_asked(
    desk: Terminal, product: str, manager: Person, devices: Field
) -> None:
    device_id, of = new_id(), ("--product", product)
    manager.js.call("addDeviceToProduct", product=product, deviceId=device_id)
    offer = Offer(functions={"check": returning(200)}, variables={"version": 42})
    device = devices.connect(device_id, product_id=int(product), offer=offer)
    assert desk.shows("call", device_id, "check", "now", *of).endswith("200\n")
    assert desk.shows("get", device_id, "version", *of).endswith("42\n")
    assert "int check (String args)" in desk.shows("function list", *of)
    assert "version (int32)" in desk.shows("variable list", *of)
    desk.shows("nyan", device_id, "on", *of)
    assert device.offer.signaling
    printed = desk.shows("publish", "opened", "door", *of)
    assert f"Published event: opened to product: {product}" in printed


def test_an_event_is_published_to_an_organization(desk: Terminal, manager: Person) -> None:
    made = manager.js.call("post", uri="/v1/orgs", data={"name": "Acme"})["organization"]
    printed = desk.shows("publish", "opened", "door", "--org", made["slug"])
    assert f"Published event: opened to organization: {made['slug']}" in printed
