"""Integrations through the API: set up, shown, replaced, removed, by whoever may."""

import base64
import re
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from domain.integration import INTEGRATIONS_PER_OWNER_MAX
from domain.roles import Role
from tests.api.company import Company
from tests.api.person import Person
from tests.api.serving import Served
from tests.api.teams import Around
from tests.people import people
from tests.projections.following import query
from tests.projections.patience import eventually

URL = "https://receiver.example/in?key=s3cret"
WHOLE: dict[str, Any] = {
    "integration_type": "Webhook",
    "event": "temp",
    "name": "Temperatures",
    "url": URL,
    "requestType": "PUT",
    "json": {"v": "{{{PARTICLE_EVENT_VALUE}}}", "n": 1},
    "query": {"q": "1"},
    "headers": {"X-Key": "s3cret"},
    "auth": {"username": "ann", "password": "s3cret"},
    "responseTopic": "{{PARTICLE_DEVICE_ID}}/done",
    "errorResponseTopic": "wrong",
    "responseTemplate": "{{main.temp}}",
    "noDefaults": True,
    "rejectUnauthorized": False,
    "unchunked": True,
    "dataUrlResponseEvent": True,
    "template": "weather",
    "disabled": True,
}
SMALL = {"event": "temp", "url": "https://receiver.example/in"}


@pytest.fixture
def mine(person: Person) -> Iterator[httpx.Client]:
    with person.bearer() as client:
        yield client


def created(client: httpx.Client, path: str = "/v1", **wanted: Any) -> dict[str, Any]:
    sent = {"integration_type": "Webhook", **SMALL, **wanted}
    answer = client.post(path + "/integrations", json=sent)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    assert made["ok"] is True
    return made


def shown(client: httpx.Client, made: dict[str, Any], path: str = "/v1") -> dict[str, Any]:
    answer = client.get(f"{path}/integrations/{made['id']}")
    assert answer.status_code == 200, answer.text
    one: dict[str, Any] = answer.json()["integration"]
    return one


def refusal(answer: httpx.Response, status: int = 400) -> str:
    assert answer.status_code == status, answer.text
    field: str = answer.json().get("field", "")
    return field


def test_an_integration_is_created_and_its_secret_shown_once(mine: httpx.Client) -> None:
    answer = mine.post("/v1/integrations", json=WHOLE)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (201, "no-store")
    made = answer.json()
    assert re.fullmatch("[0-9a-f]{24}", made["id"])
    assert made["hookUrl"] == f"{mine.base_url}/v1/integrations/{made['id']}"
    assert {name: made.get(name) for name in WHOLE} == WHOLE
    assert len(base64.b64decode(made["signing_secret"].removeprefix("whsec_"))) == 32
    listed = mine.get("/v1/integrations")
    assert made["signing_secret"] not in listed.text + str(shown(mine, made))
    extra = {"ok", "hookUrl", "signing_secret"}
    expected = {name: value for name, value in made.items() if name not in extra}
    assert listed.json() == [expected]
    assert shown(mine, made) == {
        **expected,
        "logs": [],
        "counters": {"waiting": 0, "parked": 0, "days": []},
    }


def test_what_is_not_sent_has_its_default(mine: httpx.Client) -> None:
    made = created(mine)
    assert made["name"] == "temp for receiver.example"
    assert made["requestType"] == "POST"
    left_out = {"json", "body", "form", "auth", "query", "headers", "disabled", "deviceID"}
    assert not left_out & made.keys()
    again = created(mine)
    assert again["id"] != made["id"]
    assert [one["id"] for one in mine.get("/v1/integrations").json()] == [made["id"], again["id"]]


def test_numbers_in_queries_headers_and_forms_are_taken_for_texts(mine: httpx.Client) -> None:
    made = created(mine, query={"a": 1, "b": True}, headers={"x": 1.5}, form={"c": None})
    assert made["query"] == {"a": "1", "b": "true"}
    assert (made["headers"], made["form"]) == ({"x": "1.5"}, {"c": ""})


