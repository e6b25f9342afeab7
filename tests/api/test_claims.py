"""Claiming a device: by its id while it is online, by a code that it shows, or a new one."""

import re
import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psycopg
import pytest

from domain.claim_code import CODE_CHARACTERS, hash_of
from domain.log.fleet import Fleet
from domain.roles import Role
from tests.api.owners import Owners, Person
from tests.api.serving import Served, serving
from tests.api.world import new_id


@pytest.fixture
def ann(owners: Owners) -> Person:
    return owners.person("ann")


@pytest.fixture
def bob(owners: Owners) -> Person:
    return owners.person("bob")


def outcome(answer: httpx.Response) -> tuple[int, list[str]]:
    return answer.status_code, answer.json().get("errors", [])


def test_a_device_that_is_online_is_claimed_by_its_id_in_any_case(
    owners: Owners, ann: Person
) -> None:
    device_id = owners.online_device()

    answer = ann.claim(device_id.upper(), request_transfer=False)

    assert answer.json() == {
        "ok": True,
        "user_id": ann.user_id,
        "id": device_id,
        "deviceID": device_id,
        "device_id": device_id,
        "claimed": True,
        "connected": True,
    }
    assert ann.get(f"/v1/devices/{device_id}")["owner"] == ann.email


def test_claiming_ones_own_device_again_succeeds(owners: Owners, ann: Person) -> None:
    device_id = ann.device()
    owners.world.disconnect(device_id)
    again = ann.claim(device_id)
    assert (again.status_code, again.json()["claimed"]) == (200, True)
    assert again.json()["connected"] is False


def test_another_ones_device_is_not_claimed(ann: Person, bob: Person) -> None:
    answer = bob.claim(ann.device())
    assert outcome(answer) == (403, ["That belongs to someone else."])
    assert bob.get("/v1/devices") == []


UNKNOWN = pytest.param(secrets.token_hex(12), id="an id")


@pytest.mark.parametrize("unknown", [UNKNOWN, "no id", "x" * 24])
def test_a_device_that_nobody_heard_of_is_not_claimed(ann: Person, unknown: str) -> None:
    assert outcome(ann.claim(unknown)) == (404, ["device not found"])


def test_a_device_that_is_offline_is_not_claimed(owners: Owners, ann: Person) -> None:
    device_id = owners.online_device()
    owners.world.disconnect(device_id)
    sentence = "device not connected: it must be online to be claimed."
    assert outcome(ann.claim(device_id)) == (409, [sentence])


def test_where_the_operator_says_so_a_device_is_claimed_unseen(
    served: Served, owners: Owners, ann: Person
) -> None:
    (device_id,) = owners.world.import_devices()
    owners.world.api.delete(f"{owners.world.path}/devices/{device_id}")
    assert ann.claim(device_id).status_code == 409
    with (
        serving(served.database, claim_offline=True) as lenient,
        lenient.client(token=ann.who.token) as client,
    ):
        answer = client.post("/v1/devices", json={"id": device_id})
    assert (answer.status_code, answer.json()["connected"]) == (200, False)
    shown = ann.get(f"/v1/devices/{device_id}")
    assert (shown["product_id"], shown["platform_id"]) == (None, None)


def test_what_to_claim_must_be_said(ann: Person) -> None:
    answer = ann.client.post("/v1/devices", json={})
    assert (answer.status_code, answer.json()["field"]) == (400, "id")


def test_a_device_of_a_product_is_claimed_by_its_id_by_the_team_alone(
    owners: Owners, ann: Person
) -> None:
    (device_id,) = owners.world.import_devices()
    owners.hello(device_id)
    developer, support = owners.member(Role.DEVELOPER), owners.member(Role.SUPPORT)

    for outsider in (ann, support):
        assert outcome(outsider.claim(device_id)) == (403, ["That belongs to someone else."])
    assert developer.claim(device_id).status_code == 200
    assert developer.claim(device_id).status_code == 200


def test_two_who_claim_at_once_do_not_both_get_it(owners: Owners, ann: Person, bob: Person) -> None:
    for _ in range(5):
        device_id = owners.online_device()
        statuses = sorted(one.status_code for one in at_once(device_id, ann, bob))
        assert statuses == [200, 403]


def at_once(device_id: str, *people: Person) -> list[httpx.Response]:
    with ThreadPoolExecutor(len(people)) as threads:
        return list(threads.map(lambda person: person.claim(device_id), people))


def test_a_program_has_no_devices(owners: Owners) -> None:
    bearer = owners.bearer()
    answer = bearer.post(f"{owners.world.path}/device_claims", json={})
    assert (answer.status_code, answer.json()["error"]) == (400, "nobody_to_own_it")
    assert bearer.post("/v1/devices", json={"id": new_id()}).status_code == 403


def code_for(person: Person, path: str = "/v1/device_claims", **sent: Any) -> str:
    answer = person.client.post(path, json=sent)
    assert answer.status_code == 200, answer.text
    code: str = answer.json()["claim_code"]
    return code


def test_a_claim_code_comes_with_the_devices_one_has_already(ann: Person) -> None:
    first, second = ann.device(), ann.device()

    answer = ann.client.post("/v1/device_claims", json={"iccid": "89314404000000000000"}).json()

    assert len(answer["claim_code"]) == CODE_CHARACTERS
    assert re.fullmatch(r"[A-Za-z0-9_-]+", answer["claim_code"])
    assert answer["device_ids"] == sorted([first, second])


