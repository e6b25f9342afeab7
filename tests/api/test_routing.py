"""How a call finds its route, whatever the order of the table."""

from api.app import ROUTES
from api.passage import starlette_routes
from api.routing import Route
from api.status import status
from tests.api.world import World

NAMED = Route("GET", "/v1/devices/{device}", status, "devices:get")
SPELLED_OUT = Route("POST", "/v1/devices/events", status, "events:send")


def test_an_address_that_is_spelled_out_goes_before_one_with_a_name_in_it() -> None:
    for table in ([NAMED, SPELLED_OUT], [SPELLED_OUT, NAMED]):
        paths = [route.path for route in starlette_routes(table)]
        assert paths == ["/v1/devices/events", "/v1/devices/{device}"]


def test_no_address_stands_twice() -> None:
    paths = [route.path for route in starlette_routes(ROUTES)]
    assert len(paths) == len(set(paths))
    lines = [(route.method, route.path) for route in ROUTES]
    assert len(lines) == len(set(lines))


def test_an_address_says_what_it_takes(world: World) -> None:
    answer = world.api.options("/v1/devices/events")
    assert (answer.status_code, answer.headers["Allow"]) == (204, "GET, HEAD, OPTIONS, POST")


def test_a_position_that_is_empty_is_none(world: World) -> None:
    answer = world.api.get("/v1/products", headers={"X-Rollcall-At-Least": ""})
    assert (answer.status_code, answer.json()["field"]) == (400, "at_least")
