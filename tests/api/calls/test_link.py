"""The way to devices breaks, and comes back: whoever calls gets an answer, whatever happens."""

import asyncio
import time
from contextlib import ExitStack
from typing import NamedTuple

import httpx
import pytest

from tests.api.calls.cable import cable
from tests.api.calls.conftest import ANSWER_S
from tests.api.calls.gadget import Lamp, always, gadget, never
from tests.api.serving import Served, serving
from tests.device_edge.world import until
from tests.servers import NatsServer

pytestmark = pytest.mark.asyncio


class Started(NamedTuple):
    served: Served
    stack: ExitStack


def started(database: str, nats_url: str) -> Started:
    """An API of the test's own; close its stack."""
    stack = ExitStack()
    return Started(stack.enter_context(serving(database, nats_url=nats_url, answer_s=20)), stack)


async def test_without_nats_devices_are_out_of_reach_and_everything_else_is_not(
    served: Served, lamp: Lamp
) -> None:
    with serving(served.database) as alone:
        async with alone.async_client() as calling:
            for method, path in [
                ("POST", f"{lamp.path}/blink"),
                ("GET", f"{lamp.path}/count"),
                ("PUT", f"{lamp.path}/ping"),
                ("POST", f"/v1/diagnostics/{lamp.id}/update"),
            ]:
                answer = await calling.request(method, path)
                assert (answer.status_code, answer.json()["error"]) == (503, "unavailable")
                assert answer.headers["retry-after"]
            published = await calling.post("/v1/devices/events", json={"name": "n"})
            assert published.status_code == 503
            assert (await calling.get(lamp.path)).status_code == 200


async def test_a_call_under_way_ends_when_nats_goes_and_calls_work_when_it_is_back(
    served: Served, door: NatsServer, lamp: Lamp
) -> None:
    async with cable(door.url) as wire:
        # In a thread: it is stopped and started while our own loop carries what it says.
        api = await asyncio.to_thread(started, served.database, wire.url)
        try:
            async with api.served.async_client() as calling:
                async with gadget(door, lamp.id, never) as ours:
                    answer = asyncio.create_task(calling.post(f"{lamp.path}/blink"))
                    await ours.until_asked()
                    cut_at = time.monotonic()
                    await wire.cut()
                    lost = await answer
                    assert (lost.status_code, lost.json()["error"]) == (408, "timed out")
                    assert (await calling.post(f"{lamp.path}/blink")).status_code == 503
                    assert time.monotonic() - cut_at < 5
                await wire.mend()
                async with gadget(door, lamp.id, always({"value": 1})):

                    async def works() -> bool:
                        return (await calling.post(f"{lamp.path}/blink")).status_code == 200

                    await until(works)
        finally:
            await asyncio.to_thread(api.stack.close)


async def test_a_nats_that_is_not_there_yet_is_waited_for(
    served: Served, door: NatsServer, lamp: Lamp
) -> None:
    async with cable(door.url) as wire:
        await wire.cut()
        api = await asyncio.to_thread(started, served.database, wire.url)
        try:
            async with api.served.async_client() as calling:
                assert (await calling.put(f"{lamp.path}/ping")).status_code == 503
                await wire.mend()
                async with gadget(door, lamp.id, always({})):

                    async def works() -> bool:
                        return (await calling.put(f"{lamp.path}/ping")).status_code == 200

                    await until(works)
        finally:
            await asyncio.to_thread(api.stack.close)


async def test_a_process_that_is_told_to_stop_does_not_wait_for_devices(
    served: Served, door: NatsServer, lamp: Lamp
) -> None:
    with serving(served.database, nats_url=door.url, answer_s=20) as api:
        async with api.async_client() as calling, gadget(door, lamp.id, never) as ours:
            answer = asyncio.create_task(calling.post(f"{lamp.path}/blink"))
            await ours.until_asked()
            stopped_at = time.monotonic()
            api.stopping.set()
            assert (await answer).status_code == 408
            assert time.monotonic() - stopped_at < ANSWER_S


async def test_an_answer_reaches_the_process_that_asked_and_no_other(
    served: Served, calling: httpx.AsyncClient, door: NatsServer, lamp: Lamp
) -> None:
    def echo(what: str, asked: dict[str, str]) -> dict[str, int]:
        return {"value": int(asked["arg"])}

    with serving(served.database, nats_url=door.url) as other:
        async with other.async_client() as calling_other, gadget(door, lamp.id, echo):
            for turn in range(20):
                both = await asyncio.gather(
                    calling.post(f"{lamp.path}/blink", json={"arg": f"{turn}"}),
                    calling_other.post(f"{lamp.path}/blink", json={"arg": f"{-turn}"}),
                )
                assert [one.json()["return_value"] for one in both] == [turn, -turn]