def test_mobile_setups_send_a_blank_form(ann: Person) -> None:
    assert ann.client.post("/v1/device_claims", data={"blank": ""}).status_code == 200


def test_a_device_that_shows_a_code_is_its_holders(owners: Owners, ann: Person) -> None:
    device_id = owners.online_device(hash_of(code_for(ann)))
    owners.world.until(lambda: [one["id"] for one in ann.get("/v1/devices")] == [device_id])


def test_a_code_is_good_for_one_device(owners: Owners, ann: Person) -> None:
    code = hash_of(code_for(ann))
    first = owners.online_device(code)
    second = owners.online_device(code)
    last = owners.online_device(hash_of(code_for(ann)))
    owners.world.until(lambda: len(ann.get("/v1/devices")) == 2)
    assert {one["id"] for one in ann.get("/v1/devices")} == {first, last} - {second}


def test_a_code_takes_nothing_from_who_has_it(owners: Owners, ann: Person, bob: Person) -> None:
    device_id = bob.device()
    owners.hello(device_id, hash_of(code_for(ann)))
    marker = owners.online_device(hash_of(code_for(ann)))
    owners.world.until(lambda: [one["id"] for one in ann.get("/v1/devices")] == [marker])
    assert bob.get(f"/v1/devices/{device_id}")["owner"] == bob.email


def test_a_code_that_nobody_issued_claims_nothing(owners: Owners, ann: Person) -> None:
    """A hash is what the log holds: who shows that instead of the code shows nothing."""
    code_hash = hash_of(code_for(ann))
    owners.online_device(hash_of(code_hash))
    marker = owners.online_device(code_hash)
    owners.world.until(lambda: [one["id"] for one in ann.get("/v1/devices")] == [marker])


def test_a_code_of_a_product_claims_its_devices_alone(owners: Owners) -> None:
    developer = owners.member(Role.DEVELOPER)
    path = f"{owners.world.path}/device_claims"
    (member,) = owners.world.import_devices()
    stranger = owners.online_device(hash_of(code_for(developer, path)))
    owners.hello(member, hash_of(code_for(developer, path)))

    owners.world.until(lambda: owners.world.device(member)["owner"] == developer.email)

    assert [one["id"] for one in developer.get("/v1/devices")] == [member] != [stranger]


def test_a_product_gives_codes_to_its_developers_alone(owners: Owners, ann: Person) -> None:
    path = f"{owners.world.path}/device_claims"
    assert owners.member(Role.SUPPORT).client.post(path).json()["error"] == "insufficient_scope"
    assert ann.client.post(path).json()["error"] == "permission_denied"


def test_the_database_does_not_hold_the_code(served: Served, ann: Person) -> None:
    answer = ann.client.post("/v1/device_claims", headers={"Idempotency-Key": new_id()})
    code = answer.json()["claim_code"]
    with psycopg.connect(served.database) as connection:
        tables = connection.execute(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables"
            " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
        for (table,) in tables:
            query = f"SELECT count(*) FROM {table} AS r WHERE r::text LIKE %s OR r::text LIKE %s"
            in_hex = code.encode().hex()  # as bytes are shown
            found = connection.execute(query.encode(), [f"%{code}%", f"%{in_hex}%"]).fetchone()
            assert found == (0,), table


def test_a_new_device_is_made_up_for_a_product(owners: Owners, fleet: Fleet) -> None:
    developer = owners.member(Role.DEVELOPER)
    wanted = {"product_id": owners.world.id}

    made = developer.client.post("/v1/devices", json=wanted).json()

    device_id = made["device_id"]
    assert re.fullmatch(r"[0-9a-f]{24}", device_id)
    assert (made["product_id"], made["claimed"]) == (owners.world.id, True)
    assert owners.world.device(device_id)["owner"] == developer.email
    assert [one["id"] for one in developer.get("/v1/devices")] == [device_id]


def test_the_same_call_again_makes_the_same_device_up(owners: Owners) -> None:
    developer = owners.member(Role.DEVELOPER)
    key = {"Idempotency-Key": new_id()}
    wanted = {"product_id": owners.world.id}
    made = [developer.client.post("/v1/devices", json=wanted, headers=key) for _ in range(2)]
    assert made[0].json()["device_id"] == made[1].json()["device_id"]
    assert len(developer.get("/v1/devices")) == 1


def test_devices_are_made_up_by_who_may_import_and_in_products_that_are(
    owners: Owners, ann: Person
) -> None:
    support = owners.member(Role.SUPPORT)
    unknown = ann.client.post("/v1/devices", json={"product_id": 64_999})
    for who in (ann, support):
        answer = who.client.post("/v1/devices", json={"product_id": owners.world.id})
        assert answer.status_code == 403
        assert answer.json() == unknown.json()


def test_nobody_claims_for_another(owners: Owners, ann: Person, bob: Person) -> None:
    device_id = owners.online_device()
    ann.claim(device_id, user_id=bob.user_id, owner=bob.user_id, reachable=True)
    assert bob.get("/v1/devices") == []
    assert [one["id"] for one in ann.get("/v1/devices")] == [device_id]
