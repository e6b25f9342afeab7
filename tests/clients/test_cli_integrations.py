"""Webhooks and integrations at a terminal."""

import json
import re

import pytest

from tests.clients.field import new_id
from tests.clients.people import People, Person
from tests.clients.terminal import Terminal
from tests.cloud import Cloud

URL = "https://receiver.example/in"
MADE = re.compile(r"Successfully created webhook with ID ([0-9a-f]{24})")


@pytest.fixture(scope="module")
def owner(people: People) -> Person:
    return people.sign_up()


@pytest.fixture(scope="module")
def desk(rollcall: Cloud, owner: Person, tmp_path_factory: pytest.TempPathFactory) -> Terminal:
    terminal = Terminal(tmp_path_factory.mktemp("home"))
    terminal.knows(apiUrl=rollcall.status["http"], access_token=owner.token)
    return terminal


def made(desk: Terminal, command: str, *words: str) -> str:
    found = MADE.search(desk.shows(command, *words))
    assert found is not None
    return found[1]


@pytest.mark.parametrize(
    ("command", "method"),
    [
        ("webhook create", "POST"),
        ("webhook POST", "POST"),
        ("webhook GET", "GET"),
        ("integration POST", "POST"),
        ("integration GET", "GET"),
    ],
)
def test_a_webhook_is_made_in_so_many_words(
    desk: Terminal, owner: Person, command: str, method: str
) -> None:
    device_id = new_id()
    hook = made(desk, command, "temp", URL, device_id)
    one = owner.js.call("get", uri=f"/v1/webhooks/{hook}")["integration"]
    assert (one["event"], one["url"], one["requestType"]) == ("temp", URL, method)
    assert one["deviceID"] == device_id


def test_a_webhook_is_made_by_a_template(desk: Terminal, owner: Person) -> None:
    template = {
        "eventName": "temp",
        "event": "temp",
        "url": URL,
        "requestType": "PUT",
        "form": None,
        "json": {"v": "{{PARTICLE_EVENT_VALUE}}"},
        "headers": None,
        "rejectUnauthorized": "false",
    }
    (desk.home / "hook.json").write_text(json.dumps(template))
    product = str(owner.create_product()["id"])
    hook = made(desk, "integration create", "hook.json", "--product", product)
    one = owner.js.call("get", uri=f"/v1/products/{product}/integrations/{hook}")["integration"]
    assert (one["requestType"], one["rejectUnauthorized"]) == ("PUT", False)
    assert one["json"] == template["json"]


def test_integrations_are_listed_and_deleted(desk: Terminal, owner: Person) -> None:
    product = str(owner.create_product()["id"])
    hook = made(desk, "webhook create", "temp", URL, "--product", product)
    for command in ("webhook list", "integration list"):
        listed = desk.shows(command, "--product", product)
        assert "Found 1" in listed
        assert f'{hook} is watching for "temp"' in listed
        assert URL in listed
    desk.shows("integration delete", hook, "--product", product)
    assert "Found 0" in desk.shows("integration list", "--product", product)
    assert "not found" in desk.fails("integration delete", hook, "--product", product)


def test_all_are_deleted_at_once(desk: Terminal, owner: Person) -> None:
    product = str(owner.create_product()["id"])
    for event in ("one", "other"):
        made(desk, "webhook create", event, URL, "--product", product)
    of = ("--product", product)
    desk.shows("webhook delete", "all", *of, answers=[("Do you want to delete ALL", "y\r")])
    assert "Found 0" in desk.shows("webhook list", *of)


def test_another_kind_is_refused_in_a_sentence(desk: Terminal) -> None:
    (desk.home / "maps.json").write_text('{"event": "temp", "api_key": "k"}')
    refused = desk.fails("integration create", "maps.json", "--type", "GoogleMaps")
    assert "Rollcall has no integrations of type GoogleMaps yet." in refused
    assert desk.profile["access_token"]
