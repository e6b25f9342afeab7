"""`particle subscribe` hears what `particle publish` says."""

import json
import secrets
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import pytest

from tests.clients.field import Field
from tests.clients.people import People, Person
from tests.clients.terminal import Terminal
from tests.cloud import Cloud

PUBLISHED_MAX = 30  # until one is heard
PAUSE_S = 0.3  # devices may not say more than ten a second


@pytest.fixture
def owner(people: People) -> Person:
    return people.sign_up()


@pytest.fixture
def logged_in(rollcall: Cloud, owner: Person, terminal: Terminal) -> Terminal:
    terminal.knows(apiUrl=rollcall.status["http"], access_token=owner.token)
    return terminal


def events_in(printed: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in printed.splitlines() if line.startswith("{")]


def test_what_is_published_is_printed_where_somebody_subscribes(logged_in: Terminal) -> None:
    """`particle subscribe` ends by itself after so many; `particle publish` is heard by it."""
    name = f"door-{secrets.token_hex(4)}"
    with ThreadPoolExecutor(1) as elsewhere:
        subscribed = elsewhere.submit(logged_in.shows, "subscribe", name, "--max", "1")
        for _ in range(PUBLISHED_MAX):
            logged_in.shows("publish", name, "open")
            if subscribed.done():
                break
    printed = subscribed.result()
    (event,) = events_in(printed)
    assert (event["name"], event["data"], event["coreid"]) == (name, "open", "api")
    assert "1 event(s) received. Exiting" in printed


def test_a_product_is_listened_to_until_something_is_said(
    logged_in: Terminal, owner: Person
) -> None:
    product = owner.create_product()["id"]
    told = {"name": "state", "data": "done", "product": product}
    words = ("subscribe", "--product", str(product), "--until", "done")
    with ThreadPoolExecutor(1) as elsewhere:
        subscribed = elsewhere.submit(logged_in.shows, *words)
        while not subscribed.done():
            assert owner.js.call("publishEvent", **told)["ok"] is True
    assert "Matching event received" in subscribed.result()
    assert events_in(subscribed.result())[0]["productID"] == product


def test_what_one_may_not_hear_is_refused_and_nobody_is_logged_out(logged_in: Terminal) -> None:
    assert "Permission denied" in logged_in.fails("subscribe", "--product", "64999")
    assert logged_in.profile["access_token"]


def test_an_organization_is_listened_to(logged_in: Terminal, owner: Person) -> None:
    name = {"name": f"org {secrets.token_hex(4)}"}
    slug = owner.js.call("post", uri="/v1/orgs", data=name)["organization"]["slug"]
    product = {"product": {"name": f"fleet {secrets.token_hex(4)}", "platform_id": 6}}
    owner.js.call("post", uri=f"/v1/orgs/{slug}/products", data=product)
    words = ("subscribe", "--org", slug, "--max", "1")
    with ThreadPoolExecutor(1) as elsewhere:
        subscribed = elsewhere.submit(logged_in.shows, *words)
        while not subscribed.done():
            logged_in.shows("publish", "state", "done", "--org", slug)
    assert events_in(subscribed.result())[0]["name"] == "state"


def test_one_device_is_listened_to(logged_in: Terminal, owner: Person, devices: Field) -> None:
    device = devices.connect()
    other = devices.connect()
    for one in (device, other):
        owner.js.call("claimDevice", deviceId=one.device_id)
    words = ("subscribe", "temp", "--device", device.device_id, "--max", "1")
    with ThreadPoolExecutor(1) as elsewhere:
        subscribed = elsewhere.submit(logged_in.shows, *words)
        while not subscribed.done():
            devices.publish(other, "temp", "1")
            devices.publish(device, "temp", "21.5")
            wait([subscribed], PAUSE_S)
    (event,) = events_in(subscribed.result())
    assert (event["coreid"], event["data"]) == (device.device_id, "21.5")
