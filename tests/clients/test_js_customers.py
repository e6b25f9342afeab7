"""A product's app: particle-api-js makes customers, who set their devices up and use them."""

import secrets
from typing import Any

import pytest

from rollcall.reference_device import Offer
from tests.clients.field import Field, new_id
from tests.clients.particle_js import ParticleJs
from tests.clients.people import PASSWORD, People, Person
from tests.projections.patience import eventually


@pytest.fixture
def maker(people: People) -> Person:
    """Somebody who sells things."""
    return people.sign_up()


@pytest.fixture
def product(maker: Person) -> int:
    number: int = maker.create_product()["id"]
    return number


@pytest.fixture
def app(maker: Person, product: int, library: ParticleJs) -> ParticleJs:
    """The library as the product's app has it: it may make customers, and no more."""
    asked = {"name": "app", "type": "installed", "scope": "customers:create"}
    client = maker.js.call("createOAuthClient", product=product, **asked)["client"]
    return library.having(clientId=client["id"], clientSecret=client["secret"])


def sign_up(app: ParticleJs, product: int) -> tuple[str, dict[str, Any]]:
    email = f"{secrets.token_hex(6)}@example.com"
    return email, app.call("createCustomer", email=email, password=PASSWORD, product=product)


def test_a_customer_signs_up_and_sets_a_device_up(
    maker: Person, product: int, app: ParticleJs, devices: Field
) -> None:
    email, token = sign_up(app, product)
    assert token["token_type"] == "bearer"
    assert token["access_token"]
    assert token["refresh_token"]
    customer = app.having(auth=token["access_token"])
    assert customer.call("listDevices") == []

    code = customer.call("getClaimCode", product=product)
    device_id = new_id()
    maker.js.call("addDeviceToProduct", product=product, deviceId=device_id)
    offer = Offer(variables={"version": 42})
    said = {"product_id": product, "claim_code": code["claim_code"], "offer": offer}
    devices.connect(device_id, **said)

    (found,) = eventually(lambda: customer.call("listDevices"))
    assert (found["id"], found["owner"]) == (device_id, email)
    of = {"deviceId": device_id}
    assert customer.call("renameDevice", **of, name="kitchen")["name"] == "kitchen"
    read = eventually(lambda: customer.call("getVariable", **of, name="version"))
    assert read["result"] == 42
    shown = maker.js.call("listDevices", product=product)
    assert [one["username"] for one in shown["customers"]] == [email]
    assert maker.js.call("removeDeviceOwner", **of, product=product)["ok"] is True
    assert customer.call("listDevices") == []


def test_a_customer_logs_in_again_and_reaches_no_more_than_their_own(
    maker: Person, product: int, app: ParticleJs
) -> None:
    email, _ = sign_up(app, product)
    let_in = app.call("login", username=email, password=PASSWORD)["access_token"]
    customer = app.having(auth=let_in)
    for method in ("listDevices", "listProductFirmware", "listTeamMembers"):
        refused = customer.refused(method, product=product)
        assert (refused.status, refused.body["error"]) == (403, "insufficient_scope")
    assert customer.refused("getUserInfo").status == 403
    other = maker.create_product()["id"]
    assert customer.refused("getClaimCode", product=other).status == 403
    assert customer.call("deleteCurrentAccessToken")["ok"] is True


def test_nobody_signs_up_twice_or_by_a_client_of_somebody_elses(
    product: int, app: ParticleJs, library: ParticleJs
) -> None:
    email, _ = sign_up(app, product)
    again = app.refused("createCustomer", email=email, password=PASSWORD, product=product)
    assert (again.status, again.body["error"]) == (400, "customer_exists")
    assert "of this name already" in again.sentence
    asked = {"email": "new@example.com", "password": PASSWORD, "product": product}
    clouds_own = library.refused("createCustomer", **asked)
    assert (clouds_own.status, clouds_own.body["error"]) == (403, "permission_denied")
