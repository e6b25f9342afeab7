"""What particle-api-js lends to programs that ask for addresses of their own."""

import httpx
import pytest

from tests.clients.field import new_id
from tests.clients.particle_js import ParticleJs
from tests.clients.people import People, Person
from tests.cloud import Cloud


@pytest.fixture(scope="module")
def maker(people: People) -> Person:
    return people.sign_up()


def test_any_address_is_asked_with_any_verb(maker: Person) -> None:
    product = maker.create_product("any address")
    address = f"/v1/products/{product['id']}"
    found = maker.js.call("get", uri=address, query={"at_least": 0})
    assert found["product"]["id"] == product["id"]
    group = {"name": "beta"}
    assert maker.js.call("post", uri=f"{address}/groups", data=group)["group"]["name"] == "beta"
    changed = maker.js.call("put", uri=f"{address}/groups/beta", data={"description": "early"})
    assert changed["group"]["description"] == "early"
    assert maker.js.call("delete", uri=f"{address}/groups/beta") == {}
    listed = maker.js.call("request", uri=f"{address}/groups", method="get")
    assert listed["groups"] == []


def test_head_finds_nothing_to_read(maker: Person) -> None:
    """The library expects JSON where HTTP forbids a body; that it got 200 is all it says."""
    refused = maker.js.refused("head", uri="/v1/products")
    assert refused.status == 200


def test_patch_is_for_what_rollcall_does_not_have(maker: Person) -> None:
    refused = maker.js.refused("patch", uri="/v1/env", data={"ops": []})
    assert refused.body["error"] == "not_supported"
    assert maker.js.refused("patch", uri="/v1/products", data={}).status == 405


def test_token_address_and_tool_may_be_set_later(rollcall: Cloud, library: ParticleJs) -> None:
    first = [
        ("setBaseUrl", rollcall.status["http"]),
        ("setDefaultAuth", rollcall.status["admin_token"]),
        ("setContext", "tool", {"name": "cli", "version": "1.2.3"}),
        ("setContext", "project", {"name": "lamp", "revision": 2}),
    ]
    nowhere = library.having(baseUrl="http://127.0.0.1:9")
    assert nowhere.call_after(first, "listProducts")["products"] is not None


def test_the_smaller_client_asks_the_same(maker: Person) -> None:
    assert maker.js.call("client") is not None
    assert maker.js.call_plain("listDevices", agent=True) == []


def test_a_file_is_downloaded_from_its_address(rollcall: Cloud, library: ParticleJs) -> None:
    content = library.call("downloadFile", uri=f"{rollcall.status['http']}/health")
    assert b"ok" in content


def test_addresses_of_devices_are_those_that_rollcall_serves(library: ParticleJs) -> None:
    device_id = new_id()
    assert library.call("deviceUri", deviceId=device_id) == f"/v1/devices/{device_id}"
    of_product = library.call("deviceUri", deviceId=device_id, product=94)
    assert of_product == f"/v1/products/94/devices/{device_id}"


@pytest.mark.parametrize("path", ["/v1/products", "/v1/sims", "/oauth/token"])
def test_pages_of_any_site_may_use_the_library(path: str, rollcall: Cloud) -> None:
    """In a browser it asks first, and then sends headers that are not everyday ones."""
    headers = {
        "Origin": "https://app.example.com",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,x-particle-tool",
    }
    with httpx.Client(base_url=rollcall.status["http"], headers=headers, trust_env=False) as page:
        asked, answered = page.options(path), page.get(path)
    assert asked.status_code == 200
    assert "authorization" in asked.headers["Access-Control-Allow-Headers"]
    assert answered.headers["Access-Control-Allow-Origin"] == "*"
