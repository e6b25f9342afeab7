"""Calling a function: what the device returns, or why it did not, and never a wait without end."""

import asyncio
import time
from typing import Any

import httpx
import psycopg
import pytest
from nats.aio.msg import Msg

from api.calls.functions import ARGUMENT_BYTES_MAX, RESERVED
from api.calls.link import ASKED_OF_DEVICE_MAX
from tests.api.calls.conftest import ANSWER_S
from tests.api.calls.gadget import Lamp, always, gadget, lamp_of, never
from tests.api.serving import Served
from tests.api.world import World, new_id
from tests.device_edge.world import connected, token
from tests.servers import NatsServer

pytestmark = pytest.mark.asyncio


async def test_a_function_is_called_and_what_it_returns_comes_back(
    calling: httpx.AsyncClient, door: NatsServer, lamp: Lamp
) -> None:
    async with gadget(door, lamp.id, always({"value": -42})) as ours:
        for path in (lamp.path, lamp.own_path, f"/v1/devices/{lamp.id.upper()}"):
            answer = await calling.post(f"{path}/blink", json={"arg": "fäst"})
            assert answer.status_code == 200, answer.text
            assert answer.json() == {
                "id": lamp.id,
                "name": None,
                "connected": True,
                "return_value": -42,
            }
    assert [(what, asked["function"], asked["arg"]) for what, asked in ours.asked] == [
        ("call", "blink", "fäst")
    ] * 3


@pytest.mark.parametrize("name", ["arg", "args", "params"])
async def test_the_argument_goes_by_the_names_that_clients_have_for_it(
    calling: httpx.AsyncClient, door: NatsServer, lamp: Lamp, name: str
) -> None:
    async with gadget(door, lamp.id, always({"value": 1})) as ours:
        for sent in ({"json": {name: "on"}}, {"data": {name: "on"}}):
            assert (await calling.post(f"{lamp.path}/blink", **sent)).status_code == 200
        assert (await calling.post(f"{lamp.path}/blink", json={})).status_code == 200
    assert [asked["arg"] for _, asked in ours.asked] == ["on", "on", ""]


async def test_raw_is_the_bare_number(
    plain: httpx.AsyncClient, door: NatsServer, lamp: Lamp
) -> None:
    async with gadget(door, lamp.id, always({"value": 7})):
        by_query = await plain.post(f"{lamp.path}/blink", params={"format": "raw"})
        by_body = await plain.post(f"{lamp.path}/blink", json={"format": "raw"})
    assert by_query.text == by_body.text == "7"
    assert by_query.headers["content-type"].startswith("text/plain")


