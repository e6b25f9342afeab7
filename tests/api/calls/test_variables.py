"""Reading a variable: what it holds now, of its own type."""

from typing import Any

import httpx
import pytest

from tests.api.calls.gadget import Lamp, always, gadget, never
from tests.api.world import World
from tests.servers import NatsServer

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize(
    ("name", "held"),
    [
        ("count", -3),
        ("level", 21.5),
        ("level", 21),
        ("name", "Lámpara"),
        ("name", ""),
        ("on", True),
    ],
)
async def test_a_variable_is_read_with_its_type(
    calling: httpx.AsyncClient, door: NatsServer, lamp: Lamp, name: str, held: Any
) -> None:
    async with gadget(door, lamp.id, always({"value": held})) as ours:
        for path in (lamp.path, lamp.own_path):
            read = (await calling.get(f"{path}/{name}")).json()
            assert (read["name"], read["result"]) == (name, held)
            assert type(read["result"]) is type(held)
    assert {(what, asked["variable"]) for what, asked in ours.asked} == {("read", name)}


async def test_the_answer_says_which_device_was_asked(
    calling: httpx.AsyncClient, door: NatsServer, world: World, lamp: Lamp
) -> None:
    world.handshake(lamp.id, 1)
    world.put(f"/devices/{lamp.id}", name="hall")
    async with gadget(door, lamp.id, always({"value": 1})):
        core = (await calling.get(f"{lamp.own_path}/count")).json()["coreInfo"]
    assert core.pop("last_handshake_at").endswith("Z")
    assert core == {
        "name": "hall",
        "deviceID": lamp.id,
        "connected": True,
        "last_app": "",
        "product_id": world.id,
    }


@pytest.mark.parametrize(
    ("name", "held", "text"),
    [("count", 5, "5"), ("level", 0.5, "0.5"), ("name", "a b", "a b"), ("on", False, "false")],
)
async def test_raw_is_the_bare_value(
    plain: httpx.AsyncClient, door: NatsServer, lamp: Lamp, name: str, held: Any, text: str
) -> None:
    async with gadget(door, lamp.id, always({"value": held})):
        answer = await plain.get(f"{lamp.path}/{name}", params={"format": "raw"})
    assert answer.text == text
    assert answer.headers["content-type"].startswith("text/plain")


async def test_an_unknown_variable_is_named(calling: httpx.AsyncClient, lamp: Lamp) -> None:
    for path in (lamp.path, lamp.own_path):
        answer = await calling.get(f"{path}/not%20there")
        assert answer.status_code == 404
        assert answer.json()["ok"] is False
        assert answer.json()["error"] == "Unknown Variable: not there"
        assert answer.json()["error_description"] == "Unknown Variable: not there"


async def test_a_device_may_say_itself_that_it_has_no_such_variable(
    calling: httpx.AsyncClient, door: NatsServer, lamp: Lamp
) -> None:
    async with gadget(door, lamp.id, always({"error": "unknown"})):
        answer = await calling.get(f"{lamp.path}/count")
    assert (answer.status_code, answer.json()["error"]) == (404, "Unknown Variable: count")


async def test_a_function_is_no_variable_and_a_variable_no_function(
    calling: httpx.AsyncClient, lamp: Lamp
) -> None:
    assert (await calling.get(f"{lamp.path}/blink")).status_code == 404
    assert (await calling.post(f"{lamp.path}/count")).status_code == 404


async def test_no_device_and_no_answer_time_out(
    calling: httpx.AsyncClient, door: NatsServer, lamp: Lamp
) -> None:
    offline = await calling.get(f"{lamp.path}/count")
    async with gadget(door, lamp.id, never):
        silent = await calling.get(f"{lamp.path}/count")
    for answer in (offline, silent):
        assert (answer.status_code, answer.json()["error"]) == (408, "timed out")


@pytest.mark.parametrize("held", [None, [1], {"a": 1}])
async def test_what_a_device_never_said_it_has_is_a_value_too(
    calling: httpx.AsyncClient, door: NatsServer, lamp: Lamp, held: Any
) -> None:
    async with gadget(door, lamp.id, always({"value": held})):
        answer = await calling.get(f"{lamp.path}/surprise")
    assert (answer.status_code, answer.json()["error"]) == (502, "device_answer_unreadable")


@pytest.mark.parametrize(
    ("name", "held"), [("count", 1.5), ("count", True), ("level", "1"), ("name", 1), ("on", 1)]
)
async def test_a_value_of_another_type_than_the_device_said_is_refused(
    calling: httpx.AsyncClient, door: NatsServer, lamp: Lamp, name: str, held: Any
) -> None:
    async with gadget(door, lamp.id, always({"value": held})):
        answer = await calling.get(f"{lamp.path}/{name}")
    assert (answer.status_code, answer.json()["error"]) == (502, "device_answer_unreadable")
