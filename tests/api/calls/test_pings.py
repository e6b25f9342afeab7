"""Pinging a device, and having it blink."""

import httpx
import pytest

from tests.api.calls.gadget import Lamp, always, gadget, never
from tests.servers import NatsServer

pytestmark = pytest.mark.asyncio


async def test_a_ping_says_whether_the_device_answers(
    calling: httpx.AsyncClient, door: NatsServer, lamp: Lamp
) -> None:
    for path in (lamp.path, lamp.own_path):
        gone = await calling.put(f"{path}/ping")
        async with gadget(door, lamp.id, always({})) as ours:
            there = await calling.put(f"{path}/ping", json={"whatever": 1})
        async with gadget(door, lamp.id, never):
            silent = await calling.put(f"{path}/ping")
        assert [one.json() for one in (gone, there, silent)] == [
            {"online": False, "ok": True},
            {"online": True, "ok": True},
            {"online": False, "ok": True},
        ]
        assert [what for what, _ in ours.asked] == ["ping"]


async def test_a_device_that_knows_no_ping_is_there_all_the_same(
    calling: httpx.AsyncClient, door: NatsServer, lamp: Lamp
) -> None:
    for answer in ({"error": "unknown"}, {"error": "busy"}, b"what?"):
        async with gadget(door, lamp.id, always(answer)):
            assert (await calling.put(f"{lamp.path}/ping")).json()["online"] is True


@pytest.mark.parametrize(("sent", "on"), [("1", True), (1, True), ("0", False), (0, False)])
async def test_a_device_signals_and_stops_as_a_number_or_a_text_says(
    calling: httpx.AsyncClient, door: NatsServer, lamp: Lamp, sent: object, on: bool
) -> None:
    async with gadget(door, lamp.id, always({})) as ours:
        for path in (lamp.path, lamp.own_path):
            for body in ({"json": {"signal": sent}}, {"data": {"signal": str(sent)}}):
                answer = (await calling.put(path, **body)).json()  # type: ignore[arg-type]
                told = answer["id"], answer["connected"], answer["signaling"]
                assert told == (lamp.id, True, on)
    assert [(what, asked["on"]) for what, asked in ours.asked] == [("signal", on)] * 4


async def test_a_device_that_is_not_there_cannot_signal(
    calling: httpx.AsyncClient, door: NatsServer, lamp: Lamp
) -> None:
    for path in (lamp.path, lamp.own_path):
        answer = await calling.put(path, json={"signal": "1"})
        assert (answer.status_code, answer.json()["error"]) == (408, "timed out")


@pytest.mark.parametrize(
    "body", [{"signal": 2}, {"signal": "on"}, {"signal": None}, {"signal": "1", "name": "n"}]
)
async def test_a_signal_is_on_or_off_and_sent_alone(
    calling: httpx.AsyncClient, door: NatsServer, lamp: Lamp, body: dict[str, object]
) -> None:
    async with gadget(door, lamp.id, always({})) as ours:
        for path in (lamp.path, lamp.own_path):
            assert (await calling.put(path, json=body)).status_code == 400
    assert ours.asked == []