def test_flags_may_be_spelled_out(mine: httpx.Client) -> None:
    made = created(mine, rejectUnauthorized="false", noDefaults="true", disabled="false")
    assert (made["rejectUnauthorized"], made["noDefaults"]) == (False, True)
    assert "disabled" not in made
    form = {"event": "e", "url": "http://r.example", "rejectUnauthorized": "false"}
    assert mine.post("/v1/webhooks", data=form).json()["rejectUnauthorized"] is False


@pytest.mark.parametrize("spelling", ["deviceID", "deviceId", "deviceid", "device_id"])
def test_it_may_be_for_one_device_alone(mine: httpx.Client, spelling: str) -> None:
    made = created(mine, **{spelling: "E00FCE681234567890ABCDEF"})
    assert made["deviceID"] == "e00fce681234567890abcdef"


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"event": ""}, "event"),
        ({"event": "x" * 65}, "event"),
        ({"event": None}, "event"),
        ({"url": None}, "url"),
        ({"url": "ftp://receiver.example"}, "url"),
        ({"url": "https://receiver.example/" + "x" * 4_096}, "url"),
        ({"requestType": "PATCH"}, "requestType"),
        ({"body": "x", "json": {}}, "json"),
        ({"json": {}, "form": {}}, "form"),
        ({"json": 1}, "json"),
        ({"json": {"v": "{{#a}}"}}, "json"),
        ({"form": {"a": {"b": "c"}}}, "form[...]"),
        ({"headers": {"Host": "localhost"}}, "headers"),
        ({"headers": {f"x-{number}": "1" for number in range(33)}}, "headers"),
        ({"query": {f"x-{number}": "1" for number in range(65)}}, "query"),
        ({"body": "x" * 25_000}, "body"),
        ({"auth": {"password": "x"}}, "auth.username"),
        ({"deviceID": "e00f"}, "device_id"),
        ({"responseTopic": "x" * 257}, "responseTopic"),
        ({"integration_type": "webhook"}, "integration_type"),
        ({"integration_type": None}, "integration_type"),
        ({"integration_type": "Nats", "subject": "a.>"}, "subject"),
        ({"integration_type": "Nats"}, "subject"),
    ],
)
def test_what_cannot_be_is_refused_by_its_name(
    mine: httpx.Client, wanted: dict[str, Any], field: str
) -> None:
    sent = {"integration_type": "Webhook", **SMALL, **wanted}
    assert refusal(mine.post("/v1/integrations", json=sent)) == field
    assert mine.get("/v1/integrations").json() == []


@pytest.mark.parametrize("kind", ["AzureIotHub", "GoogleCloudPubSub", "GoogleMaps"])
def test_what_comes_later_is_said_to(mine: httpx.Client, kind: str) -> None:
    answer = mine.post("/v1/integrations", json={**SMALL, "integration_type": kind})
    assert (answer.status_code, answer.json()["error"]) == (501, "not_supported")
    sentence = answer.json()["error_description"]
    assert sentence == f"Rollcall has no integrations of type {kind} yet."


def test_a_nats_subject_is_an_integration_too(mine: httpx.Client) -> None:
    made = created(mine, integration_type="Nats", subject="temp.{{PARTICLE_DEVICE_ID}}", url=None)
    user_id = mine.get("/v1/user").json()["id"]
    assert made["url"] == f"nats:out.user-{user_id}.temp.{{{{PARTICLE_DEVICE_ID}}}}"
    assert made["integrationUrl"].endswith(made["id"])
    assert "hookUrl" not in made
    assert mine.get("/v1/webhooks").json() == []
    for method in ("GET", "PUT", "DELETE"):
        answer = mine.request(method, f"/v1/webhooks/{made['id']}", json=SMALL)
        assert answer.status_code == 404
    assert len(mine.get("/v1/integrations").json()) == 1


