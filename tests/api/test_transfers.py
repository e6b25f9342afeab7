"""Asking somebody for a device: the owner answers, whoever asked may think better of it."""

from typing import Any

import pytest

from domain.ownership import RequestTransfer
from tests.api.owners import Owners, Person
from tests.api.world import new_id

PAGE = "/v1/user/device_transfers"


@pytest.fixture
def ann(owners: Owners) -> Person:
    return owners.person("ann")


@pytest.fixture
def bob(owners: Owners) -> Person:
    return owners.person("bob")


def ask(who: Person, device_id: str) -> str:
    answer = who.claim(device_id, request_transfer=True)
    assert answer.status_code == 200, answer.text
    transfer_id: str = answer.json()["transfer_id"]
    assert "claimed" not in answer.json() or answer.json()["claimed"] is False
    return transfer_id


def transfers_of(who: Person) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = who.get(PAGE)["transfers"]
    return found


def answer(who: Person, method: str, path: str) -> tuple[int, Any]:
    got = who.client.request(method, f"{PAGE}/{path}")
    return got.status_code, got.json().get("error", got.json())


def test_the_owner_is_asked_and_told_by_whom(ann: Person, bob: Person) -> None:
    device_id = ann.device()
    ann.put(f"/v1/devices/{device_id}", name="Lamp")

    transfer_id = ask(bob, device_id)

    (incoming,), (outgoing,) = transfers_of(ann), transfers_of(bob)
    assert (incoming["id"], incoming["device_id"]) == (transfer_id, device_id)
    assert (incoming["incoming"], incoming["device_name"]) == (True, "Lamp")
    assert incoming["requested_by"] == bob.email
    assert incoming["expires_at"] > incoming["requested_at"]
    # Who asks learns nothing of whom they ask.
    assert (outgoing["id"], outgoing["incoming"], outgoing["device_name"]) == (
        transfer_id,
        False,
        None,
    )
    assert ann.email not in str(outgoing)
    assert ann.user_id not in str(outgoing)


def test_accepted_the_device_is_the_others(ann: Person, bob: Person) -> None:
    device_id = ann.device()
    ann.put(f"/v1/devices/{device_id}", name="Lamp of Ann")
    transfer_id = ask(bob, device_id)

    assert answer(ann, "POST", f"{transfer_id}/accept") == (200, {"ok": True})

    assert ann.get("/v1/devices") == []
    (device,) = bob.get("/v1/devices")
    assert (device["id"], device["owner"], device["name"]) == (device_id, bob.email, None)
    assert transfers_of(ann) == transfers_of(bob) == []


def test_declined_it_stays_where_it_is_and_may_be_asked_for_again(ann: Person, bob: Person) -> None:
    device_id = ann.device()
    transfer_id = ask(bob, device_id)

    assert answer(ann, "POST", f"{transfer_id}/decline") == (200, {"ok": True})

    assert ann.get(f"/v1/devices/{device_id}")["owner"] == ann.email
    assert transfers_of(ann) == transfers_of(bob) == []
    assert answer(ann, "POST", f"{transfer_id}/accept") == (404, "not_found")
    assert ask(bob, device_id) != transfer_id


def test_who_asked_may_withdraw(ann: Person, bob: Person) -> None:
    transfer_id = ask(bob, ann.device())
    assert answer(bob, "DELETE", transfer_id) == (200, {"ok": True})
    assert transfers_of(ann) == []


def test_asking_again_is_the_same_request(ann: Person, bob: Person) -> None:
    device_id = ann.device()
    assert ask(bob, device_id) == ask(bob, device_id)
    assert len(transfers_of(ann)) == 1


def test_a_transfer_is_nobody_elses_business(owners: Owners, ann: Person, bob: Person) -> None:
    eve = owners.person("eve")
    transfer_id = ask(bob, ann.device())
    for who, method, path in (
        (eve, "POST", f"{transfer_id}/accept"),
        (eve, "POST", f"{transfer_id}/decline"),
        (eve, "DELETE", transfer_id),
        (bob, "POST", f"{transfer_id}/accept"),
        (bob, "POST", f"{transfer_id}/decline"),
        (ann, "DELETE", transfer_id),
        (ann, "POST", f"{new_id()}/accept"),
    ):
        assert answer(who, method, path) == (404, "not_found")
    assert transfers_of(eve) == []
    assert len(transfers_of(ann)) == 1


def test_when_the_device_changes_hands_nobody_waits_for_it_any_more(
    owners: Owners, ann: Person, bob: Person
) -> None:
    eve = owners.person("eve")
    device_id = ann.device()
    transfer_id, others = ask(bob, device_id), ask(eve, device_id)

    answer(ann, "POST", f"{transfer_id}/accept")

    assert transfers_of(eve) == []
    assert answer(bob, "POST", f"{others}/accept") == (404, "not_found")


def test_given_up_it_need_not_be_asked_for(ann: Person, bob: Person) -> None:
    device_id = ann.device()
    ask(bob, device_id)
    ann.client.delete(f"/v1/devices/{device_id}")
    assert transfers_of(bob) == []
    claimed = bob.claim(device_id, request_transfer=True).json()
    assert claimed["claimed"] is True
    assert "transfer_id" not in claimed


def test_ones_own_device_is_not_asked_for(ann: Person) -> None:
    claimed = ann.claim(ann.device(), request_transfer=True).json()
    assert claimed["claimed"] is True
    assert transfers_of(ann) == []


def test_a_device_that_is_offline_may_be_asked_for(
    owners: Owners, ann: Person, bob: Person
) -> None:
    device_id = ann.device()
    owners.world.disconnect(device_id)
    transfer_id = ask(bob, device_id)
    assert answer(ann, "POST", f"{transfer_id}/accept") == (200, {"ok": True})


def test_a_request_that_expired_is_not_listed_and_not_accepted(
    owners: Owners, ann: Person, bob: Person
) -> None:
    device_id, transfer_id = ann.device(), new_id()
    owners.world.record(
        RequestTransfer(
            device_id=device_id,
            user_id=bob.user_id,
            transfer_id=transfer_id,
            at="2026-01-01T00:00:00.000Z",
            expires_at="2026-01-15T00:00:00.000Z",
        )
    )
    assert transfers_of(ann) == transfers_of(bob) == []
    assert answer(ann, "POST", f"{transfer_id}/accept") == (409, "transfer_expired")
    assert ask(bob, device_id) != transfer_id


def test_who_asked_and_was_erased_asks_no_more(owners: Owners, ann: Person, bob: Person) -> None:
    transfer_id = ask(bob, ann.device())
    owners.those.erase(bob.user_id)
    assert transfers_of(ann) == []
    assert answer(ann, "POST", f"{transfer_id}/accept") == (404, "not_found")
