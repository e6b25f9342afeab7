"""OAuth clients of a user and of a product: registered, used, changed, removed."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from domain.scopes import API_USER_SCOPES
from tests.api.person import Person
from tests.api.serving import Served
from tests.api.teams import Around
from tests.api.world import World
from tests.people import people


@pytest.fixture
def client(person: Person) -> Iterator[httpx.Client]:
    with person.bearer() as client:
        yield client


def register(client: httpx.Client, path: str = "/v1/clients", **more: Any) -> dict[str, Any]:
    answer = client.post(path, json={"name": "My App!", "type": "installed", **more})
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()["client"]
    return made


def credentials(made: dict[str, Any]) -> dict[str, str]:
    return {"client_id": made["id"], "client_secret": made["secret"]}


def test_a_client_is_registered_and_its_secret_shown_once(client: httpx.Client) -> None:
    made = register(client)
    assert re.fullmatch(r"my-app-\d{4}", made["id"])
    assert re.fullmatch(r"[0-9a-f]{40}", made["secret"])
    listed = client.get("/v1/clients")
    assert listed.json()["ok"] is True
    assert listed.json()["clients"] == [{"id": made["id"], "name": "My App!", "type": "installed"}]
    assert made["secret"] not in listed.text


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": None}, "name"),
        ({"type": "native"}, "type"),
        ({"type": "web"}, "redirect_uri"),
        ({"type": "web", "redirect_uri": "javascript:alert(1)"}, "redirect_uri"),
        ({"type": "web", "redirect_uri": "/back"}, "redirect_uri"),
        ({"type": "web", "redirect_uri": "https://x.example.com/#here"}, "redirect_uri"),
        ({"type": "web", "redirect_uri": "https://x.example.com/\u00fc"}, "redirect_uri"),
        ({"scope": "devices:list"}, "scope"),
    ],
)
def test_a_client_that_cannot_be_is_refused(client: httpx.Client, change: Any, field: str) -> None:
    answer = client.post("/v1/clients", json={"name": "x", "type": "installed", **change})
    assert (answer.status_code, answer.json()["field"]) == (400, field)
    assert client.get("/v1/clients").json()["clients"] == []


def test_a_client_of_a_user_stands_for_that_user(person: Person, client: httpx.Client) -> None:
    made = register(client)
    answer = person.ask(grant_type="client_credentials", **credentials(made))
    assert answer.status_code == 200
    assert "refresh_token" not in answer.json()
    with person.bearer(answer.json()["access_token"]) as theirs:
        assert theirs.get("/v1/user").json()["username"] == person.email


def test_a_client_of_somebody_who_left_stands_for_nobody(
    person: Person, client: httpx.Client
) -> None:
    made = register(client)
    client.request("DELETE", "/v1/user", json={"password": person.password})
    answer = person.ask(grant_type="client_credentials", **credentials(made))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


def test_a_client_of_a_product_stands_for_that_product_alone(
    person: Person, world: World, client: httpx.Client
) -> None:
    made = register(world.api, world.path + "/clients")
    token = person.ask(grant_type="client_credentials", **credentials(made)).json()
    with person.bearer(token["access_token"]) as program:
        assert program.get(world.path + "/devices").status_code == 200
        assert program.get("/v1/user").status_code == 403
        wanted = {"product": {"name": f"another of {person.email}", "platform_id": 6}}
        other = client.post("/v1/user/products", json=wanted).json()["product"]
        answer = program.get(f"/v1/products/{other['id']}/devices")
        assert (answer.status_code, answer.json()["error"]) == (403, "permission_denied")


def test_who_logs_in_by_a_client_of_a_product_is_its_customer(person: Person, world: World) -> None:
    made = register(world.api, world.path + "/clients")
    known = {"username": person.email, "password": person.password}
    answer = person.ask(grant_type="password", **known, **credentials(made))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


def test_a_token_may_do_no_more_than_its_client(person: Person, client: httpx.Client) -> None:
    made = register(client, scope="customers:create")
    token = person.ask(grant_type="client_credentials", **credentials(made)).json()
    with person.bearer(token["access_token"]) as theirs:
        assert theirs.get("/v1/user").status_code == 403


def test_a_client_is_changed(person: Person, client: httpx.Client) -> None:
    made = register(client, scope="customers:create")
    path = f"/v1/clients/{made['id']}"
    renamed = client.put(path, json={"name": "Better"}).json()["client"]
    assert (renamed["name"], renamed["scope"]) == ("Better", "customers:create")
    assert "secret" not in renamed
    widened = client.put(path, json={"scope": "none"}).json()["client"]
    assert "scope" not in widened
    assert person.ask(grant_type="client_credentials", **credentials(made)).status_code == 200


def test_a_client_is_changed_in_something(client: httpx.Client) -> None:
    answer = client.put(f"/v1/clients/{register(client)['id']}", json={})
    assert "name, scope" in answer.json()["error_description"]


def test_the_tokens_of_a_client_that_was_removed_work_no_longer(
    person: Person, client: httpx.Client
) -> None:
    made = register(client)
    token = person.ask(grant_type="client_credentials", **credentials(made)).json()
    assert client.delete(f"/v1/clients/{made['id']}").status_code == 204
    assert client.get("/v1/clients").json()["clients"] == []
    assert not person.works(token["access_token"])
    again = person.ask(grant_type="client_credentials", **credentials(made))
    assert again.json()["error"] == "invalid_client"


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_a_client_is_nobody_elses_business(
    person: Person, world: World, client: httpx.Client, method: str
) -> None:
    of_product = register(world.api, world.path + "/clients")["id"]
    other = Person(person.served, person.nobody)
    mine = register(client)["id"]
    with other.bearer() as theirs:
        for client_id in (mine, of_product, "particle-api", "unheard-of"):
            answer = theirs.request(method, f"/v1/clients/{client_id}", json={"name": "x"})
            assert (answer.status_code, answer.json()["error"]) == (404, "not_found")
        path = f"{world.path}/clients/{of_product}"
        assert theirs.request(method, path, json={"name": "x"}).status_code == 403
    answer = world.api.request(method, f"{world.path}/clients/{mine}", json={"name": "x"})
    assert answer.status_code == 404
    assert client.get("/v1/clients").json()["clients"][0]["name"] == "My App!"


def test_the_clients_of_a_product_are_listed_with_the_product(world: World) -> None:
    made = register(world.api, world.path + "/clients", type="web", redirect_uri="app://back")
    (listed,) = world.get("/clients")["clients"]
    assert listed == {
        "id": made["id"],
        "name": "My App!",
        "type": "web",
        "redirect_uri": "app://back",
    }


def test_there_are_only_so_many_clients(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.people.clients.CLIENTS_MAX", 1)
    register(client)
    answer = client.post("/v1/clients", json={"name": "x", "type": "installed"})
    assert (answer.status_code, answer.json()["error"]) == (400, "too_many_clients")


def test_nobody_makes_a_client_that_may_more_than_they_may(
    person: Person, client: httpx.Client
) -> None:
    user_id = client.get("/v1/user").json()["id"]
    scopes = ("clients:create", "clients:update")
    with people(person.served.database) as those:
        those.issue(f"limited {user_id}", user_id, scopes=scopes)
    wanted = {"name": "x", "type": "installed"}
    with person.bearer(f"limited {user_id}") as limited:
        for scope in ({}, {"scope": "*:*"}, {"scope": "customers:create *:*"}):
            answer = limited.post("/v1/clients", json={**wanted, **scope})
            assert (answer.status_code, answer.json()["error"]) == (403, "insufficient_scope")
        made = register(limited, scope="customers:create")
        answer = limited.put(f"/v1/clients/{made['id']}", json={"scope": "none"})
        assert (answer.status_code, answer.json()["error"]) == (403, "insufficient_scope")
        assert limited.put(f"/v1/clients/{made['id']}", json={"name": "y"}).status_code == 200


def test_nor_does_an_api_user(served: Served, world: World) -> None:
    wanted = {"name": "x", "type": "installed"}
    with people(served.database) as those, ExitStack() as clients:
        around = Around(served, those, str(world.id), clients)
        some = around.call(around.add_program({"clients:create", "devices:list"}))
        answer = some.post(world.path + "/clients", json=wanted)
        assert (answer.status_code, answer.json()["error"]) == (403, "insufficient_scope")
        every = around.call(around.add_program(API_USER_SCOPES))
        assert every.post(world.path + "/clients", json=wanted).status_code == 200
