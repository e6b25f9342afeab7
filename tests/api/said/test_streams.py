"""Streams of device events: who hears what, in which words, and from where on."""

import json
import threading
from typing import Any

import httpx
import pytest

from domain.holders import customer_holder
from domain.roles import Role
from tests.api.said.conftest import Scene
from tests.api.said.ear import Ear, listening
from tests.api.said.saying import say
from tests.api.shop import Shop
from tests.api.teams import Somebody


def said(ear: Ear, number: int) -> list[Any]:
    return [heard.said["data"] for heard in ear.take(number)]


def test_a_product_s_stream_tells_what_its_product_knows(scene: Scene) -> None:
    with listening(scene.http, scene.world.path + "/events") as ear:
        place = scene.say({"name": "temp", "data": "23.5"})
        heard = ear.next()
    assert heard.place == place
    assert heard.name == "temp"
    assert heard.said.pop("published_at").endswith("Z")
    assert heard.said == {
        "data": "23.5",
        "ttl": 60,
        "coreid": scene.device,
        "userid": scene.owner.user_id,
        "version": 3,
        "public": False,
        "productID": scene.world.id,
    }


def test_one_s_own_stream_tells_less(scene: Scene) -> None:
    with listening(scene.http, "/v1/devices/events") as ear:
        scene.say({"name": "temp", "data": None})
        heard = ear.next()
    assert heard.said.keys() == {"data", "ttl", "published_at", "coreid"}
    assert heard.said["data"] is None


def test_who_published_is_told_as_clients_know_it(scene: Scene) -> None:
    with listening(scene.http, scene.world.path + "/events") as ear:
        scene.say(
            {"publisher": "api", "device_id": "api"},
            {"publisher": "api"},
            {"publisher": "particle-internal"},
        )
        speakers = [heard.said["coreid"] for heard in ear.take(3)]
    assert speakers == ["api", scene.device, "particle-internal"]


def test_the_wire_is_what_clients_can_read(scene: Scene) -> None:
    """They lose what comes with the headers, and letters that are cut in two."""
    with scene.http.stream("GET", scene.world.path + "/events") as response:
        assert response.headers["Content-Type"].startswith("text/event-stream")
        assert "Content-Length" not in response.headers
        assert response.headers["Cache-Control"] == "no-store"
        wire = response.iter_raw()
        assert next(wire) == b":ok\n\n"
        assert next(wire).startswith(b":\nid: ")
        place = scene.say({"name": "a\nb", "data": "grün\n😀"})
        event = next(wire).decode("ascii")
    first, second, third, *end = event.split("\n")
    assert (first, second, end) == (f"id: {place}", "event: a b", ["", ""])
    assert json.loads(third.removeprefix("data: "))["data"] == "grün\n😀"


@pytest.mark.parametrize("spelled", ["room/a", "room%2Fa", "room%2fa"])
@pytest.mark.parametrize("under", ["/v1/events/", "/v1/devices/events/"])
def test_a_prefix_is_the_beginning_of_a_name_slashes_and_capitals_included(
    scene: Scene, under: str, spelled: str
) -> None:
    names = ["room", "room/b", "room/a", "Room/a", "a/room/a", "room/a/1"]
    with listening(scene.http, under + spelled) as ear:
        scene.say(*({"name": name} for name in names), {"name": "room/a/end"})
        heard = [one.name for one in ear.take(3)]
    assert heard == ["room/a", "room/a/1", "room/a/end"]


@pytest.mark.parametrize("path", ["/v1/events", "/v1/events/"])
def test_all_the_world_s_events_need_a_prefix(scene: Scene, path: str) -> None:
    answer = scene.http.get(path)
    assert answer.status_code == 400
    assert answer.json()["ok"] is False
    assert answer.json()["error"] == "event prefix filter is required"


def test_a_product_is_heard_by_its_team_alone(scene: Scene) -> None:
    path = scene.world.path + "/events"
    viewer, stranger = scene.member(Role.VIEW_ONLY), scene.user("stranger")
    with listening(scene.call(viewer), path) as ear:
        scene.count(1)
        assert said(ear, 1) == ["1"]
    assert scene.call(stranger).get(path).status_code == 403


def test_nobody_hears_what_was_said_elsewhere(scene: Scene) -> None:
    path, other = scene.world.path, scene.claim(scene.owner)
    with (
        listening(scene.http, path + "/events") as product,
        listening(scene.http, path + f"/devices/{scene.device.upper()}/events") as device,
        listening(scene.http, "/v1/devices/events") as own,
        listening(scene.http, f"/v1/devices/{scene.device}/events") as own_device,
    ):
        scene.say(
            {"data": "another product's", "product_id": 64_000, "user_id": "a" * 24},
            {"data": "nobody's", "product_id": None, "user_id": None},
            {"data": "my sandbox's", "product_id": None, "device_id": "b" * 24},
            {"data": "of my product, not mine", "user_id": None},
            {"data": "by another device", "device_id": other},
            {"data": "end"},
        )
        assert said(product, 3) == ["of my product, not mine", "by another device", "end"]
        assert said(device, 2) == ["of my product, not mine", "end"]
        assert said(own, 3) == ["my sandbox's", "by another device", "end"]
        assert said(own_device, 1) == ["end"]


