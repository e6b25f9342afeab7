"""Imports and owners: what outsiders have claimed stays out, what is nobody's may be claimed."""

import pytest

from domain.device_commands import QuarantineDevice
from domain.product_ownership import TransferOwnership
from domain.roles import Role
from tests.api.owners import Owners, Person
from tests.api.world import new_id


@pytest.fixture
def ann(owners: Owners) -> Person:
    return owners.person("ann")


def test_what_an_outsider_has_claimed_is_not_imported(owners: Owners, ann: Person) -> None:
    foreign, free = ann.device(), new_id()

    reply = owners.import_devices(foreign.upper(), free, foreign)

    assert reply["nonmemberDeviceIds"] == [foreign, foreign]
    assert reply["updatedDeviceIds"] == [free]
    assert reply["invalidDeviceIds"] == reply["existingDeviceIds"] == []
    missing = owners.world.api.get(f"{owners.world.path}/devices/{foreign}")
    assert missing.status_code == 404
    assert ann.get(f"/v1/devices/{foreign}")["owner"] == ann.email


def test_an_outsiders_device_that_asks_for_the_product_is_not_approved(
    owners: Owners, ann: Person
) -> None:
    foreign = ann.device()
    owners.world.record(QuarantineDevice(device_id=foreign, product_id=owners.world.id))
    assert owners.import_devices(foreign)["nonmemberDeviceIds"] == [foreign]
    assert owners.world.device(foreign)["quarantined"] is True


def test_what_a_member_has_claimed_is_imported_and_stays_theirs(owners: Owners) -> None:
    viewer = owners.member(Role.VIEW_ONLY)
    device_id = viewer.device()
    viewer.put(f"/v1/devices/{device_id}", name="Mine")

    assert owners.import_devices(device_id)["updatedDeviceIds"] == [device_id]

    device = owners.world.device(device_id)
    assert (device["owner"], device["name"]) == (viewer.email, "Mine")


def test_who_was_invited_and_has_not_accepted_is_an_outsider(owners: Owners, ann: Person) -> None:
    device_id = ann.device()
    invite, accept = owners.joining(ann)
    owners.those.do(invite)
    assert owners.import_devices(device_id)["nonmemberDeviceIds"] == [device_id]
    owners.those.do(accept)
    assert owners.import_devices(device_id)["updatedDeviceIds"] == [device_id]


def test_the_owner_of_the_product_is_of_its_team(owners: Owners, ann: Person) -> None:
    device_id = ann.device()
    owned = TransferOwnership(product_id=owners.world.id, owner=f"user:{ann.user_id}")
    owners.world.record(owned)
    assert owners.import_devices(device_id)["updatedDeviceIds"] == [device_id]


def test_so_is_the_owner_of_its_organization_and_whoever_works_there(owners: Owners) -> None:
    founder, worker = owners.person("founder"), owners.person("worker")
    organization_id = owners.organization(founder)
    owners.those.do(*owners.joining(worker, team=organization_id))
    ids = [founder.device(), worker.device()]
    assert owners.import_devices(*ids)["nonmemberDeviceIds"] == ids
    owned = TransferOwnership(product_id=owners.world.id, owner=f"organization:{organization_id}")
    owners.world.record(owned)
    assert owners.import_devices(*ids)["updatedDeviceIds"] == ids


def test_a_device_that_is_in_stays_in_whoever_claims_it(owners: Owners, ann: Person) -> None:
    device_id = owners.member_device(ann)
    assert owners.import_devices(device_id)["existingDeviceIds"] == [device_id]


def test_imported_devices_are_claimed_for_a_member(owners: Owners, ann: Person) -> None:
    developer, other = owners.member(Role.DEVELOPER), owners.member(Role.SUPPORT)
    (there,) = owners.world.import_devices()
    new, theirs, foreign = new_id(), other.device(), ann.device()
    sent = {"ids": [new, there, theirs, foreign], "claim_user": developer.email.upper()}

    reply = developer.client.post(f"{owners.world.path}/devices", json=sent).json()

    assert reply["updatedDeviceIds"] == [new, theirs]
    assert reply["existingDeviceIds"] == [there]
    assert reply["nonmemberDeviceIds"] == [foreign]
    assert {one["id"] for one in developer.get("/v1/devices")} == {new, there}
    assert owners.world.device(theirs)["owner"] == other.email


def test_beside_a_file_the_member_stands_in_the_query(owners: Owners) -> None:
    developer = owners.member(Role.DEVELOPER)
    device_id = new_id()
    answer = developer.client.post(
        f"{owners.world.path}/devices",
        params={"claim_user": developer.email},
        files={"file": ("file", device_id.encode())},
    )
    assert answer.json()["updatedDeviceIds"] == [device_id]
    assert owners.world.device(device_id)["owner"] == developer.email


@pytest.mark.parametrize("who", ["ann", "nobody@example.com", "no e-mail"])
def test_devices_are_claimed_for_nobody_but_a_member(owners: Owners, ann: Person, who: str) -> None:
    device_id = new_id()
    sent = {"id": device_id, "claim_user": ann.email if who == "ann" else who}
    answer = owners.world.api.post(f"{owners.world.path}/devices", json=sent)
    assert (answer.status_code, answer.json()["field"]) == (400, "claim_user")
    assert answer.json()["error_description"] == "claim_user: is nobody on the product's team."
    assert owners.world.api.get(f"{owners.world.path}/devices/{device_id}").status_code == 404
