"""Webhooks and integrations with particle-api-js: set up, listed, edited, deleted, and called."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.api.outbound.listening import listening
from tests.clients.field import new_id
from tests.clients.people import People, Person
from tests.projections.deliveries.receiver import Receiver, replying
from tests.projections.patience import eventually

URL = "https://receiver.example/in"


@pytest.fixture
def owner(people: People) -> Person:
    return people.sign_up()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with listening(replying()) as ours:
        yield ours


@pytest.mark.parametrize("of", ["user", "product"])
def test_webhooks_are_made_listed_and_deleted(owner: Person, of: str) -> None:
    place = {} if of == "user" else {"product": owner.create_product()["id"]}
    hook: dict[str, Any] = {
        "method": "GET",
        "auth": {"username": "ann", "password": "s3cret"},
        "headers": {"x": "1"},
        "query": {"q": 1},
        "json": {"a": "{{{b}}}"},
        "responseTemplate": "t",
        "responseEvent": "r",
        "errorResponseEvent": "er",
    }
    device = {} if place else {"device": new_id()}
    made = owner.js.call("createWebhook", event="e", url=URL, hook=hook, **device, **place)
    assert made["ok"] is True
    assert made["hookUrl"].endswith(made["id"])
    (listed,) = owner.js.call("listWebhooks", **place)
    expected = {
        "id": made["id"],
        "event": "e",
        "url": URL,
        "integration_type": "Webhook",
        "requestType": "GET",
        "headers": {"x": "1"},
        "query": {"q": "1"},
        "responseTopic": "r",
        "errorResponseTopic": "er",
    }
    assert {name: listed[name] for name in expected} == expected
    assert listed.get("deviceID") == device.get("device")
    assert owner.js.call("deleteWebhook", hookId=made["id"], **place) == {}
    assert owner.js.call("listWebhooks", **place) == []
    assert owner.js.refused("deleteWebhook", hookId=made["id"], **place).status == 404


@pytest.mark.parametrize("of", ["user", "product", "org"])
def test_integrations_are_made_edited_and_deleted(owner: Person, of: str) -> None:
    place: dict[str, Any] = {}
    if of == "product":
        place = {"product": owner.create_product()["id"]}
    if of == "org":
        made = owner.js.call("post", uri="/v1/orgs", data={"name": f"org {new_id()}"})
        place = {"org": made["organization"]["slug"]}
    settings = {"integration_type": "Webhook", "url": URL, "requestType": "POST"}
    made = owner.js.call("createIntegration", event="e", settings=settings, **place)
    assert len(made["id"]) > 10
    named = {"integrationId": made["id"], **place}
    changed = {"url": "https://other.example"}
    edited = owner.js.call("editIntegration", event="f", settings=changed, **named)
    assert edited["integration"]["url"] == changed["url"]
    (listed,) = owner.js.call("listIntegrations", **place)
    assert (listed["id"], listed["event"], listed["url"]) == (made["id"], "f", changed["url"])
    assert owner.js.call("deleteIntegration", **named) == {}
    assert owner.js.call("listIntegrations", **place) == []


@pytest.mark.parametrize("kind", ["AzureIotHub", "GoogleCloudPubSub", "GoogleMaps"])
def test_what_comes_later_is_refused_in_a_sentence(owner: Person, kind: str) -> None:
    settings = {"integration_type": kind, "topic": "t"}
    refused = owner.js.refused("createIntegration", event="e", settings=settings)
    assert refused.status == 501
    assert f"Rollcall has no integrations of type {kind} yet." in refused.sentence


def test_what_is_published_reaches_the_webhook(owner: Person, receiver: Receiver) -> None:
    product = owner.create_product()["id"]
    hook = {"json": {"t": "{{{PARTICLE_EVENT_VALUE}}}"}, "noDefaults": True}
    owner.js.call("createWebhook", event="temp", url=receiver.url, hook=hook, product=product)
    for name in ("humidity", "temp/in"):
        owner.js.call("publishEvent", name=name, data="21.5", product=product)
    eventually(lambda: receiver.asked)
    (asked,) = receiver.asked
    assert json.loads(asked.body)["t"] == "21.5"
