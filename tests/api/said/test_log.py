"""The log view: what was said, looked through, and what is being said, in the same places."""

from typing import Any

import pytest

from api.said import stored
from domain.roles import Role
from tests.api.said.conftest import Scene
from tests.api.said.ear import listening


def page(scene: Scene, path: str = "", **params: Any) -> Any:
    answer = scene.http.get(path or scene.world.path + "/log", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def data(found: Any) -> list[str]:
    return [event["data"] for event in found["events"]]


def test_an_entry_tells_all_there_is(scene: Scene) -> None:
    scene.world.put(f"/devices/{scene.device}", name="cellar")
    place = scene.say({"name": "temp", "data": "23.5"})
    (entry,) = page(scene)["events"]
    assert entry.pop("published_at").endswith("Z")
    assert entry == {
        "place": place,
        "name": "temp",
        "data": "23.5",
        "ttl": 60,
        "coreid": scene.device,
        "device_id": scene.device,
        "device_name": "cellar",
        "product_id": scene.world.id,
        "version": 3,
    }


def test_the_newest_comes_first_and_pages_lead_to_the_oldest(scene: Scene) -> None:
    scene.count(*range(7))
    first = page(scene, per_page=3)
    assert (data(first), first["more"]) == (["6", "5", "4"], True)
    second = page(scene, perPage=3, before=first["before"])
    assert (data(second), second["more"]) == (["3", "2", "1"], True)
    third = page(scene, per_page=3, before=second["before"])
    assert (data(third), third["more"]) == (["0"], False)


def test_upwards_pages_lead_to_what_is_said_now(scene: Scene) -> None:
    before = scene.count(0)
    scene.count(*range(1, 6))
    first = page(scene, per_page=3, after=before)
    assert (data(first), first["more"]) == (["1", "2", "3"], True)
    second = page(scene, per_page=3, after=first["after"])
    assert (data(second), second["more"]) == (["4", "5"], False)
    scene.count(6)
    params = {"after": second["after"]}
    with listening(scene.http, scene.world.path + "/log/stream", params=params) as ear:
        scene.count(7)
        assert [heard.said["data"] for heard in ear.take(2)] == ["6", "7"]


def test_between_two_places_neither_is_included(scene: Scene) -> None:
    first = scene.count(1)
    scene.count(2, 3)
    last = scene.count(4)
    between: dict[str, Any] = {"after": first, "before": last}
    assert data(page(scene, **between)) == ["3", "2"]
    assert data(page(scene, order="asc", **between)) == ["2", "3"]


def test_pause_and_resume_lose_nothing(scene: Scene) -> None:
    """The newest page, then the stream; paused, then resumed; with the same filter."""
    path, wanted = scene.world.path + "/log/stream", "event:kept"
    scene.say({"name": "kept", "data": "0"}, {"name": "other"})
    shown = page(scene, q=wanted)
    scene.say({"name": "kept", "data": "1"}, {"name": "other"})
    with listening(scene.http, path, params={"q": wanted, "after": shown["after"]}) as ear:
        scene.say({"name": "other"}, {"name": "kept", "data": "2"})
        assert [heard.said["data"] for heard in ear.take(2)] == ["1", "2"]
        place = ear.place
    scene.say({"name": "kept", "data": "3"}, {"name": "other"})
    with listening(scene.http, path, params={"q": wanted, "after": place}) as ear:
        scene.say({"name": "kept", "data": "4"})
        assert [heard.said["data"] for heard in ear.take(2)] == ["3", "4"]
    assert data(shown) == ["0"]


QUERIES = [
    ("", ["cold", "warm", "door", "api"]),
    ("temp", ["cold", "warm"]),
    ("TEMP /b", ["warm"]),
    ("range:-10-0", ["cold"]),
    ("range:20-", ["warm"]),
    ("event:temp range:-100-100", ["cold", "warm"]),
    ("data:open", ["door"]),
    ("device:cellar", ["cold", "warm"]),
    ("cellar open", []),
    ("event:door event:note", ["door", "api"]),
    ("device:api", ["api"]),
    ('"is open"', ["door"]),
]


@pytest.mark.parametrize(("query", "wanted"), QUERIES)
def test_stored_and_said_are_looked_through_alike(
    scene: Scene, query: str, wanted: list[str]
) -> None:
    other = scene.claim(scene.owner)
    scene.world.put(f"/devices/{scene.device}", name="Cellar")
    names = {"temp/a": "cold", "temp/b": "warm", "door": "door", "note": "api"}
    events: list[dict[str, Any]] = [
        {"name": "temp/a", "data": "-5.5"},
        {"name": "temp/b", "data": "22"},
        {"name": "door", "data": "it is open", "device_id": other},
        {"name": "note", "data": None, "device_id": "api", "publisher": "api"},
    ]
    path = scene.world.path + "/log/stream"
    with listening(scene.http, path, params={"q": query}) as ear:
        scene.say(*events, {"name": "end", "data": "end"})
        if wanted and query:
            heard = [names[one.name] for one in ear.take(len(wanted))]
            assert heard == wanted
    found = page(scene, q=query, order="asc")["events"]
    assert [names[one["name"]] for one in found if one["name"] != "end"] == wanted


def test_what_a_device_is_called_is_told_as_long_as_it_is_there(scene: Scene) -> None:
    """Whatever others call it later is theirs."""
    claimer = scene.user("claimer")
    device = scene.claim(claimer)
    scene.world.put(f"/devices/{device}", name="lent")
    scene.say({"device_id": device, "user_id": claimer.user_id, "data": "said"})
    mine, theirs = scene.call(claimer), page(scene, q="device:lent")
    assert data(theirs) == ["said"]
    assert mine.get("/v1/devices/log", params={"q": "lent"}).json()["events"]
    assert mine.delete(f"/v1/devices/{device}").status_code == 200
    answer = mine.get("/v1/devices/log").json()
    assert [(one["data"], one["device_name"]) for one in answer["events"]] == [("said", None)]
    assert mine.get("/v1/devices/log", params={"q": "lent"}).json()["events"] == []


def test_the_log_of_one_device_of_oneself_and_of_an_organization(scene: Scene) -> None:
    org = scene.organization(scene.owner)
    made = {"product": {"name": f"log of {org}", "platform_id": 6}}
    answer = scene.http.post(f"/v1/orgs/{org}/products", json=made)
    product_id = answer.json()["product"]["id"]
    other = scene.claim(scene.owner)
    scene.say(
        {"data": "device's"},
        {"data": "other's", "device_id": other},
        {"data": "sandbox", "product_id": None},
        {"data": "organization's", "product_id": product_id, "user_id": None},
    )
    assert data(page(scene, f"{scene.world.path}/devices/{scene.device}/log")) == ["device's"]
    assert data(page(scene, "/v1/devices/log")) == ["sandbox", "other's", "device's"]
    assert data(page(scene, f"/v1/orgs/{org}/log")) == ["organization's"]
    assert data(page(scene)) == ["other's", "device's"]


def test_one_s_own_log_is_streamed_too(scene: Scene) -> None:
    org = scene.organization(scene.owner)
    paths = ["/v1/devices", f"{scene.world.path}/devices/{scene.device}"]
    for path in paths:
        with listening(scene.http, path + "/log/stream") as ear:
            scene.count(1)
            assert ear.next().said["data"] == "1"
    with listening(scene.http, f"/v1/orgs/{org}/log/stream") as ear:
        assert ear.place is not None


def test_a_filter_that_cannot_be_read_is_pointed_at(scene: Scene) -> None:
    for below in ("/log", "/log/stream"):
        answer = scene.http.get(scene.world.path + below, params={"q": "temp range:hot"})
        assert answer.status_code == 400
        trouble = answer.json()
        assert (trouble["error"], trouble["field"]) == ("filter_unreadable", "q")
        assert (trouble["details"]["offset"], trouble["details"]["length"]) == (5, 9)
        assert "two numbers" in trouble["error_description"]


def test_what_is_looked_at_is_bounded_and_goes_on_from_there(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "LOOKED_AT_MAX", 10)
    rare = scene.say({"name": "rare", "data": "first"})
    scene.count(*range(25))
    found, pages = page(scene, q="event:rare"), 1
    while found["more"]:
        assert data(found) == []
        found, pages = page(scene, q="event:rare", before=found["before"]), pages + 1
    assert (data(found), pages) == (["first"], 3)
    upwards = page(scene, q="event:never", after=rare)
    assert (data(upwards), upwards["more"], upwards["after"]) == ([], True, rare + 10)


def test_a_stream_looks_on_from_there_by_itself(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "LOOKED_AT_MAX", 10)
    before = scene.count(0)
    scene.count(*range(45))
    last = scene.say({"name": "rare"})
    path = scene.world.path + "/log/stream"
    with listening(scene.http, path, params={"q": "event:rare", "after": before}) as ear:
        assert ear.next().place == last


def test_the_log_is_its_team_s_alone(scene: Scene) -> None:
    scene.count(1)
    viewer, stranger = scene.member(Role.VIEW_ONLY), scene.user("stranger")
    assert data(scene.call(viewer).get(scene.world.path + "/log").json()) == ["1"]
    assert scene.call(stranger).get(scene.world.path + "/log").status_code == 403
    assert scene.call(stranger).get("/v1/devices/log").json()["events"] == []