def test_a_webhook_needs_no_type(mine: httpx.Client) -> None:
    answer = mine.post("/v1/webhooks", json=SMALL)
    assert answer.status_code == 201
    made = answer.json()
    assert made["hookUrl"] == f"{mine.base_url}/v1/webhooks/{made['id']}"
    assert [one["id"] for one in mine.get("/v1/webhooks").json()] == [made["id"]]
    assert mine.get(f"/v1/webhooks/{made['id']}").json()["integration"]["id"] == made["id"]
    wrong = {**SMALL, "integration_type": "Nats"}
    assert refusal(mine.post("/v1/webhooks", json=wrong)) == "integration_type"
    assert mine.delete(f"/v1/webhooks/{made['id']}").status_code == 204
    assert mine.get("/v1/integrations").json() == []


def test_replacing_leaves_nothing_of_what_was(mine: httpx.Client) -> None:
    made = created(mine, **WHOLE)
    answer = mine.put(f"/v1/integrations/{made['id']}", json={"event": "t", "url": "http://r.x"})
    assert answer.status_code == 200
    changed = answer.json()["integration"]
    at = {name: changed[name] for name in ("created_at", "updated_at")}
    assert changed == {
        **at,
        "id": made["id"],
        "event": "t",
        "name": "t for r.x",
        "integration_type": "Webhook",
        "url": "http://r.x",
        "requestType": "POST",
    }
    assert at["created_at"] == made["created_at"] < at["updated_at"]
    assert {**shown(mine, made), "logs": 0, "counters": 0} == {**changed, "logs": 0, "counters": 0}


def test_it_is_enabled_and_disabled_by_replacing_it(mine: httpx.Client) -> None:
    path = f"/v1/integrations/{created(mine)['id']}"
    assert mine.put(path, json={**SMALL, "disabled": True}).json()["integration"]["disabled"]
    assert mine.get(path).json()["integration"]["disabled"]
    assert "disabled" not in mine.put(path, json=SMALL).json()["integration"]
    assert "disabled" not in mine.get(path).json()["integration"]


def test_what_it_is_stays_what_it_is(mine: httpx.Client) -> None:
    path = f"/v1/integrations/{created(mine)['id']}"
    wanted = {**SMALL, "subject": "x", "integration_type": "Nats"}
    assert refusal(mine.put(path, json=wanted)) == "integration_type"
    assert mine.put(path, json={**SMALL, "integration_type": "Webhook"}).status_code == 200


def test_replacing_it_by_itself_is_nothing_new(mine: httpx.Client) -> None:
    made = created(mine, **WHOLE)
    answer = mine.put(f"/v1/integrations/{made['id']}", json=WHOLE)
    assert answer.status_code == 200
    assert answer.json()["integration"]["updated_at"] == made["updated_at"]


def test_one_that_is_removed_is_gone(mine: httpx.Client) -> None:
    path = f"/v1/integrations/{created(mine)['id']}"
    assert mine.delete(path).status_code == 204
    assert mine.get("/v1/integrations").json() == []
    for method, sent in (("GET", None), ("PUT", SMALL), ("DELETE", None)):
        assert mine.request(method, path, json=sent).status_code == 404
    assert mine.post(path + "/secret").status_code == 404


def test_one_that_is_being_removed_is_gone_as_soon_as_its_key_is(
    served: Served, mine: httpx.Client
) -> None:
    made = created(mine)
    with people(served.database) as those:
        those.seals.destroy(made["id"])
    assert mine.get("/v1/integrations").json() == []
    path = f"/v1/integrations/{made['id']}"
    for method, below, sent in (("GET", "", None), ("PUT", "", SMALL), ("POST", "/secret", None)):
        assert mine.request(method, path + below, json=sent).status_code == 404


def test_its_secret_is_rotated(mine: httpx.Client) -> None:
    made = created(mine)
    answer = mine.post(f"/v1/integrations/{made['id']}/secret")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    rotated = answer.json()
    assert rotated["id"] == made["id"]
    assert rotated["signing_secret"].startswith("whsec_")
    assert rotated["signing_secret"] != made["signing_secret"]
    assert rotated["former_until"] > made["created_at"]


