"""The description is of the API that there is: every route, every scope, nothing else."""

from typing import Any

import httpx
import openapi_spec_validator
import pytest

from api.app import ROUTES
from api.limits import EVENT_STREAMS
from api.routing import Route
from tests.api.conformity import described
from tests.api.routes import line, parts_of


def test_the_description_is_valid_openapi_3_1(api: httpx.Client) -> None:
    document = api.get("/v1/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    openapi_spec_validator.validate(document)
    assert document == described()


def test_every_route_is_described_and_nothing_else() -> None:
    there = {(route.method.lower(), route.path) for route in ROUTES}
    told = {(method, path) for path, item in described()["paths"].items() for method in item}
    assert there == told
    assert len(there) == len(ROUTES)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_a_route_says_its_scope_and_its_answers(route: Route) -> None:
    operation = described()["paths"][route.path][route.method.lower()]
    assert operation["security"] == ([] if route.anonymous else [{"token": [route.scope]}])
    assert operation["summary"]
    assert {"400", "401", "403", "500", "503"} <= operation["responses"].keys()
    if route.method != "GET":
        assert {"409", "413", "415", "422"} <= operation["responses"].keys()
        named = {one["name"] for one in operation["parameters"]}
        assert ("Idempotency-Key" in named) == route.keyed


def answers(line: str, status: int = 200) -> Any:
    method, path = line.split()
    return described()["paths"][path][method.lower()]["responses"][str(status)]


def test_whatever_else_a_route_answers_with_is_described() -> None:
    device = "/v1/devices/{device}"
    assert {*answers(f"GET {device}/{{name}}")["content"]} == {"application/json", "text/plain"}
    assert {*answers(f"POST {device}/{{name}}")["content"]} == {"application/json", "text/plain"}
    vitals = answers("GET /v1/diagnostics/{device}")["content"]
    assert {*vitals} == {"application/json", "text/csv"}
    binary = "GET /v1/products/{product}/firmware/{version}/binary"
    for status in (200, 206):
        assert [*answers(binary, status)["content"]] == ["application/octet-stream"]
    assert "content" not in answers(binary, 304)


def test_a_stream_says_that_it_is_one_and_how_it_is_resumed() -> None:
    streams = [line(route) for route in ROUTES if route.limit == EVENT_STREAMS]
    for stream in streams:
        assert [*answers(stream)["content"]] == ["text/event-stream"]
        method, path = stream.split()
        named = {one["name"] for one in described()["paths"][path][method.lower()]["parameters"]}
        assert "Last-Event-ID" in named
        assert "after" in named or path == "/v1/events"
    assert len(streams) > 20


def test_a_list_without_room_for_it_says_elsewhere_that_there_is_more() -> None:
    listing = [
        line(route) for route in ROUTES if "Link" in answers(line(route), route.status)["headers"]
    ]
    assert listing == ["GET /v1/devices"]


LINKED = [
    pytest.param(route, link, id=f"{line(route)} {name}")
    for route in ROUTES
    for name, link in answers(line(route), route.status).get("links", {}).items()
]


def test_what_was_made_can_be_followed_to_where_it_is_read() -> None:
    followed = {
        (line(route), operation["operationId"])
        for route in ROUTES
        for operation in answers(line(route), route.status).get("links", {}).values()
    }
    product = "/v1/products/{product}"
    for made, read in [
        ("POST /v1/products", "get_product"),
        ("POST /v1/orgs", "get_organization"),
        (f"POST {product}/groups", "get_group"),
        (f"POST {product}/firmware", "download_firmware"),
        (f"POST {product}/devices", "get_device"),
        (f"POST {product}/team", "get_member"),
        ("POST /v1/devices", "unclaim_device"),
    ]:
        assert (made, read) in followed


@pytest.mark.parametrize(("route", "link"), LINKED)
def test_a_link_names_what_there_is(route: Route, link: dict[str, Any]) -> None:
    operations = {
        operation["operationId"]: (path, operation)
        for path, item in described()["paths"].items()
        for operation in item.values()
    }
    path, _ = operations[link["operationId"]]
    assert {name.removeprefix("path.") for name in link["parameters"]} == {*parts_of(path)}
    for expression in link["parameters"].values():
        if "#" not in expression:
            assert expression.removeprefix("$request.path.") in parts_of(route.path)
            continue
        kind = answers(line(route), route.status)["content"]["application/json"]["schema"]
        for part in expression.partition("#/")[2].split("/"):
            kind = resolved(kind)
            kind = kind["items"] if part.isdigit() else kind["properties"][part]


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """What a schema refers to, or the one that is no null of several."""
    while "$ref" in schema or "anyOf" in schema:
        if "anyOf" in schema:
            schema = next(one for one in schema["anyOf"] if one.get("type") != "null")
        else:
            schema = described()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def test_limits_are_in_the_description() -> None:
    schemas = described()["components"]["schemas"]
    assert schemas["NewGroup"]["properties"]["name"]["pattern"].startswith("^[a-z0-9_-]{1,64}$")
    assert schemas["NewFirmware"]["properties"]["version"]["maximum"] == 65_534
    parameters = described()["paths"]["/v1/products/{product}/devices"]["get"]["parameters"]
    per_page = next(one for one in parameters if one["name"] == "per_page")
    assert per_page["schema"]["maximum"] == 100
