"""What may be sent, in which encodings, how much of it; and what is said where it may not."""

import asyncio
import json
from typing import Any

import pytest

from api.body import FORM_BYTES_MAX, SMALL_BYTES_MAX
from api.fields import FORM_FIELDS_MAX, nested, spellings
from api.fleet.products import ProductsWanted
from api.multipart import PARTS_MAX
from api.problem import FieldInvalid
from tests.api.world import World

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def send(world: World, status: int, **sent: Any) -> dict[str, Any]:
    return world.refused("POST", "/groups", status, **sent)


@pytest.mark.parametrize(
    "content",
    [
        *(b"{", b"nonsense", b'{"name": NaN}', b'{"name": "\xff"}', b'{"name": "\\ud800"}'),
        *(b'{"name": 1e999}', b"[" * 60_000, b"\x00", b'{"name":"a"} trailing'),
    ],
)
def test_json_that_cannot_be_read_is_said_to_be_so(world: World, content: bytes) -> None:
    error = send(world, 400, content=content, headers=JSON)
    assert "body cannot be read" in error["error_description"]


@pytest.mark.parametrize("content", [b"[]", b"3", b'"text"', b"null"])
def test_a_body_is_an_object(world: World, content: bytes) -> None:
    assert send(world, 400, content=content, headers=JSON)["field"] == "body"


def test_json_needs_no_content_type(world: World) -> None:
    answer = world.api.post(world.path + "/groups", content=b'{"name":"beta"}')
    assert answer.status_code == 201


def test_other_types_are_not_taken(world: World) -> None:
    for kind in ("text/plain", "application/xml", "text/html; charset=utf-8"):
        error = send(world, 415, content=b"x", headers={"Content-Type": kind})
        assert error["error"] == "unsupported_media_type"
        assert kind.partition(";")[0] in error["error_description"]


def test_a_body_beyond_its_limit_is_refused(world: World) -> None:
    large = json.dumps({"name": "a", "description": "d" * SMALL_BYTES_MAX}).encode()
    error = send(world, 413, content=large, headers=JSON)
    assert error["details"]["limit_bytes"] == SMALL_BYTES_MAX

    def chunks() -> Any:
        yield from (large[start : start + 1_000] for start in range(0, len(large), 1_000))

    assert send(world, 413, content=chunks(), headers=JSON)["error"] == "too_large"
    form = b"a=" + b"x" * FORM_BYTES_MAX
    world.refused("POST", "/devices", 413, content=form, headers=FORM)


def test_a_form_has_so_many_fields_and_no_more(world: World) -> None:
    fields = "&".join(["x=1"] * (FORM_FIELDS_MAX + 1)).encode()
    assert len(fields) < SMALL_BYTES_MAX
    send(world, 400, content=fields, headers=FORM)


@pytest.mark.parametrize(
    "content", [b"name=%ff", b"name=\xff", b"name[a]=1&name=2", b"a[b][c][d][e]=1"]
)
def test_a_form_that_cannot_be_read_is_refused(world: World, content: bytes) -> None:
    send(world, 400, content=content, headers=FORM)


def test_a_field_that_is_sent_again_is_several() -> None:
    assert nested([("a", "1"), ("b", "2"), ("a", ""), ("a", "3")]) == {
        "a": ["1", "", "3"],
        "b": "2",
    }


def test_forms_nest_as_the_clients_write_them() -> None:
    pairs = [("a[b]", "1"), ("a[c][]", "2"), ("a[c][]", "3"), ("d[0]", "4"), ("d[1]", "5")]
    assert nested(pairs) == {"a": {"b": "1", "c": ["2", "3"]}, "d": ["4", "5"]}
    assert nested([("groups[]", "")]) == {"groups": []}
    for clash in ([("a", "1"), ("a[b]", "2")], [("a[]", "1"), ("a[b]", "2")]):
        with pytest.raises(FieldInvalid):
            nested(clash)


def test_a_name_is_understood_in_every_spelling() -> None:
    assert {"per_page", "perPage"} <= {
        spelling for spelling, name in spellings(ProductsWanted).items() if name == "per_page"
    }


def test_a_nul_is_taken_nowhere(world: World) -> None:
    for sent in (
        {"content": b'{"name":"a","description":"x\\u0000"}', "headers": JSON},
        {"data": {"name": "a", "description": "x\0"}},
        {"files": {"description": (None, b"x\0"), "name": (None, b"a")}},
    ):
        assert send(world, 400, **sent)["field"] == "description"


def test_unknown_fields_are_ignored(world: World) -> None:
    body = {"name": "beta", "colour": "red", "nested": {"deep": [1, 2]}}
    assert world.api.post(world.path + "/groups", json=body).status_code == 201


def multipart(*parts: bytes, end: bytes = b"--x--\r\n") -> dict[str, Any]:
    content = b"".join(b"--x\r\n" + part + b"\r\n" for part in parts) + end
    return {"content": content, "headers": {"Content-Type": "multipart/form-data;boundary=x"}}


NAME = b'Content-Disposition: form-data; name="name"\r\n\r\nbeta'


def test_a_multipart_body_is_a_form_too(world: World) -> None:
    answer = world.api.post(world.path + "/groups", **multipart(NAME))
    assert answer.json()["group"]["name"] == "beta"


@pytest.mark.parametrize(
    "sent",
    [
        multipart(NAME, end=b""),
        multipart(b"Content-Disposition: form-data\r\n\r\nbeta"),
        multipart(b"no headers at all"),
        multipart(*[NAME] * (PARTS_MAX + 1)),
        multipart(b'Content-Disposition: form-data; name="name"\r\n\r\n\xff'),
        multipart(b'Content-Disposition: form-data; name="name"; filename="f"\r\n\r\nbeta'),
        {"content": b"x", "headers": {"Content-Type": "multipart/form-data"}},
        {"content": b"", "headers": {"Content-Type": "multipart/form-data;boundary=x"}},
    ],
)
def test_a_multipart_body_that_cannot_be_read_is_refused(
    world: World, sent: dict[str, Any]
) -> None:
    send(world, 400, **sent)
    assert world.get("/groups") == {"groups": []}


def test_a_body_that_stops_in_the_middle_does_nothing(world: World) -> None:
    async def stop_in_the_middle() -> None:
        host, port = str(world.api.base_url.host), world.api.base_url.port
        _, writer = await asyncio.open_connection(host, port)
        head = f"POST {world.path}/groups HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n"
        token = world.api.headers["Authorization"]
        writer.write(f'{head}Authorization: {token}\r\n\r\n{{"name":'.encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    asyncio.run(stop_in_the_middle())
    assert world.get("/groups") == {"groups": []}
