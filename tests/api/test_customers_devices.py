"""A customer's devices: claimed by a code, used like anybody's own, and nothing else reached."""

import httpx
import pytest

from api.realms import Realm
from api.routing import ANONYMOUS
from domain.claim_code import hash_of
from domain.roles import Role
from tests.api.bodies import body_for
from tests.api.expected import EXPECTED
from tests.api.routes import BY_LINE, address
from tests.api.shop import Customer, Shop

DENIED = {"insufficient_scope", "permission_denied", "Permission Denied"}
UNASKED = {ANONYMOUS, "events:get"}  # what is open to all; and streams, which do not end


@pytest.fixture
def ann(shop: Shop) -> Customer:
    return shop.sign_up("ann@example.com")


def outcome(answer: httpx.Response) -> tuple[int, list[str]]:
    return answer.status_code, answer.json().get("errors", [])


def test_a_device_that_shows_a_customer_s_code_is_theirs(shop: Shop, ann: Customer) -> None:
    device_id = ann.set_up()
    (device,) = ann.client.get("/v1/devices").json()
    assert (device["id"], device["owner"]) == (device_id, "ann@example.com")
    assert shop.owners.world.device(device_id)["owner"] == "ann@example.com"
    again = ann.client.post(shop.path + "/device_claims", json={}).json()
    assert again["device_ids"] == [device_id]


def test_the_product_s_page_of_devices_says_whose_they_are(shop: Shop, ann: Customer) -> None:
    device_id = ann.set_up()
    shop.owners.world.import_devices()
    page = shop.owners.world.get("/devices")
    assert page["customers"] == [{"id": ann.id, "username": "ann@example.com"}]
    assert device_id in {device["id"] for device in page["devices"]}


def test_a_customer_uses_a_device_of_theirs(shop: Shop, ann: Customer) -> None:
    path = f"/v1/devices/{ann.set_up()}"
    assert ann.client.put(path, json={"name": "kitchen"}).json()["name"] == "kitchen"
    assert ann.client.get("/v1/devices/kitchen").json()["name"] == "kitchen"
    assert ann.client.delete(path).json() == {"ok": True}
    assert ann.devices() == []
    assert ann.client.get(path).json()["error"] == "Permission Denied"


def test_another_customer_s_device_is_not_there(shop: Shop, ann: Customer) -> None:
    device_id, bob = ann.set_up(), shop.sign_up("bob")
    unknown = bob.client.get("/v1/devices/" + "0" * 24).json()
    for method in ("GET", "PUT", "DELETE"):
        answer = bob.client.request(method, f"/v1/devices/{device_id}", json={"name": "mine"})
        assert answer.status_code == 403
        assert answer.json()["error_description"] == unknown["error_description"]
    assert bob.devices() == []


def test_a_customer_claims_no_device_by_its_id(shop: Shop, ann: Customer) -> None:
    """Ids are no secret: not what the product has, and not what nobody has."""
    (member,) = shop.owners.world.import_devices()
    shop.owners.hello(member)
    for device_id in (member, shop.owners.online_device()):
        for more in ({}, {"request_transfer": True}):
            answer = ann.client.post("/v1/devices", json={"id": device_id, **more})
            assert outcome(answer) == (403, ["That belongs to someone else."])
    made_up = ann.client.post("/v1/devices", json={"product_id": shop.owners.world.id})
    assert made_up.json()["error"] == "permission_denied"
    assert ann.devices() == []


def test_claiming_ones_own_again_succeeds(ann: Customer) -> None:
    device_id = ann.set_up()
    answer = ann.client.post("/v1/devices", json={"id": device_id})
    assert (answer.status_code, answer.json()["claimed"]) == (200, True)


def test_nobody_asks_a_customer_for_a_device(shop: Shop, ann: Customer) -> None:
    device_id = ann.set_up()
    asking = shop.owners.person("asking")
    answer = asking.claim(device_id, request_transfer=True)
    assert outcome(answer) == (403, ["That belongs to someone else."])
    developer = shop.owners.member(Role.DEVELOPER)
    assert outcome(developer.claim(device_id)) == (403, ["That belongs to someone else."])


