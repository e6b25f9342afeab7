"""Products: created, listed, changed, retired; now and as of the past."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from domain.names import PLATFORMS
from domain.roles import Role
from tests.api.serving import Served
from tests.api.teams import Around
from tests.api.world import PLATFORM, World
from tests.people import people


def test_a_product_is_created_with_a_number_and_a_slug_of_its_own(world: World) -> None:
    product = world.product
    assert product["id"] > max(PLATFORMS)
    assert product["platform_id"] == PLATFORM
    assert product["slug"] == f"{world.name.replace(' ', '-')}-{product['id']}"
    assert product["user"] == "admin"
    assert product["settings"]["quarantine"] is True
    assert product["device_count"] == 0


def test_two_products_of_one_name_have_two_slugs(world: World) -> None:
    again = world.api.post("/v1/products", json={"name": world.name, "platform_id": PLATFORM})
    assert again.status_code == 201
    assert again.json()["product"]["slug"] != world.product["slug"]


def test_a_body_may_be_flat_or_wrapped_json_or_form(world: World) -> None:
    wanted = {"name": "flat", "platform_id": "13"}
    flat = world.api.post("/v1/user/products", data=wanted)
    assert flat.json()["product"]["platform_id"] == 13
    nested = {f"product[{field}]": text for field, text in wanted.items()}
    wrapped = world.api.post("/v1/user/products", data=nested)
    assert wrapped.json()["product"]["name"] == "flat"


def test_a_product_may_ask_for_its_number(world: World) -> None:
    wanted = {"name": "numbered", "platform_id": 6, "id": 41_000 + world.id % 1_000}
    answer = world.api.post("/v1/products", json=wanted)
    assert answer.json()["product"]["id"] == wanted["id"]
    taken = world.api.post("/v1/products", json=wanted)
    assert taken.status_code == 409
    assert taken.json()["field"] == "id"
    assert taken.json()["error"] == "product_id_taken"


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"platform_id": 6}, "name"),
        ({"name": "", "platform_id": 6}, "name"),
        ({"name": "x" * 129, "platform_id": 6}, "name"),
        ({"name": 5, "platform_id": 6}, "name"),
        ({"name": "x\u0000", "platform_id": 6}, "name"),
        ({"name": "x"}, "platform_id"),
        ({"name": "x", "platform_id": "six"}, "platform_id"),
        ({"name": "x", "platform_id": 7}, "platform_id"),
        ({"name": "x", "platform_id": 6, "id": 32}, "id"),
        ({"name": "x", "platform_id": 6, "id": 65_535}, "id"),
        ({"name": "x", "platform_id": 6, "description": "d" * 4_097}, "description"),
        ({"name": "x", "platform_id": 6, "settings": {"quarantine": 3}}, "settings.quarantine"),
        (
            {"name": "x", "platform_id": 6, "settings": {"failed_attempts_max": 101}},
            "failed_attempts_max",
        ),
    ],
)
def test_a_field_that_cannot_be_is_named(
    world: World, wanted: dict[str, object], field: str
) -> None:
    answer = world.api.post("/v1/products", json={"product": wanted})
    assert answer.status_code == 400
    assert answer.json()["field"] == field
    assert field.rpartition(".")[2] in answer.json()["error_description"]


def test_a_product_is_found_by_id_and_by_slug(world: World) -> None:
    assert world.get()["product"] == world.product
    by_slug = world.api.get(f"/v1/products/{world.product['slug']}")
    assert by_slug.json()["product"]["id"] == world.id


@pytest.mark.parametrize("name", ["64999", "no-such-product", "6", "0", "99999999999", "%00", "²"])
def test_a_product_that_is_not_there_is_denied(world: World, name: str) -> None:
    answer = world.api.get(f"/v1/products/{name}")
    assert answer.status_code == 403
    assert answer.json()["error_description"] == "Permission denied"


def test_who_has_no_part_in_a_product_does_not_see_it_in_a_list(
    world: World, served: Served
) -> None:
    with people(served.database) as those:
        around = Around(served, those, str(world.id))
        viewer, stranger = around.member(Role.VIEW_ONLY), around.user("stranger")
        bearer = around.holder(product_id=world.id, client_id="some-client")
        program = around.add_program(["products:list"])
        with around.clients:
            for who in (viewer, bearer, program):
                shown = around.call(who).get("/v1/products").json()
                assert [product["id"] for product in shown["products"]] == [world.id]
                assert shown["meta"]["total"] == 1
            assert around.call(stranger).get("/v1/products").json()["products"] == []


def test_a_product_belongs_to_whoever_creates_it(served: Served) -> None:
    with people(served.database) as those:
        around = Around(served, those)
        maker = around.user("maker")
        with around.clients:
            client = around.call(maker)
            wanted = {"name": "mine", "platform_id": 6, "owner": "user:" + "e" * 24}
            created = client.post("/v1/products", json=wanted).json()["product"]
            assert created["user"] == maker.email
            assert created["organization_id"] is None
            assert client.get("/v1/products").json()["products"] == [created]


@pytest.mark.parametrize("path", ["/v1/products", "/v1/user/products"])
def test_products_are_listed(world: World, path: str) -> None:
    answer = world.api.get(path).json()
    assert world.product in answer["products"]
    assert answer["meta"]["total"] == len(answer["products"])


def test_a_page_of_products_is_asked_for_in_either_spelling(world: World) -> None:
    assert world.id
    one = world.api.get("/v1/products", params={"per_page": 1, "page": 1}).json()
    assert len(one["products"]) == 1
    assert world.api.get("/v1/products", params={"perPage": 1}).json() == one
    assert one["meta"]["total_pages"] == one["meta"]["total"]
    too_many = world.api.get("/v1/products", params={"per_page": 1_001})
    assert too_many.status_code == 400
    assert too_many.json()["field"] == "per_page"


def test_name_description_and_settings_change_together(world: World) -> None:
    product = world.put(
        "",
        product={
            "name": "renamed",
            "description": "for gardens",
            "settings": {
                "quarantine": False,
                "failed_attempts_max": 7,
                "device_event_days": 90,
            },
        },
    )["product"]
    assert (product["name"], product["description"]) == ("renamed", "for gardens")
    assert product["settings"]["quarantine"] is False
    assert product["settings"]["failed_attempts_max"] == 7
    assert product["settings"]["device_event_days"] == 90
    assert product["slug"] == world.product["slug"]


def test_a_change_that_is_refused_in_part_changes_nothing(world: World) -> None:
    body = {"name": "half", "settings": {"failed_attempts_max": 0}}
    error = world.refused("PUT", "", 400, json=body)
    assert error["field"] == "failed_attempts_max"
    assert world.get()["product"]["name"] == world.name


def test_device_events_are_kept_as_the_installation_says_unless_told_otherwise(
    world: World,
) -> None:
    assert world.product["settings"]["device_event_days"] is None
    world.put("", product={"settings": {"device_event_days": 3}})
    product = world.put("", product={"settings": {"device_event_days": None}})["product"]
    assert product["settings"]["device_event_days"] is None
    error = world.refused("PUT", "", 400, json={"settings": {"device_event_days": 367}})
    assert error["field"] == "device_event_days"


def test_a_change_of_nothing_is_refused(world: World) -> None:
    error = world.refused("PUT", "", 400, json={"colour": "red"})
    assert "name, description" in error["error_description"]


def test_a_product_with_devices_is_not_retired(world: World) -> None:
    device_id = world.import_devices()[0]
    error = world.refused("DELETE", "", 409)
    assert error["error"] == "product_has_devices"
    assert error["details"] == {"devices": 1}
    assert world.api.delete(f"{world.path}/devices/{device_id}").status_code == 204
    assert world.api.delete(world.path).status_code == 204
    assert world.refused("GET", "", 403)["error_description"] == "Permission denied"


def test_a_retired_product_takes_no_devices(world: World) -> None:
    assert world.api.delete(world.path).status_code == 204
    world.refused("POST", "/devices", 403, json={"id": "a" * 24})
    listed = world.api.get("/v1/products").json()["products"]
    assert world.id not in [product["id"] for product in listed]


def test_a_product_is_shown_as_of_a_position(world: World) -> None:
    created = world.head()
    world.put("", name="second")
    world.put("", name="third")
    assert world.get("", as_of=created)["product"]["name"] == world.name
    assert world.get("", as_of=created + 1)["product"]["name"] == "second"
    assert world.get("")["product"]["name"] == "third"
    assert world.refused("GET", "", 403, params={"as_of": created - 1})


def test_a_product_is_shown_as_of_a_time(world: World) -> None:
    between = datetime.now(UTC).isoformat()
    world.put("", name="second")
    assert world.get("", as_of=between)["product"]["name"] == world.name
    east = datetime.now(timezone(timedelta(hours=2))).isoformat()
    assert world.get("", as_of=east)["product"]["name"] == "second"
    unescaped = f"{world.path}?as_of={east}"  # where a plus means a blank
    assert world.api.get(unescaped).json()["product"]["name"] == "second"
    assert world.refused("GET", "", 403, params={"as_of": "2020-01-01T00:00:00Z"})


@pytest.mark.parametrize("as_of", ["yesterday", "9" * 18, "2999-01-01T00:00:00Z", "-1"])
def test_a_past_that_is_none_is_refused(world: World, as_of: str) -> None:
    assert world.refused("GET", "", 400, params={"as_of": as_of})["field"] == "as_of"
