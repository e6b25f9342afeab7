"""Importing devices: every line in exactly one bucket, whatever the others are."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from starlette.responses import Response

from api.passage import late
from domain.hello import Told
from tests.api.serving import Served
from tests.api.world import World, new_id

BUCKETS = (
    *("updatedDeviceIds", "existingDeviceIds", "nonmemberDeviceIds"),
    *("invalidDeviceIds", "protectedDeviceIds"),
)


def send(world: World, text: str | bytes) -> Any:
    """The lines as a file, the way the command line tool sends them."""
    content = text.encode() if isinstance(text, str) else text
    files = {"file": ("file", content, "application/octet-stream")}
    answer = world.api.post(world.path + "/devices", files=files)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_every_line_ends_in_exactly_one_bucket(world: World) -> None:
    new, there, foreign = new_id(), world.import_devices()[0], new_id()
    other = world.api.post("/v1/products", json={"name": "other", "platform_id": 6}).json()
    world.api.post(f"/v1/products/{other['product']['id']}/devices", json={"id": foreign})
    reply = send(world, "\n".join([new, there, foreign, "not an id", "g" * 24, new + "0"]))
    assert reply["updated"] == 1
    assert {bucket: reply[bucket] for bucket in BUCKETS} == {
        "updatedDeviceIds": [new],
        "existingDeviceIds": [there],
        "nonmemberDeviceIds": [],
        "invalidDeviceIds": [foreign, "not an id", "g" * 24, new + "0"],
        "protectedDeviceIds": [],
    }
    reasons = {one["line"]: one["reason"] for one in reply["invalidReasons"]}
    assert "another product" in reasons[3]
    assert "24 hexadecimal" in reasons[4]
    assert reasons.keys() == {3, 4, 5, 6}


def test_lines_end_with_lf_or_crlf_and_blank_ones_say_nothing(world: World) -> None:
    a, b, c = new_id(), new_id(), new_id()
    reply = send(world, f"\ufeff{a}\r\n\r\n  {b}\t\n\n\n{c}")
    assert reply["updatedDeviceIds"] == [a, b, c]
    assert reply["invalidDeviceIds"] == []
    assert send(world, f"{a}\n")["existingDeviceIds"] == [a]


def test_ids_are_taken_in_any_case_and_answered_in_lower_case(world: World) -> None:
    device_id = new_id()
    reply = send(world, device_id.upper())
    assert reply["updatedDeviceIds"] == [device_id]
    assert world.device(device_id)["id"] == device_id


def test_a_line_that_is_repeated_is_there_already_the_second_time(world: World) -> None:
    device_id = new_id()
    filler = [new_id() for _ in range(5_000)]
    reply = send(world, "\n".join([device_id, device_id.upper(), *filler, device_id]))
    assert reply["updated"] == 5_001
    assert reply["existingDeviceIds"] == [device_id, device_id]


def test_a_bad_line_is_answered_as_it_was_sent(world: World) -> None:
    lines = ["Ünïcode", 'quote"d', "a\tb", "<html>", "1,2,3", "back\\slash"]
    assert send(world, "\n".join(lines))["invalidDeviceIds"] == lines
    broken = send(world, b"\xff\xfe\n" + b"x" * 3_000 + b"\n" + b"ok?")
    assert len(broken["invalidDeviceIds"]) == 3
    assert broken["invalidDeviceIds"][2] == "ok?"
    assert [one["line"] for one in broken["invalidReasons"]] == [1, 2, 3]


@pytest.mark.parametrize("form", ["id", "ids", "form", "form id", "text"])
def test_ids_come_in_every_form(world: World, form: str) -> None:
    device_id = new_id()
    sent: dict[str, dict[str, Any]] = {
        "id": {"json": {"id": device_id, "import_sims": False, "claim_user": ""}},
        "ids": {"json": {"ids": [device_id]}},
        "form": {"data": {"ids[]": [device_id]}},
        "form id": {"data": {"id": device_id}},
        "text": {"content": device_id, "headers": {"Content-Type": "text/plain; charset=utf-8"}},
    }
    answer = world.api.post(world.path + "/devices", **sent[form])
    assert answer.json()["updatedDeviceIds"] == [device_id]


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"json": {}}, "id"),
        ({"json": {"ids": []}}, "id"),
        ({"json": {"ids": "abc"}}, "ids"),
        ({"json": {"ids": [1]}}, "ids[0]"),
        ({"json": {"id": 1}}, "id"),
        ({"json": [1]}, "body"),
    ],
)
def test_a_body_that_cannot_be_is_refused(world: World, sent: dict[str, Any], field: str) -> None:
    assert world.refused("POST", "/devices", 400, **sent)["field"] == field


def test_an_import_of_nothing_answers_with_nothing(world: World) -> None:
    assert send(world, "\n\n")["updated"] == 0


def test_a_quarantined_device_is_approved_by_importing_it(world: World) -> None:
    stranger = new_id()
    world.handshake(stranger, 1, told=Told.QUARANTINED)
    world.until(lambda: world.get("/devices", quarantined="true")["meta"]["total"] == 1)
    reply = world.api.post(world.path + "/devices", json={"id": stranger}).json()
    assert reply["updatedDeviceIds"] == [stranger]
    assert world.device(stranger)["quarantined"] is False


def test_a_device_of_other_hardware_is_invalid(world: World) -> None:
    device_id = new_id()
    world.handshake(device_id, 1, told=Told.UNKNOWN)
    other = world.api.post("/v1/products", json={"name": "other", "platform_id": 13}).json()
    path = f"/v1/products/{other['product']['id']}/devices"
    reply = world.api.post(path, json={"id": device_id}).json()
    assert reply["invalidDeviceIds"] == [device_id]
    assert "platform 6" in reply["invalidReasons"][0]["reason"]
    assert "platform 13" in reply["invalidReasons"][0]["reason"]


def test_a_device_of_another_product_stays_there(world: World) -> None:
    device_id = world.import_devices()[0]
    other = world.api.post("/v1/products", json={"name": "other", "platform_id": 6}).json()
    path = f"/v1/products/{other['product']['id']}/devices"
    assert world.api.post(path, json={"id": device_id}).json()["updated"] == 0
    assert world.device(device_id)["product_id"] == world.id


def test_many_lines_are_many_events_and_one_reply(world: World) -> None:
    ids = [new_id() for _ in range(12_000)]
    reply = send(world, "\n".join(ids))
    assert reply["updatedDeviceIds"] == ids
    assert world.get("/devices")["meta"]["total"] == 12_000
    assert world.get()["product"]["device_count"] == 12_000
    again = send(world, "\r\n".join(ids))
    assert again["existingDeviceIds"] == ids
    assert again["position"] is None


def test_imports_of_the_same_ids_at_once_take_each_in_once(world: World) -> None:
    ids = [new_id() for _ in range(6_000)]

    def run(turn: int) -> int:
        order = ids if turn % 2 else ids[::-1]
        updated: int = send(world, "\n".join(order))["updated"]
        return updated

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(run, range(4))) == len(ids)
    assert world.get("/devices")["meta"]["total"] == len(ids)


def test_a_body_beyond_the_limit_is_refused_whole(world: World) -> None:
    def endless() -> Any:
        for _ in range(70):
            yield b"x" * 1_000_000

    error = world.refused(
        "POST", "/devices", 413, content=endless(), headers={"Content-Type": "text/plain"}
    )
    assert error["error"] == "too_large"
    assert error["details"]["limit_bytes"] == 64 * 1024 * 1024


def test_a_device_that_came_online_before_its_import_is_shown_whole(world: World) -> None:
    device_id = new_id()
    world.handshake(device_id, 1, told=Told.UNKNOWN)
    world.api.post(world.path + "/devices", json={"id": device_id})
    device = world.device(device_id)
    assert device["online"] is True
    assert device["last_handshake_at"] is not None


def test_an_import_without_a_product_is_denied(served: Served) -> None:
    with served.client() as client:
        answer = client.post("/v1/products/64000/devices", json={"id": new_id()})
    assert answer.status_code == 403


def test_a_file_cut_short_imports_nothing(world: World) -> None:
    device_id = new_id()
    whole = httpx.Request("POST", "http://x", files={"file": ("file", device_id.encode())})
    body = whole.read()[:-20]
    headers = {"Content-Type": whole.headers["content-type"]}
    world.refused("POST", "/devices", 400, content=body, headers=headers)
    assert world.get("/devices")["devices"] == []


def test_a_long_import_trickles_blanks_before_its_reply(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.passage.HEARTBEAT_S", 0.01)
    ids = [new_id() for _ in range(6_000)]
    files = {"file": ("file", "\n".join(ids).encode())}
    answer = world.api.post(world.path + "/devices", files=files)
    assert answer.content.startswith(b"\n")
    assert answer.json()["updatedDeviceIds"] == ids


@pytest.mark.asyncio
async def test_a_reply_that_turns_out_an_error_too_late_breaks_off() -> None:
    work: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
    trickle = late(work)
    assert await anext(trickle) == b"\n"
    work.set_result(Response(b"trouble", 503))
    with pytest.raises(ConnectionAbortedError):
        await anext(trickle)