def test_a_device_is_heard_by_its_owner_and_its_product_s_team(scene: Scene) -> None:
    claimer, viewer = scene.user("claimer"), scene.member(Role.VIEW_ONLY)
    device = scene.claim(claimer)
    path = f"/v1/devices/{device}/events"
    with (
        listening(scene.call(claimer), path) as own,
        listening(scene.call(viewer), path) as team,
    ):
        scene.say(
            {"device_id": device, "user_id": "a" * 24, "data": "another owner's"},
            {"device_id": device, "user_id": claimer.user_id, "data": "mine"},
            {"device_id": device, "user_id": claimer.user_id, "product_id": 64_000, "data": "out"},
            {"device_id": device, "user_id": claimer.user_id, "data": "end"},
        )
        assert said(own, 3) == ["mine", "out", "end"]
        assert said(team, 3) == ["another owner's", "mine", "end"]
    assert scene.call(scene.user("stranger")).get(path).status_code == 403


def test_a_customer_hears_devices_of_their_own(shop: Shop) -> None:
    ann = shop.sign_up("ann@example.com")
    device = ann.set_up()
    theirs = {"device_id": device, "product_id": shop.owners.world.id, "name": "said"}
    mine = {**theirs, "user_id": customer_holder(ann.id)}
    paths = ("/v1/devices/events", f"/v1/devices/{device}/events", "/v1/devices/log/stream")
    for path in paths:
        with listening(ann.client, path) as ear:
            say(shop.served.database, {**theirs, "data": "another's"}, {**mine, "data": "mine"})
            assert said(ear, 1) == ["mine"]
    assert ann.client.get(shop.path + "/events").status_code == 403


def test_an_organization_hears_all_its_products(scene: Scene) -> None:
    org = scene.organization(scene.owner)
    created = scene.http.post(
        f"/v1/orgs/{org}/products", json={"product": {"name": f"of {org}", "platform_id": 6}}
    )
    product_id = created.json()["product"]["id"]
    device = scene.http.post(
        f"/v1/products/{product_id}/devices", json={"id": (device_id := "c" * 24)}
    )
    assert device.status_code == 200
    with (
        listening(scene.http, f"/v1/orgs/{org}/events") as everything,
        listening(scene.http, f"/v1/orgs/{org}/devices/events/sa") as by_prefix,
        listening(scene.http, f"/v1/orgs/{org}/devices/{device_id}/events") as one,
    ):
        scene.say(
            {"data": "not the organization's"},
            {"product_id": product_id, "data": "1"},
            {"product_id": product_id, "name": "else", "device_id": device_id, "data": "2"},
            {"product_id": product_id, "device_id": device_id, "data": "3"},
        )
        assert said(everything, 3) == ["1", "2", "3"]
        assert said(by_prefix, 2) == ["1", "3"]
        assert said(one, 2) == ["2", "3"]
    assert scene.http.get(f"/v1/orgs/{org}/devices/{scene.device}/events").status_code == 404


def test_a_product_made_meanwhile_is_heard_too(scene: Scene) -> None:
    org = scene.organization(scene.owner)
    with listening(scene.http, f"/v1/orgs/{org}/events") as ear:
        made = {"product": {"name": f"new of {org}", "platform_id": 6}}
        answer = scene.http.post(f"/v1/orgs/{org}/products", json=made)
        product_id = answer.json()["product"]["id"]
        stop = threading.Event()

        def say_until_heard() -> None:
            while not stop.wait(0.1):
                scene.say({"product_id": product_id, "data": "new"})

        saying = threading.Thread(target=say_until_heard)
        saying.start()
        try:
            assert said(ear, 1) == ["new"]
        finally:
            stop.set()
            saying.join()


def test_what_is_not_in_the_product_is_not_there(scene: Scene) -> None:
    path = f"{scene.world.path}/devices/{'d' * 24}/events"
    answer = scene.http.get(path)
    assert answer.status_code == 404
    assert answer.json()["error_description"] == "Device not found for this product"


