"""Whose a serial number is, for those who may see the device."""

import secrets

import httpx
import pytest

from tests.api.calls.gadget import describe
from tests.api.serving import Served
from tests.api.world import World
from tests.people import people


@pytest.fixture
def serial_number() -> str:
    return f"P{secrets.token_hex(7).upper()}"


def found(client: httpx.Client, serial_number: str) -> httpx.Response:
    return client.get(f"/v1/serial_numbers/{serial_number}")


def test_a_device_is_found_by_its_serial_number(world: World, serial_number: str) -> None:
    (device_id,) = world.import_devices()
    world.handshake(device_id, 1)
    describe(world, device_id, serial_number=serial_number, iccid="8934076500002589174")
    answer = found(world.api, serial_number)
    assert answer.json() == {
        "ok": True,
        "deviceID": device_id,
        "device_id": device_id,
        "platform_id": 6,
        "serial_number": serial_number,
        "iccid": "8934076500002589174",
    }


@pytest.mark.parametrize("number", ["NOBODY", "%00", "x" * 65, "%25"])
def test_a_serial_number_of_no_device_is_not_found(world: World, number: str) -> None:
    describe(world, world.import_devices()[0], functions=("f",))  # it has none
    assert found(world.api, number).status_code == 404


def test_to_who_may_not_see_the_device_it_is_not_there(
    served: Served, world: World, serial_number: str
) -> None:
    (device_id,) = world.import_devices()
    describe(world, device_id, serial_number=serial_number)
    token = secrets.token_hex(20)
    with people(served.database) as those:
        those.issue(token, those.sign_up(f"stranger-{serial_number}"))
    with served.client(token) as stranger:
        there, nowhere = found(stranger, serial_number), found(stranger, "NOBODY")
    assert there.status_code == nowhere.status_code == 404
    assert {**there.json(), "request_id": ""} == {**nowhere.json(), "request_id": ""}


def test_of_two_that_say_the_same_the_one_that_said_it_last_counts(
    world: World, serial_number: str
) -> None:
    one, other = world.import_devices(2)
    for device_id in (one, other, one):
        describe(world, device_id)
        describe(world, device_id, serial_number=serial_number)
    assert found(world.api, serial_number).json()["device_id"] == one


def test_devices_are_listed_by_a_part_of_their_serial_number(
    world: World, serial_number: str
) -> None:
    one, other = world.import_devices(2)
    describe(world, one, serial_number=serial_number)
    describe(world, other, serial_number="Q" + serial_number[::-1])
    for part in (serial_number, serial_number[2:-2].lower()):
        devices = world.get("/devices", serialNumber=part)["devices"]
        assert [device["id"] for device in devices] == [one]
        assert devices[0]["serial_number"] == serial_number
    assert world.get("/devices", serialNumber="%")["devices"] == []
    assert world.get("/devices", serialNumber="nobody")["meta"]["total"] == 0
