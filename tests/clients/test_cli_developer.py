"""A developer's day with particle-cli and devices of their own."""

import secrets
from functools import partial

import pytest

from rollcall.reference_answers import Offer, returning
from rollcall.reference_device import ReferenceDevice
from rollcall.sample_firmware import build
from tests.clients.field import PLATFORM, Field, new_id
from tests.clients.people import People, Person
from tests.clients.terminal import Terminal
from tests.cloud import Cloud


@pytest.fixture(scope="module")
def developer(people: People) -> Person:
    return people.sign_up()


@pytest.fixture(scope="module")
def desk(rollcall: Cloud, developer: Person, tmp_path_factory: pytest.TempPathFactory) -> Terminal:
    """The terminal where the developer has logged in."""
    terminal = Terminal(tmp_path_factory.mktemp("home"))
    terminal.knows(apiUrl=rollcall.status["http"], access_token=developer.token)
    return terminal


@pytest.fixture(scope="module")
def stroby(devices: Field, developer: Person) -> ReferenceDevice:
    """The developer's lamp."""
    offer = Offer(
        functions={"check": returning(200)},
        variables={"name": "stroby", "version": 42, "blinking": True},
    )
    device = devices.connect(offer=offer)
    developer.js.call("claimDevice", deviceId=device.device_id)
    return device


def test_a_device_is_claimed_renamed_and_released(desk: Terminal, devices: Field) -> None:
    device, name = devices.connect(), f"lamp-{secrets.token_hex(3)}"
    one = device.device_id
    assert f"Successfully claimed device {one}" in desk.shows("device add", one)
    assert f"Successfully renamed device {one} to: {name}" in desk.shows("device rename", one, name)
    assert f"{name} [{one}] (Photon) is online" in desk.shows("list")
    assert one in desk.shows("list", "photon")
    for other in ("offline", "boron", "somebody"):
        assert one not in desk.shows("list", other)
    assert "Okay!" in desk.shows("device remove", name, "--yes")
    assert one not in desk.shows("cloud list")
    assert "Successfully claimed" in desk.shows("cloud claim", one.upper())
    assert "Successfully renamed" in desk.shows("cloud name", one, name)
    assert "Okay!" in desk.shows("cloud remove", one, "--yes")


def test_what_is_anothers_stays_theirs(desk: Terminal, devices: Field, people: People) -> None:
    other, device = people.sign_up(), devices.connect()
    other.js.call("claimDevice", deviceId=device.device_id)
    asked = desk.shows("device add", device.device_id, answers=[("request a transfer?", "y")])
    assert "That device belongs to someone else." in asked
    assert "Transfer requested." in asked
    for unknown in (device.device_id, new_id()):
        printed = desk.fails("device rename", unknown, "mine")
        assert "Permission Denied: I didn't recognize that device name or ID" in printed
    for unknown in (new_id(), "1234567890"):
        assert "Failed to claim device: device not found\n" in desk.fails("device add", unknown)


def test_functions_and_variables_are_listed(desk: Terminal, stroby: ReferenceDevice) -> None:
    listed = desk.shows("list", stroby.device_id)
    for said in ("int check (String args)", "name (string)", "version (int32)", "blinking (bool)"):
        assert said in listed
    assert "int check (String args)" in desk.shows("function list")
    assert "version (int32)" in desk.shows("variable list")


def test_a_function_is_called(desk: Terminal, stroby: ReferenceDevice) -> None:
    assert desk.shows("call", stroby.device_id, "check", "now").endswith("200\n")
    assert desk.shows("function call", stroby.device_id, "check").endswith("200\n")
    printed = desk.fails("call", stroby.device_id, "fly")
    assert "Function call failed: Function `fly` not found" in printed


def test_a_variable_is_read(desk: Terminal, stroby: ReferenceDevice) -> None:
    assert desk.shows("get", stroby.device_id, "name") == "stroby\n"
    assert desk.shows("variable get", stroby.device_id, "version") == "42\n"
    assert desk.shows("get", "all", "blinking").endswith("true\n")
    picked = desk.shows("get", stroby.device_id, answers=[("Which variable did you want?", "")])
    assert picked.endswith("stroby\n")
    assert "Unknown Variable: age" in desk.fails("get", stroby.device_id, "age")


def test_a_variable_is_watched(desk: Terminal, stroby: ReferenceDevice) -> None:
    for command in ("monitor", "variable monitor"):
        seen = desk.starts(command, stroby.device_id, "version", until="42\n42\n")
        assert "Hit CTRL-C to stop!" in seen


def test_a_device_shouts_rainbows(desk: Terminal, stroby: ReferenceDevice, devices: Field) -> None:
    desk.shows("nyan", stroby.device_id, "on")
    assert stroby.offer.signaling
    desk.shows("cloud nyan", stroby.device_id, "off")
    assert not stroby.offer.signaling


def test_an_event_is_published(desk: Terminal) -> None:
    assert "Published event: opened" in desk.shows("publish", "opened", "door")


def test_a_device_that_is_off_is_shown_so(
    desk: Terminal, devices: Field, developer: Person
) -> None:
    device = devices.connect(offer=Offer(variables={"name": "stroby"}))
    developer.js.call("claimDevice", deviceId=device.device_id)
    devices.disconnect(device)
    assert "is offline" in desk.shows("list", device.device_id)
    assert "Timed out" in desk.fails("get", device.device_id, "name")


def test_a_development_device_of_a_product_is_flashed(
    desk: Terminal, developer: Person, devices: Field
) -> None:
    product, device_id = developer.create_product()["id"], new_id()
    developer.js.call("addDeviceToProduct", product=product, deviceId=device_id)
    device = devices.connect(device_id, product_id=product)
    first, second = (build(product, version, PLATFORM) for version in (1, 2))
    (desk.home / "app.bin").write_bytes(first)
    printed = desk.shows("cloud flash", device_id, "app.bin", "--product", str(product))
    assert f"Marking device {device_id} as a development device" in printed
    assert "Flash success!" in printed
    devices.until(device, partial(runs, first))
    assert developer.js.call("getDevice", product=product, deviceId=device_id)["development"]

    (desk.home / "app.bin").write_bytes(second)
    assert "Flash success!" in desk.shows("flash --cloud", device_id, "app.bin")
    devices.until(device, partial(runs, second))


def test_the_vendors_tinker_is_flashed(desk: Terminal, developer: Person, devices: Field) -> None:
    product, device_id = developer.create_product()["id"], new_id()
    developer.js.call("addDeviceToProduct", product=product, deviceId=device_id)
    device = devices.connect(device_id, product_id=product)
    printed = desk.shows("cloud flash", device_id, "tinker", "--product", str(product))
    assert "is now marked as a developement device" in printed
    devices.until(device, lambda it: len(it.firmware) > 0)


def test_ones_own_device_in_no_product_is_flashed(
    desk: Terminal, stroby: ReferenceDevice, devices: Field
) -> None:
    firmware = build(0, 1, stroby.platform_id)
    (desk.home / "own.bin").write_bytes(firmware)
    assert "Flash success!" in desk.shows("flash --cloud", stroby.device_id, "own.bin")
    devices.until(stroby, partial(runs, firmware))


def runs(firmware: bytes, device: ReferenceDevice) -> bool:
    return device.firmware == firmware
