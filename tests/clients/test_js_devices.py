"""A device's owner and their app: particle-api-js on devices that are online."""

import secrets

import pytest

from rollcall.reference_answers import Offer, returning
from rollcall.reference_device import ReferenceDevice
from rollcall.sample_firmware import build
from tests.clients.field import PLATFORM, Field, new_id
from tests.clients.people import People, Person
from tests.projections.patience import eventually

CLAIM_CODE_CHARACTERS = 63


@pytest.fixture(scope="module")
def owner(people: People) -> Person:
    return people.sign_up()


@pytest.fixture
def lamp(devices: Field, owner: Person) -> ReferenceDevice:
    """A device that its owner has claimed."""
    device = devices.connect()
    assert owner.js.call("claimDevice", deviceId=device.device_id)["ok"] is True
    return device


def test_a_device_is_claimed_looked_at_and_given_up(devices: Field, people: People) -> None:
    owner, device = people.sign_up(), devices.connect()
    of = {"deviceId": device.device_id}
    assert owner.js.call("listDevices") == []
    assert owner.js.call("claimDevice", **of)["ok"] is True
    assert owner.js.call("claimDevice", **of)["ok"] is True

    (listed,) = owner.js.call("listDevices")
    assert (listed["id"], listed["online"], listed["connected"]) == (device.device_id, True, True)
    assert listed["platform_id"] == listed["product_id"] == PLATFORM
    found = owner.js.call("getDevice", **of)
    assert (found["id"], found["owner"]) == (device.device_id, owner.email)

    assert owner.js.call("removeDevice", **of)["ok"] is True
    assert owner.js.call("listDevices") == []
    assert owner.js.refused("getDevice", **of).status == 403


def test_anothers_device_is_not_claimed_but_asked_for(
    lamp: ReferenceDevice, people: People
) -> None:
    of, other = {"deviceId": lamp.device_id}, people.sign_up()
    refused = other.js.refused("claimDevice", **of)
    assert refused.status == 403
    assert refused.body["errors"] == ["That belongs to someone else."]
    assert other.js.call("claimDevice", **of, requestTransfer=True)["transfer_id"]
    unseen = other.js.refused("getDevice", **of)
    unknown = other.js.refused("getDevice", deviceId=new_id())
    assert unseen.status == unknown.status == 403
    assert unseen.body["info"] == unknown.body["info"]
    assert unseen.body["info"].startswith("I didn't recognize that device name or ID")


def test_a_device_that_never_was_is_not_claimed(owner: Person) -> None:
    refused = owner.js.refused("claimDevice", deviceId=new_id())
    assert refused.status in (403, 404)
    assert "device not found" in refused.sentence


def test_a_device_is_named_noted_and_made_to_blink(lamp: ReferenceDevice, owner: Person) -> None:
    js, of = owner.js, {"deviceId": lamp.device_id}
    name = f"lamp-{secrets.token_hex(3)}"
    assert js.call("renameDevice", **of, name=name)["name"] == name
    assert js.call("setDeviceNotes", **of, notes="bright")["notes"] == "bright"
    assert js.call("updateDevice", **of, notes="very bright")["notes"] == "very bright"
    found = js.call("getDevice", deviceId=name)
    assert (found["id"], found["notes"]) == (lamp.device_id, "very bright")
    blinking = js.call("signalDevice", **of, signal=True)
    assert (blinking["id"], blinking["connected"], blinking["signaling"]) == (
        lamp.device_id,
        True,
        True,
    )
    assert js.call("signalDevice", **of, signal=False)["signaling"] is False


def test_functions_are_called_and_variables_are_read(devices: Field, owner: Person) -> None:
    heard: list[str] = []

    def check(argument: str) -> int:
        heard.append(argument)
        return 200

    offer = Offer(
        functions={"check": check},
        variables={"name": "stroby", "version": 42, "heat": 21.5, "blinking": True},
    )
    device = devices.connect(offer=offer)
    of = {"deviceId": device.device_id}
    owner.js.call("claimDevice", **of)
    found = owner.js.call("getDevice", **of)
    assert found["functions"] == ["check"]
    assert found["variables"]["version"] == "int32"

    called = owner.js.call("callFunction", **of, name="check", argument="now")
    assert (called["id"], called["connected"], called["return_value"]) == (
        device.device_id,
        True,
        200,
    )
    owner.js.call("callFunction", **of, name="check")
    assert heard == ["now", ""]
    for name, value in offer.variables.items():
        read = owner.js.call("getVariable", **of, name=name)
        assert (read["name"], read["result"]) == (name, value)
        assert read["coreInfo"]["deviceID"] == device.device_id