def test_a_code_of_a_customer_claims_nothing_outside_the_product(shop: Shop, ann: Customer) -> None:
    for path in ("/v1/device_claims", shop.path + "/device_claims"):
        code = ann.client.post(path).json()["claim_code"]
        shop.owners.online_device(hash_of(code))
    marker = ann.set_up()
    assert ann.devices() == [marker]


@pytest.mark.parametrize("sent", [None, {"deny": True}])
def test_a_customer_s_device_that_is_taken_out_is_nobody_s(shop: Shop, sent, ann: Customer) -> None:
    device_id = ann.set_up()
    path = f"{shop.path}/devices/{device_id}"
    assert shop.team.request("DELETE", path, json=sent).status_code == 204
    assert ann.devices() == []
    (event,) = shop.owners.world.get("/history", name="DeviceUnclaimed")["events"]
    assert event["event"] == {"device_id": device_id, "user_id": f"customer:{ann.id}"}


def test_the_team_takes_a_device_from_a_customer_and_keeps_it(shop: Shop, ann: Customer) -> None:
    device_id = ann.set_up()
    answer = shop.team.delete(f"{shop.path}/devices/{device_id}/owner")
    assert answer.json() == {"ok": True}
    assert ann.devices() == []
    assert shop.owners.world.device(device_id)["owner"] is None


def test_history_names_the_customer_as_long_as_there_is_one(shop: Shop, ann: Customer) -> None:
    ann.client.put(f"/v1/devices/{ann.set_up()}", json={"name": "kitchen"})
    world, actor = shop.owners.world, f"customer:{ann.id}"
    (named,) = world.get("/history", name="DeviceNamed")["events"]
    assert (named["actor"], named["by"]) == (actor, "ann@example.com")
    shop.team.delete(f"{shop.path}/customers/ann@example.com")
    (named,) = world.get("/history", name="DeviceNamed")["events"]
    assert named["actor"] == actor
    assert "by" not in named


def test_a_customer_may_call_nothing_else(shop: Shop, ann: Customer) -> None:
    named = {
        "product": shop.owners.world.id,
        "org": shop.owners.organization(shop.owners.person("boss")),
        "device": ann.set_up(),
        "customer": ann.id,
    }
    through = set()
    for line, route in BY_LINE.items():
        if route.scope in UNASKED or EXPECTED[line].customer:
            continue
        path = address(route.path, **named)
        answer = ann.client.request(route.method, path, json=body_for(line))
        if answer.status_code != 403 or answer.json()["error"] not in DENIED:
            through.add(line)
    assert through == set()
    assert ann.works()


def test_to_a_customer_there_is_one_product(shop: Shop, ann: Customer) -> None:
    for line, route in BY_LINE.items():
        if route.scope in UNASKED or route.over is not Realm.PRODUCT:
            continue
        path = address(route.path, product=shop.owners.world.id - 1)
        answer = ann.client.request(route.method, path, json=body_for(line))
        assert (answer.status_code, answer.json()["error"]) == (403, "permission_denied"), line


def test_a_customer_sees_and_ends_tokens_of_theirs_alone(shop: Shop, ann: Customer) -> None:
    bob = shop.sign_up("bob")
    second = shop.log_in("ann@example.com").json()["access_token"]
    listed = ann.client.get("/v1/access_tokens").json()
    assert len(listed) == 2
    (his,) = bob.client.get("/v1/access_tokens").json()
    assert ann.client.delete(f"/v1/access_tokens/{his['token']}").status_code == 404
    assert ann.client.delete("/v1/access_tokens").json() == {"ok": True}
    assert ann.is_out()
    assert ann.is_out(second)
    assert bob.works()


def test_a_customer_s_token_shows_what_it_is(ann: Customer) -> None:
    shown = ann.client.get("/v1/access_tokens/current").json()
    assert (shown["scopes"], shown["orgs"]) == (["*"], [])
