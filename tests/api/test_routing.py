"""How a call finds its route, whatever the order of the table."""

import pytest

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


@pytest.mark.parametrize("names", ["room", "room/a", "room%2Fa/b", "a/b/c/d/e/f/g/h/i/j", ""])
def test_the_beginning_of_a_name_may_hold_slashes(world: World, names: str) -> None:
    for heard in ("/v1/devices", world.path, world.path + "/devices"):
        answer = world.api.head(f"{heard}/events/{names}")
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].startswith("text/event-stream")


def test_no_other_part_of_an_address_may(world: World) -> None:
    for path in (world.path + "/groups/a/b", "/v1/devices/a/b/c", "/v1/devices/log/a"):
        answer = world.api.delete(path)
        assert answer.status_code in (404, 405)


def test_a_device_may_have_a_variable_that_is_called_like_a_view() -> None:
    """What clients read at this address is a variable, whatever its name."""
    paths = {route.path for route in ROUTES}
    assert "/v1/devices/{device}/log" not in paths


def test_an_address_says_what_it_takes(world: World) -> None:
    answer = world.api.options("/v1/devices/events")
    assert (answer.status_code, answer.headers["Allow"]) == (204, "GET, HEAD, OPTIONS, POST")


def test_a_position_that_is_empty_is_none(world: World) -> None:
    answer = world.api.get("/v1/products", headers={"X-Rollcall-At-Least": ""})
    assert (answer.status_code, answer.json()["field"]) == (400, "at_least")