def test_what_a_device_does_not_have_is_said_so(lamp: ReferenceDevice, owner: Person) -> None:
    of = {"deviceId": lamp.device_id}
    unknown = owner.js.refused("getVariable", **of, name="age")
    assert (unknown.status, unknown.body["error"]) == (404, "Unknown Variable: age")
    assert owner.js.refused("callFunction", **of, name="fly").status == 404


def test_a_device_that_is_off_is_not_waited_for(devices: Field, owner: Person) -> None:
    device = devices.connect(offer=Offer(variables={"name": "stroby"}))
    of = {"deviceId": device.device_id}
    owner.js.call("claimDevice", **of)
    devices.disconnect(device)
    refused = owner.js.refused("getVariable", **of, name="name")
    assert (refused.status, refused.body["error"]) == (408, "timed out")


def test_members_of_a_team_ask_the_devices_of_their_product(devices: Field, people: People) -> None:
    maker = people.sign_up()
    product, device_id = maker.create_product()["id"], new_id()
    of = {"product": product, "deviceId": device_id}
    maker.js.call("addDeviceToProduct", **of)
    offer = Offer(functions={"check": returning(200)}, variables={"version": 42})
    devices.connect(device_id, product_id=product, offer=offer)
    assert maker.js.call("callFunction", **of, name="check")["return_value"] == 200
    assert maker.js.call("getVariable", **of, name="version")["result"] == 42
    assert maker.js.call("signalDevice", **of, signal=True)["signaling"] is True


def test_events_are_published_to_oneself_and_to_a_product(owner: Person) -> None:
    assert owner.js.call("publishEvent", name="opened", data="door")["ok"] is True
    assert owner.js.call("publishEvent", name="opened", isPrivate=True)["ok"] is True
    product = owner.create_product()["id"]
    told = {"name": "opened", "data": "door", "product": product}
    assert owner.js.call("publishEvent", **told)["ok"] is True


def test_a_device_that_shows_a_claim_code_is_claimed(devices: Field, people: People) -> None:
    owner = people.sign_up()
    code = owner.js.call("getClaimCode")
    assert len(code["claim_code"]) == CLAIM_CODE_CHARACTERS
    assert code["device_ids"] == []
    device = devices.connect(claim_code=code["claim_code"])
    (found,) = eventually(lambda: owner.js.call("listDevices"))
    assert found["id"] == device.device_id
    assert owner.js.call("getClaimCode")["device_ids"] == [device.device_id]


def test_a_product_gives_up_its_claim_code_too(devices: Field, people: People) -> None:
    maker = people.sign_up()
    product = maker.create_product()["id"]
    assert maker.js.call("getClaimCode", product=product)["claim_code"]


def test_a_device_is_found_by_its_serial_number(devices: Field, owner: Person) -> None:
    number = f"P{secrets.token_hex(7).upper()}"
    device = devices.connect(offer=Offer(numbers={"serial_number": number}))
    owner.js.call("claimDevice", deviceId=device.device_id)
    found = owner.js.call("lookupSerialNumber", serialNumber=number)
    assert (found["deviceID"], found["platform_id"]) == (device.device_id, PLATFORM)
    assert owner.js.refused("lookupSerialNumber", serialNumber="nobody's").status == 404


def test_the_owner_of_a_product_device_is_removed(devices: Field, people: People) -> None:
    maker = people.sign_up()
    product, device_id = maker.create_product()["id"], new_id()
    of = {"product": product, "deviceId": device_id}
    maker.js.call("addDeviceToProduct", **of)
    devices.connect(device_id, product_id=product)
    maker.js.call("claimDevice", deviceId=device_id)
    assert maker.js.call("getDevice", **of)["owner"] == maker.email
    assert maker.js.call("removeDeviceOwner", **of)["ok"] is True
    assert maker.js.call("getDevice", **of)["owner"] is None


def test_a_new_device_is_made_up_for_ones_own_product(owner: Person, people: People) -> None:
    product = owner.create_product()["id"]
    made = owner.js.call("provisionDevice", productId=product)
    of = {"product": product, "deviceId": made["device_id"]}
    assert owner.js.call("getDevice", **of)["owner"] == owner.email
    assert people.sign_up().js.refused("provisionDevice", productId=product).status == 403


def test_a_device_in_no_product_is_flashed(
    lamp: ReferenceDevice, owner: Person, devices: Field
) -> None:
    firmware = build(0, 1, PLATFORM)
    flashed = owner.js.call("flashDevice", deviceId=lamp.device_id, files={"app.bin": firmware})
    assert flashed["status"] == "Update started"
    devices.until(lamp, lambda device: device.firmware == firmware)