async def test_an_argument_is_bounded_in_bytes(calling: httpx.AsyncClient, lamp: Lamp) -> None:
    for argument in ("a" * (ARGUMENT_BYTES_MAX + 1), "ä" * (ARGUMENT_BYTES_MAX // 2 + 1)):
        answer = await calling.post(f"{lamp.path}/blink", json={"arg": argument})
        assert answer.status_code == 400
        assert answer.json()["field"] in ("arg", "body")


async def test_an_unknown_function_is_not_found_whether_the_device_is_there_or_not(
    calling: httpx.AsyncClient, door: NatsServer, lamp: Lamp
) -> None:
    gone = await calling.post(f"{lamp.path}/explode")
    async with gadget(door, lamp.id, always({"error": "unknown"})):
        there = await calling.post(f"{lamp.path}/explode")
    for answer in (gone, there):
        assert answer.status_code == 404
        assert answer.json()["ok"] is False
        assert answer.json()["error"] == "Function not found"


async def test_a_device_may_say_itself_that_it_has_no_such_function(
    calling: httpx.AsyncClient, door: NatsServer, lamp: Lamp
) -> None:
    async with gadget(door, lamp.id, always({"error": "unknown"})):
        answer = await calling.post(f"{lamp.path}/blink")
    assert (answer.status_code, answer.json()["error"]) == (404, "Function not found")


async def test_what_a_device_has_not_told_yet_it_is_asked_itself(
    calling: httpx.AsyncClient, door: NatsServer, world: World
) -> None:
    """Of what a device says in its hello nothing may be known here while it is called already."""
    (device_id,) = world.import_devices()
    path = f"{world.path}/devices/{device_id}"
    async with gadget(door, device_id, always({"value": 3})) as ours:
        called = await calling.post(f"{path}/blink")
        read = await calling.get(f"{path}/count")
    assert (called.json()["return_value"], read.json()["result"]) == (3, 3)
    assert [what for what, _ in ours.asked] == ["call", "read"]


async def test_what_no_device_can_have_none_is_asked(
    calling: httpx.AsyncClient, door: NatsServer, lamp: Lamp
) -> None:
    async with gadget(door, lamp.id, always({"value": 3})) as ours:
        for name in ("n" * 65, "a%0Ab", "%7F"):
            assert (await calling.post(f"{lamp.path}/{name}")).status_code == 404
            assert (await calling.get(f"{lamp.path}/{name}")).status_code == 404
    assert ours.asked == []


async def test_a_device_that_leaves_may_have_done_what_it_never_said_it_can(
    calling: httpx.AsyncClient, door: NatsServer, lamp: Lamp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.calls.link.GRACE_S", 0.1)
    async with gadget(door, lamp.id, never) as ours:
        answer = asyncio.create_task(calling.post(f"{lamp.path}/explode"))
        await ours.until_asked()
    assert (await answer).status_code == 408


async def test_a_device_that_never_said_what_it_has_has_no_functions(
    calling: httpx.AsyncClient, world: World
) -> None:
    (device_id,) = world.import_devices()
    answer = await calling.post(f"{world.path}/devices/{device_id}/blink")
    assert answer.status_code == 404


async def test_a_device_that_is_offline_times_out_at_once(
    calling: httpx.AsyncClient, door: NatsServer, lamp: Lamp
) -> None:
    started = time.monotonic()
    answer = await calling.post(f"{lamp.path}/blink")
    assert time.monotonic() - started < ANSWER_S / 2
    assert answer.status_code == 408
    assert (answer.json()["ok"], answer.json()["error"]) == (False, "timed out")


async def test_a_device_that_says_nothing_times_out_in_time(
    calling: httpx.AsyncClient, door: NatsServer, lamp: Lamp
) -> None:
    async with gadget(door, lamp.id, never):
        started = time.monotonic()
        answer = await calling.post(f"{lamp.path}/blink")
        took_s = time.monotonic() - started
    assert (answer.status_code, answer.json()["error"]) == (408, "timed out")
    assert ANSWER_S <= took_s < 2 * ANSWER_S


async def test_an_answer_that_comes_too_late_is_nobodys(
    calling: httpx.AsyncClient, door: NatsServer, lamp: Lamp
) -> None:
    async with gadget(door, lamp.id, never) as ours:
        assert (await calling.post(f"{lamp.path}/blink")).status_code == 408
        late = ours.asked[0][1]["id"]
        second = asyncio.create_task(calling.post(f"{lamp.path}/check"))
        while len(ours.asked) < 2:
            await asyncio.sleep(0.01)
        await ours.device.publish(f"answer/{late}", {"value": 1})
        await ours.device.publish(f"answer/{ours.asked[1][1]['id']}", {"value": 2})
        assert (await second).json()["return_value"] == 2


async def test_nobody_answers_in_the_name_of_another_device(
    calling: httpx.AsyncClient, door: NatsServer, world: World, lamp: Lamp
) -> None:
    forger = lamp_of(world)
    async with gadget(door, lamp.id, never) as ours, gadget(door, forger.id, never) as theirs:
        answer = asyncio.create_task(calling.post(f"{lamp.path}/blink"))
        asked = (await ours.until_asked())["id"]
        await theirs.device.publish(f"answer/{asked}", {"value": 666})
        forged = f"d/{lamp.id}/up/answer/{asked}"
        await theirs.device.client.publish(forged, b'{"value":666}', qos=0)
        assert (await answer).status_code == 408


async def test_a_device_that_leaves_ends_the_wait(
    calling: httpx.AsyncClient, door: NatsServer, lamp: Lamp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.calls.link.GRACE_S", 0.1)
    async with gadget(door, lamp.id, never) as ours:
        started = time.monotonic()
        answer = asyncio.create_task(calling.post(f"{lamp.path}/blink"))
        await ours.until_asked()
    answered = await answer
    assert answered.status_code == 408
    assert "offline" in answered.json()["error_description"]
    assert time.monotonic() - started < ANSWER_S


@pytest.mark.parametrize(
    "answer",
    [
        b"{",
        b"\xff",
        b"[" * 3000,
        b"x" * 5000,
        {"value": "1"},
        {"value": 1.5},
        {"value": True},
        {"value": 2**31},
        {"value": None},
        {},
    ],
    ids=str,
)
async def test_an_answer_that_makes_no_sense_is_the_devices_fault(
    calling: httpx.AsyncClient, door: NatsServer, lamp: Lamp, answer: Any
) -> None:
    async with gadget(door, lamp.id, always(answer)):
        answered = await calling.post(f"{lamp.path}/blink")
    assert (answered.status_code, answered.json()["error"]) == (502, "device_answer_unreadable")


async def test_what_a_device_says_went_wrong_is_passed_on(
    calling: httpx.AsyncClient, door: NatsServer, lamp: Lamp
) -> None:
    async with gadget(door, lamp.id, always({"error": "no power {field}" + "!" * 500})):
        answered = await calling.post(f"{lamp.path}/blink")
    assert (answered.status_code, answered.json()["error"]) == (502, "device_failed")
    assert "no power {field}!" in answered.json()["error_description"]
    assert len(answered.json()["error_description"]) < 350


async def test_calls_of_one_device_are_bounded_and_do_not_hinder_another(
    calling: httpx.AsyncClient, door: NatsServer, world: World, lamp: Lamp
) -> None:
    other = lamp_of(world)
    async with gadget(door, lamp.id, never), gadget(door, other.id, always({"value": 1})):
        many = [
            asyncio.create_task(calling.post(f"{lamp.path}/blink"))
            for _ in range(ASKED_OF_DEVICE_MAX + 3)
        ]
        await asyncio.sleep(ANSWER_S / 3)
        assert (await calling.post(f"{other.path}/blink")).status_code == 200
        answers = await asyncio.gather(*many)
        again = await calling.post(f"{lamp.path}/blink")
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [408] * ASKED_OF_DEVICE_MAX + [503] * 3
    busy = next(answer for answer in answers if answer.status_code == 503)
    assert busy.json()["error"] == "too_many_under_way"
    assert busy.headers["retry-after"]
    assert again.status_code == 408


async def test_calls_under_way_in_one_process_are_bounded(
    calling: httpx.AsyncClient,
    door: NatsServer,
    world: World,
    lamp: Lamp,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("api.calls.link.ASKED_MAX", 1)
    other = lamp_of(world)
    async with (
        gadget(door, lamp.id, never) as ours,
        gadget(door, other.id, always({"value": 1})) as idle,
    ):
        first = asyncio.create_task(calling.post(f"{lamp.path}/blink"))
        asked = await ours.until_asked()
        busy = await calling.post(f"{other.path}/blink")
        await ours.device.publish(f"answer/{asked['id']}", {"value": 1})
        assert (await first).status_code == 200
        assert (await calling.post(f"{other.path}/blink")).status_code == 200
    assert (busy.status_code, busy.json()["error"]) == (503, "too_many_under_way")
    assert len(idle.asked) == 1


async def test_a_device_of_another_product_is_not_found(
    calling: httpx.AsyncClient, world: World, lamp: Lamp
) -> None:
    other = World(world.api, world.fleet, name="another one")
    answer = await calling.post(f"{other.path}/devices/{lamp.id}/blink")
    assert (answer.status_code, answer.json()["error"]) == (404, "device_not_found")


async def test_a_device_that_only_asks_to_get_in_is_not_the_teams_to_call(
    calling: httpx.AsyncClient, world: World, lamp: Lamp
) -> None:
    assert (await calling.request("DELETE", lamp.path, json={"deny": True})).status_code == 204
    answer = await calling.post(f"{lamp.path}/blink")
    assert (answer.status_code, answer.json()["error"]) == (409, "device_not_approved")


@pytest.mark.parametrize("word", sorted(RESERVED))
async def test_a_reserved_word_is_no_function_and_no_variable(
    plain: httpx.AsyncClient, lamp: Lamp, word: str
) -> None:
    called = await plain.post(f"{lamp.own_path}/{word}")
    # What a device says has an address of its own, and no end.
    read = called if word == "events" else await plain.get(f"{lamp.own_path}/{word}")
    for answer in (called, read):
        assert answer.status_code in (404, 501)
        assert answer.json()["error"] in ("not_found", "not_supported")


async def test_under_one_key_a_function_is_called_once(
    calling: httpx.AsyncClient, served: Served, door: NatsServer, lamp: Lamp
) -> None:
    key = {"Idempotency-Key": new_id()}
    async with gadget(door, lamp.id, never) as ours:
        silent = await calling.post(f"{lamp.path}/blink", headers=key)
    async with gadget(door, lamp.id, always({"value": 1})) as ours_again:
        again = await calling.post(f"{lamp.path}/blink", headers=key)
    assert (silent.status_code, again.status_code) == (408, 408)
    assert (len(ours.asked), len(ours_again.asked)) == (1, 0)


async def test_a_call_that_broke_off_with_its_process_is_not_carried_out_once_more(
    calling: httpx.AsyncClient, served: Served, door: NatsServer, lamp: Lamp
) -> None:
    key = {"Idempotency-Key": new_id()}
    async with gadget(door, lamp.id, always({"value": 1})) as ours:
        assert (await calling.post(f"{lamp.path}/blink", headers=key)).status_code == 200
        with psycopg.connect(served.database) as connection:
            # As a process that died in the middle of it leaves it behind.
            connection.execute(
                "UPDATE api.idempotent_call SET status = NULL, headers = NULL, body = NULL,"
                " holder = 1 WHERE key = %s",
                [key["Idempotency-Key"]],
            )
        again = await calling.post(f"{lamp.path}/blink", headers=key)
    assert (again.status_code, again.json()["error"]) == (409, "broken_off")
    assert len(ours.asked) == 1


async def test_an_answer_may_come_with_any_quality_of_service(
    calling: httpx.AsyncClient, door: NatsServer, lamp: Lamp
) -> None:
    async with gadget(door, lamp.id, never) as ours:
        answer = asyncio.create_task(calling.post(f"{lamp.path}/blink"))
        asked = await ours.until_asked()
        await ours.device.publish(f"answer/{asked['id']}", {"value": 3}, qos=1)
        assert (await answer).json()["return_value"] == 3


async def test_a_device_on_nats_may_simply_reply(
    calling: httpx.AsyncClient, door: NatsServer, lamp: Lamp
) -> None:
    address = f"nats://127.0.0.1:{door.nats_port}"
    async with connected(address, user=lamp.id, password=token(lamp.id)) as ours:

        async def reply(message: Msg) -> None:
            await message.respond(b'{"value": 5}')

        await ours.subscribe(f"d.{lamp.id}.dn.>", cb=reply)
        await ours.flush()
        answer = await calling.post(f"{lamp.path}/blink")
    assert answer.json()["return_value"] == 5


async def test_who_called_what_stands_in_the_log_of_the_process_without_the_argument(
    calling: httpx.AsyncClient, door: NatsServer, lamp: Lamp, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "rollcall.api")
    async with gadget(door, lamp.id, always({"value": 1})):
        await calling.post(f"{lamp.path}/blink", json={"arg": "the secret"})
    await calling.post(f"{lamp.path}/blink")
    called, failed = [line for line in caplog.messages if f"blink of device {lamp.id}" in line]
    assert "user:" in called
    assert called.endswith("returned 1")
    assert failed.endswith("DeviceGone")
    assert "the secret" not in caplog.text
