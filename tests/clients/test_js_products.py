"""A product manager's program: particle-api-js on products, their devices, firmware and team."""

import secrets
from typing import Any

import pytest

from rollcall.reference_device import ReferenceDevice
from rollcall.sample_firmware import build
from tests.clients.field import PLATFORM, Field, new_id
from tests.clients.particle_js import ParticleJs
from tests.clients.people import People, Person
from tests.clients.refusals import COMPILER
from tests.projections.patience import eventually


@pytest.fixture
def maker(people: People) -> Person:
    """Somebody who makes things."""
    return people.sign_up()


@pytest.fixture
def product(maker: Person) -> dict[str, Any]:
    return maker.create_product()


def upload(js: ParticleJs, product: int, version: int) -> dict[str, Any]:
    content = build(product, version, PLATFORM, seed=version)
    asked = {"file": content, "version": version, "title": f"version {version}"}
    made: dict[str, Any] = js.call("uploadProductFirmware", product=product, **asked)
    return made


def add(js: ParticleJs, product: int) -> str:
    device_id = new_id()
    added = js.call("addDeviceToProduct", product=product, deviceId=device_id)
    assert added["updatedDeviceIds"] == [device_id]
    return device_id


def run(js: ParticleJs, devices: Field, product: int, version: int) -> ReferenceDevice:
    """A device of the product that runs a version, as the product knows by now."""
    device = devices.connect(add(js, product), product_id=product, version=version)
    of = {"product": product, "version": version}
    eventually(lambda: js.call("getProductFirmware", **of)["proven_by"])
    return device


def test_products_are_those_of_the_caller(
    maker: Person, product: dict[str, Any], people: People
) -> None:
    assert [one["id"] for one in maker.js.call("listProducts")["products"]] == [product["id"]]
    for named in (product["id"], product["slug"]):
        found = maker.js.call("getProduct", product=named)["product"]
        assert (found["name"], found["user"]) == (product["name"], maker.email)
    assert people.sign_up().js.call("listProducts")["products"] == []


def test_anothers_product_is_answered_as_one_that_is_not_there(
    maker: Person, product: dict[str, Any], people: People
) -> None:
    stranger = people.sign_up()
    refused = stranger.js.refused("getProduct", product=product["id"])
    unknown = maker.js.refused("getProduct", product=65_000)
    assert refused.status == unknown.status == 403
    assert "Permission denied" in refused.sentence
    assert refused.body["error_description"] == unknown.body["error_description"]


def test_devices_are_added_listed_and_removed(maker: Person, product: dict[str, Any]) -> None:
    of = {"product": product["id"]}
    one, other = add(maker.js, product["id"]), new_id()
    imported = maker.js.call("addDeviceToProduct", **of, file=f"{one}\n{other}\nnonsense".encode())
    assert imported["updated"] == 1
    assert imported["updatedDeviceIds"] == [other]
    assert imported["existingDeviceIds"] == [one]
    assert imported["invalidDeviceIds"] == ["nonsense"]
    assert imported["nonmemberDeviceIds"] == []

    second = {"perPage": 1, "page": 2, "sortAttr": "deviceId", "sortDir": "asc"}
    listed = maker.js.call("listDevices", **of, **second)
    assert [device["id"] for device in listed["devices"]] == [max(one, other)]
    assert listed["meta"]["total_pages"] == 2
    found = maker.js.call("listDevices", **of, deviceId=other[:8])["devices"]
    assert [device["id"] for device in found] == [other]

    assert maker.js.call("removeDevice", **of, deviceId=one) == {}
    assert maker.js.call("removeDevice", **of, deviceId=other, deny=True) == {}
    listed = maker.js.call("listDevices", **of)["devices"]
    assert [(device["id"], device["denied"]) for device in listed] == [(other, True)]
    refused = maker.js.refused("removeDevice", **of, deviceId=new_id())
    assert refused.status == 404
    assert "Device not found for this product" in refused.sentence


def test_a_product_device_is_changed(
    maker: Person, product: dict[str, Any], devices: Field
) -> None:
    js, of = maker.js, {"product": product["id"], "deviceId": add(maker.js, product["id"])}
    upload(js, product["id"], 1)
    assert js.call("renameDevice", **of, name="kitchen")["name"] == "kitchen"
    assert js.call("setDeviceNotes", **of, notes="by the door")["notes"] == "by the door"
    assert js.call("markAsDevelopmentDevice", **of)["development"] is True
    assert js.call("markAsDevelopmentDevice", **of, development=False)["development"] is False
    locked = js.call("lockDeviceProductFirmware", **of, desiredFirmwareVersion=1, flash=True)
    assert locked["desired_firmware_version"] == 1
    device = js.call("getDevice", **of)
    assert (device["name"], device["notes"]) == ("kitchen", "by the door")
    assert (device["desired_firmware_version"], device["development"]) == (1, False)
    unlocked = js.call("unlockDeviceProductFirmware", **of)
    assert unlocked["desired_firmware_version"] is None
    changed = js.call("updateDevice", **of, name="cellar", notes="", development=True)
    assert changed["name"] == "cellar"
    assert js.call("getDevice", **of)["development"] is True


def test_a_development_device_is_flashed_directly(
    maker: Person, product: dict[str, Any], devices: Field
) -> None:
    of = {"product": product["id"], "deviceId": add(maker.js, product["id"])}
    device = devices.connect(of["deviceId"], product_id=product["id"])
    maker.js.call("markAsDevelopmentDevice", **of)
    firmware = build(product["id"], 7, PLATFORM)
    flashed = maker.js.call("flashDevice", **of, files={"firmware.bin": firmware})
    assert flashed["status"] == "Update started"
    devices.until(device, lambda it: it.firmware == firmware)


