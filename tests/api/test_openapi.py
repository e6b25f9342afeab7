"""The description is of the API that there is: every route, every scope, nothing else."""

import httpx
import openapi_spec_validator
import pytest

from api.app import ROUTES
from api.routing import Route
from tests.api.conformity import described


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


def test_limits_are_in_the_description() -> None:
    schemas = described()["components"]["schemas"]
    assert schemas["NewGroup"]["properties"]["name"]["pattern"].startswith("^[a-z0-9_-]{1,64}$")
    assert schemas["NewFirmware"]["properties"]["version"]["maximum"] == 65_534
    parameters = described()["paths"]["/v1/products/{product}/devices"]["get"]["parameters"]
    per_page = next(one for one in parameters if one["name"] == "per_page")
    assert per_page["schema"]["maximum"] == 100