def test_there_are_only_so_many(mine: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    assert INTEGRATIONS_PER_OWNER_MAX == 100
    monkeypatch.setattr("domain.integration.INTEGRATIONS_PER_OWNER_MAX", 1)
    created(mine)
    answer = mine.post("/v1/webhooks", json=SMALL)
    assert (answer.status_code, answer.json()["error"]) == (400, "too_many_integrations")


def test_one_of_a_product_is_for_all_its_devices(company: Company) -> None:
    made = created(company.owner, company.path)
    assert company.owner.get("/v1/integrations").json() == []
    one_device = {**SMALL, "deviceID": "e00fce681234567890abcdef"}
    assert refusal(company.owner.post(company.path + "/webhooks", json=one_device)) == "deviceID"
    names = [
        event["name"]
        for event in company.owner.get(company.path + "/history").json()["events"]
        if event["stream"] == f"integration-{made['id']}"
    ]
    assert names == ["IntegrationCreated"]


def test_who_may_not_change_it_sees_no_secret(company: Company) -> None:
    made = created(company.owner, company.path, **WHOLE)
    for role, secret in ((Role.DEVELOPER, True), (Role.SUPPORT, False), (Role.VIEW_ONLY, False)):
        client = company.call(company.member(role))
        for path in ("/integrations", "/webhooks", f"/integrations/{made['id']}"):
            answer = client.get(company.path + path)
            assert answer.status_code == 200
            assert ("s3cret" in answer.text) is secret
            assert "receiver.example" in answer.text
    masked = shown(client, made, company.path)
    assert masked["url"] == "https://receiver.example/•••"
    assert masked["headers"] == {"X-Key": "•••"}
    assert masked["json"] == {"v": "•••", "n": "•••"}
    assert masked["auth"] == {"username": "•••", "password": "•••"}


def test_one_of_an_organization_is_its_developers(served: Served) -> None:
    with people(served.database) as those, ExitStack() as clients:
        around = Around(served, those, clients=clients)
        around.team = around.organization(around.user("owner"))
        path = f"/v1/orgs/{around.team}"
        developer, viewer = (
            around.call(around.member(role)) for role in (Role.DEVELOPER, Role.VIEW_ONLY)
        )
        made = created(developer, path, **WHOLE)
        assert shown(viewer, made, path)["event"] == "temp"
        answer = viewer.delete(f"{path}/integrations/{made['id']}")
        assert (answer.status_code, answer.json()["error"]) == (403, "insufficient_scope")
        assert developer.delete(f"{path}/integrations/{made['id']}").status_code == 204


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_another_s_is_not_there(company: Company, mine: httpx.Client, method: str) -> None:
    of_product, own = created(company.owner, company.path), created(mine)
    for client, path in (
        (mine, f"/v1/integrations/{of_product['id']}"),
        (company.owner, f"/v1/integrations/{of_product['id']}"),
        (company.owner, f"{company.path}/integrations/{own['id']}"),
        (company.owner, f"/v1/webhooks/{own['id']}"),
    ):
        answer = client.request(method, path, json=SMALL)
        assert (answer.status_code, answer.json()["error"]) == (404, "not_found")
    assert shown(mine, own)["event"] == "temp"
    assert shown(company.owner, of_product, company.path)["event"] == "temp"


def test_with_an_account_go_its_integrations(person: Person, mine: httpx.Client) -> None:
    made = created(mine, url=URL)
    row = "SELECT count(*) FROM integrations.integration WHERE integration_id = %s"
    database = person.served.database
    assert query(database, row, made["id"]) == [(1,)]
    answer = mine.request("DELETE", "/v1/user", json={"password": person.password})
    assert answer.status_code == 200
    eventually(lambda: query(database, row, made["id"]) == [(0,)])