@pytest.mark.parametrize("by", ["query", "header"])
def test_a_stream_resumes_after_the_place_that_was_read_last(scene: Scene, by: str) -> None:
    path = scene.world.path + "/events"
    before = scene.count(0)
    with listening(scene.http, path) as ear:
        scene.count(1, 2)
        assert said(ear, 2) == ["1", "2"]
        place = ear.place
    scene.count(3, 4)
    if by == "query":
        again = listening(scene.http, path, params={"after": place})
    else:
        headers = {"Last-Event-ID": str(place)}
        again = listening(scene.http, path, params={"after": before}, headers=headers)
    with again as ear:
        scene.count(5)
        assert said(ear, 3) == ["3", "4", "5"]


def test_without_a_place_a_stream_begins_now(scene: Scene) -> None:
    scene.count(1)
    with listening(scene.http, scene.world.path + "/events") as ear:
        scene.count(2)
        assert said(ear, 1) == ["2"]


def test_whoever_hears_nothing_may_resume_all_the_same(scene: Scene) -> None:
    with listening(scene.http, scene.world.path + "/events/never") as ear:
        place = ear.place
    scene.say({"name": "never heard"})
    with listening(scene.http, scene.world.path + "/events/never", params={"after": place}) as ear:
        assert ear.next().name == "never heard"


def test_a_place_that_is_not_there_yet_is_now(scene: Scene) -> None:
    path = scene.world.path + "/events"
    with listening(scene.http, path, params={"after": 10**17}) as ear:
        scene.count(1)
        assert said(ear, 1) == ["1"]


@pytest.mark.parametrize("place", ["-1", "x", "9" * 30])
def test_what_can_be_no_place_is_refused(scene: Scene, place: str) -> None:
    for options in ({"params": {"after": place}}, {"headers": {"Last-Event-ID": place}}):
        answer = scene.http.get(scene.world.path + "/events", **options)  # type: ignore[arg-type]
        assert answer.status_code == 400


def test_nothing_is_missed_and_nothing_repeated_between_what_is_stored_and_what_is_said(
    scene: Scene,
) -> None:
    """Streams that begin anywhere, while there is talking."""
    path, total = scene.world.path + "/events", 600
    before = scene.count(0)

    def talk() -> None:
        for number in range(1, total, 3):
            scene.count(number, number + 1, number + 2)

    talking = threading.Thread(target=talk)
    talking.start()
    heard: list[list[str]] = []

    def hear() -> None:
        with listening(scene.http, path, params={"after": before}) as ear:
            heard.append(said(ear, total))

    ears = [threading.Thread(target=hear) for _ in range(5)]
    for ear in ears:
        ear.start()
    for thread in (talking, *ears):
        thread.join()
    assert heard == [[str(number) for number in range(1, total + 1)]] * 5


def test_a_resumed_place_goes_with_every_pause(scene: Scene) -> None:
    """Read one, hang up, resume: all of them, once each."""
    path, place = scene.world.path + "/events", scene.count(0)
    scene.count(*range(1, 6))
    heard = []
    for _ in range(5):
        with listening(scene.http, path, params={"after": place}) as ear:
            event = ear.next()
            heard.append(event.said["data"])
            place = event.place
    assert heard == ["1", "2", "3", "4", "5"]


def test_more_than_a_page_of_history_is_read_on(scene: Scene) -> None:
    before = scene.count(0)
    last = scene.say(*({"data": str(number)} for number in range(1_200)))
    path = scene.world.path + "/events"
    with listening(scene.http, path, params={"after": before}) as ear:
        assert said(ear, 1_200) == [str(number) for number in range(1_200)]
        assert ear.place == last


def test_head_says_that_there_would_be_a_stream(scene: Scene) -> None:
    answer = scene.http.head(scene.world.path + "/events")
    assert answer.status_code == 200
    assert answer.content == b""


def test_a_token_that_is_none_is_told_as_clients_need_it(scene: Scene) -> None:
    with scene.served.client(token="f" * 40) as nobody:
        answer = nobody.get("/v1/devices/events", params={"nonce": "12.5"})
    assert answer.status_code == 401
    assert answer.json()["error_description"] == "The access token provided is invalid."


def test_what_is_said_on_several_streams_is_the_same(scene: Scene) -> None:
    viewers = [scene.member(Role.VIEW_ONLY) for _ in range(3)]
    path = scene.world.path + "/events"

    def open_for(who: Somebody) -> Any:
        return listening(scene.call(who), path)

    with open_for(viewers[0]) as a, open_for(viewers[1]) as b, open_for(viewers[2]) as c:
        scene.count(*range(10))
        assert said(a, 10) == said(b, 10) == said(c, 10)


def test_say_stores_as_the_intake_does(scene: Scene, api: httpx.Client) -> None:
    """An administrator of the installation hears everything, by its place."""
    event = {"device_id": scene.device, "product_id": scene.world.id, "name": "plain"}
    with listening(api, f"/v1/devices/{scene.device}/events") as ear:
        assert say(scene.served.database, event) == ear.next().place
