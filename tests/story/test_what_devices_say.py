"""What a device says, on its way through the whole cloud: heard, sent on, counted, stopped."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from rollcall.ending import end
from rollcall.reference_device import ReferenceDevice
from tests.api.world import new_id
from tests.cloud import Cloud, cloud
from tests.device_edge.world import until
from tests.projections.deliveries.receiver import Receiver, receiver, replying

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(300)]

WAIT_S = 60.0
LIMIT = 3


async def in_thread(call: Callable[..., httpx.Response], *words: Any, **more: Any) -> Any:
    """So that everything else lives on meanwhile."""
    answer = await asyncio.to_thread(call, *words, **more)
    assert answer.status_code < 300, answer.text
    return answer.json() if answer.content else None


async def test_a_message_is_heard_sent_on_counted_and_stopped_at_the_limit() -> None:
    with cloud(environment={"ROLLCALL_DELIVER_PRIVATE": "1"}) as running:
        http = running.http
        wanted = {"name": "lamps", "platform_id": 6}
        product_id = (await in_thread(http.post, "/v1/products", json=wanted))["product"]["id"]
        product = f"/v1/products/{product_id}"
        async with receiver(replying(200, b"thanks", content_type="text/plain")) as hook:
            await in_thread(
                http.post,
                f"{product}/integrations",
                json={"integration_type": "Webhook", "event": "temp", "url": f"{hook.url}/hook"},
            )
            await in_thread(http.put, f"/v1/meters/product-{product_id}", json={"limit": LIMIT})
            device_id = await device_of(running, product_id)
            open_ = asyncio.Event()
            heard = asyncio.create_task(listen(running, f"{product}/events", open_))
            await asyncio.wait_for(open_.wait(), WAIT_S)
            await say(running, device_id, product_id, "temp/inside", "21.5")

            await until(came(hook, 1), WAIT_S)
            first = await asyncio.wait_for(heard, WAIT_S)
            assert (first["name"], first["data"]) == ("temp/inside", "21.5")
            assert first["coreid"] == device_id
            (asked,) = hook.asked
            assert b"21.5" in asked.body
            assert asked.headers["webhook-id"]

            # Streams count too: one for the stream, one for the webhook, and one more to go.
            await say(running, device_id, product_id, "temp/inside", "22.5")
            await say(running, device_id, product_id, "temp/inside", "23.5")
            await until(used(http, product, LIMIT), WAIT_S)
            await until(not_sent(http, product), WAIT_S)
            assert [b"21.5" in one.body for one in hook.asked] == [True, False]

        await in_the_log(http, product, device_id)
        await until(counted_in_the_log(http, product), WAIT_S)
        told = await in_thread(http.get, f"{product}/history", params={"name": "UsageLimitReached"})
        assert [one["event"]["limit"] for one in told["events"]] == [LIMIT]


async def device_of(running: Cloud, product_id: int) -> str:
    device_id = new_id()
    path = f"/v1/products/{product_id}/devices"
    await in_thread(running.http.post, path, json={"id": device_id})
    return device_id


async def say(running: Cloud, device_id: str, product_id: int, name: str, data: str) -> None:
    """The device connects, publishes, and waits until that is kept."""
    secret = running.run("device", "secret", device_id).stdout.strip()
    device = ReferenceDevice(
        device_id=device_id,
        secret=secret,
        product_id=product_id,
        version=1,
        mqtt_port=int(running.status["mqtt"].rpartition(":")[2]),
        wait_s=0.2,
    )
    task = asyncio.create_task(device.run())
    try:
        await device.until(lambda ours: ours.online, WAIT_S)
        ack = await asyncio.wait_for(device.publish([{"name": name, "data": data}]), WAIT_S)
        assert ack["stored"] == 1, ack
    finally:
        await end(task)


async def listen(running: Cloud, path: str, open_: asyncio.Event) -> dict[str, Any]:
    """The first event of a stream whose name begins with `temp`."""
    token = {"Authorization": f"Bearer {running.status['admin_token']}"}
    async with (
        httpx.AsyncClient(base_url=running.status["http"], headers=token, timeout=WAIT_S) as client,
        client.stream("GET", f"{path}/temp") as stream,
    ):
        name = ""
        async for line in stream.aiter_lines():
            open_.set()
            if line.startswith("event:"):
                name = line.removeprefix("event:").strip()
            elif line.startswith("data:") and name:
                return {**json.loads(line.removeprefix("data:")), "name": name}
    raise AssertionError("the stream ended")


def came(hook: Receiver, count: int) -> Callable[[], Awaitable[bool]]:
    async def has_come() -> bool:
        return len(hook.asked) >= count

    return has_come


def used(http: httpx.Client, product: str, count: int) -> Callable[[], Awaitable[bool]]:
    async def is_used() -> bool:
        found = await in_thread(http.get, f"{product}/usage")
        return bool(found["outbound_messages"]["used"] == count)

    return is_used


def not_sent(http: httpx.Client, product: str) -> Callable[[], Awaitable[bool]]:
    async def is_said() -> bool:
        (one,) = await in_thread(http.get, f"{product}/integrations")
        path = f"{product}/integrations/{one['id']}/deliveries"
        found = await in_thread(http.get, path)
        return sorted(each["state"] for each in found["deliveries"]) == [
            "delivered",
            "delivered",
            "not_sent",
        ]

    return is_said


def counted_in_the_log(http: httpx.Client, product: str) -> Callable[[], Awaitable[bool]]:
    async def is_counted() -> bool:
        usage = (await in_thread(http.get, f"{product}/usage"))["outbound_messages"]
        found = await in_thread(http.get, f"{product}/usage/messages", params={"by": "device"})
        total = sum(one["messages"] for one in found["counts"])
        return bool(usage["recorded"] == total == LIMIT)

    return is_counted


async def in_the_log(http: httpx.Client, product: str, device_id: str) -> None:
    """What was said stays to be looked through, whatever became of it."""
    query = f"device:{device_id} event:temp range:22-24"
    found = await in_thread(http.get, f"{product}/log", params={"q": query})
    assert [one["data"] for one in found["events"]] == ["23.5", "22.5"]