def test_sources_are_not_compiled(maker: Person, product: dict[str, Any]) -> None:
    of = {"product": product["id"], "deviceId": add(maker.js, product["id"])}
    sources = {"lamp.ino": b"void setup() {}", "lib/lamp.h": b"// shine"}
    refused = maker.js.refused("flashDevice", **of, files=sources)
    assert (refused.status, refused.body["error"]) == (400, "not_supported")
    assert COMPILER in refused.sentence


def test_firmware_is_uploaded_read_changed_and_downloaded(
    maker: Person, product: dict[str, Any]
) -> None:
    js, of = maker.js, {"product": product["id"]}
    content = build(product["id"], 3, PLATFORM)
    made = js.call("uploadProductFirmware", **of, file=content, version=3, title="winter")
    assert (made["version"], made["title"]) == (3, "winter")
    changed = js.call("updateProductFirmware", **of, version=3, title="spring", description="new")
    assert changed["title"] == "spring"
    assert js.call("getProductFirmware", **of, version=3)["description"] == "new"
    assert [one["version"] for one in js.call("listProductFirmware", **of)] == [3]
    assert js.call("downloadProductFirmware", **of, version=3) == content


def test_a_wrong_binary_is_refused_naming_both_versions(
    maker: Person, product: dict[str, Any]
) -> None:
    asked = {"file": build(product["id"], 2, PLATFORM), "version": 3, "title": "t"}
    refused = maker.js.refused("uploadProductFirmware", product=product["id"], **asked)
    assert refused.status == 400
    assert "the binary says 2, the upload says 3" in refused.sentence


def test_firmware_is_released_once_a_device_has_run_it(
    maker: Person, product: dict[str, Any], devices: Field
) -> None:
    js, number = maker.js, product["id"]
    release = {"product": number, "version": 2, "product_default": True, "intelligent": True}
    upload(js, number, 1)
    upload(js, number, 2)
    assert js.refused("releaseProductFirmware", **release).status == 400

    older = run(js, devices, number, 1)
    newer = run(js, devices, number, 2)
    released = js.call("releaseProductFirmware", **release)
    assert (released["product_default"], released["intelligent"]) == (True, True)
    devices.until(older, lambda it: it.version == 2)
    assert js.call("listProductFirmware", product=number)[0]["product_default"] is True
    assert newer.version == 2


def test_a_team_is_invited_listed_and_left(
    maker: Person, product: dict[str, Any], people: People
) -> None:
    of, colleague = {"product": product["id"]}, people.sign_up()
    invited = maker.js.call("inviteTeamMember", **of, username=colleague.email)
    assert invited["invited"]["username"] == colleague.email
    assert colleague.js.refused("listDevices", **of).status == 403

    accept = f"/v1/user/invitations/{product['id']}/accept"
    assert colleague.js.call("post", uri=accept)["ok"] is True
    team = maker.js.call("listTeamMembers", **of)["team"]
    assert [one["username"] for one in team] == [maker.email, colleague.email]
    eventually(lambda: colleague.js.succeeds("listDevices", **of))
    refused = maker.js.refused("removeTeamMember", **of, username=maker.email)
    assert refused.status == 409
    assert "The owner cannot be removed" in refused.sentence

    assert maker.js.call("removeTeamMember", **of, username=colleague.email)["ok"] is True
    eventually(lambda: not colleague.js.succeeds("listDevices", **of))
    assert colleague.js.refused("listDevices", **of).body["error"] == "permission_denied"


def test_a_program_on_the_team_may_do_what_its_scopes_say(
    maker: Person, product: dict[str, Any], library: ParticleJs
) -> None:
    wanted = {"friendly_name": "importer", "scopes": ["devices:list", "devices:import"]}
    made = maker.js.call("post", uri=f"/v1/products/{product['id']}/team", data=wanted)
    program = library.having(auth=made["created"]["tokens"][0]["token"])
    of = {"product": product["id"]}
    device_id = add(program, product["id"])
    assert [one["id"] for one in program.call("listDevices", **of)["devices"]] == [device_id]
    refused = program.refused("renameDevice", **of, deviceId=device_id, name="kitchen")
    assert refused.status == 403
    refused = program.refused("createOAuthClient", name="app", type="installed")
    assert (refused.status, refused.body["error"]) == (400, "unauthorized")


def test_an_organization_has_products_and_a_team(maker: Person, people: People) -> None:
    name, colleague = f"org {secrets.token_hex(4)}", people.sign_up()
    made = maker.js.call("post", uri="/v1/orgs", data={"name": name})["organization"]
    asked = {"product": {"name": f"{name} fleet", "platform_id": PLATFORM}}
    address = f"/v1/orgs/{made['slug']}"
    product = maker.js.call("post", uri=f"{address}/products", data=asked)["product"]["id"]
    invited = {"username": colleague.email, "role": "View-only"}
    maker.js.call("post", uri=f"{address}/team", data=invited)
    colleague.js.call("post", uri=f"/v1/user/invitations/{made['id']}/accept")
    eventually(lambda: colleague.js.succeeds("listDevices", product=product))
    assert colleague.js.call("getProduct", product=product)["product"]["id"] == product
    refused = colleague.js.refused("addDeviceToProduct", product=product, deviceId=new_id())
    assert (refused.status, refused.body["error"]) == (403, "insufficient_scope")
