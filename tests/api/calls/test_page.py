"""What docs/device-protocol.md says of being asked is what devices are asked, and may answer."""

from typing import Any

import httpx
import pytest

from tests.api.calls.gadget import Lamp, always, describe, gadget
from tests.api.world import World
from tests.device_edge.test_protocol_page import examples
from tests.servers import NatsServer

pytestmark = pytest.mark.asyncio


def asked_for(lamp: Lamp, what: str, example: dict[str, Any]) -> tuple[str, str, Any]:
    """The call of the API that leads to a request."""
    match what:
        case "call":
            return "POST", f"{lamp.path}/{example['function']}", {"arg": example["arg"]}
        case "read":
            return "GET", f"{lamp.path}/{example['variable']}", None
        case "ping":
            return "PUT", f"{lamp.path}/ping", None
        case "signal":
            return "PUT", lamp.path, {"signal": str(int(example["on"]))}
    return "POST", f"/v1/diagnostics/{lamp.id}/update", None


@pytest.mark.parametrize("what", ["call", "read", "ping", "signal", "vitals"])
async def test_the_requests_shown_are_the_ones_sent(
    calling: httpx.AsyncClient, door: NatsServer, lamp: Lamp, what: str
) -> None:
    (example,) = examples(what)
    method, path, body = asked_for(lamp, what, example)
    async with gadget(door, lamp.id, always({"value": 1})) as ours:
        answer = await calling.request(method, path, json=body)
    assert answer.status_code in (200, 202), answer.text
    ((said, asked),) = ours.asked
    assert len(asked["id"]) == len(example["id"])
    assert (said, {**asked, "id": ""}) == (what, {**example, "id": ""})


async def test_the_answers_shown_are_understood(
    calling: httpx.AsyncClient, door: NatsServer, lamp: Lamp
) -> None:
    statuses = []
    for example in examples("value"):
        # What has no value and no error answers what asks for none.
        method, below = ("GET", "level") if example else ("PUT", "ping")
        async with gadget(door, lamp.id, always(example)):
            answer = await calling.request(method, f"{lamp.path}/{below}")
        statuses.append(answer.status_code)
    assert statuses == [200, 200, 404, 502]


async def test_the_hello_shown_says_what_the_api_then_shows(world: World) -> None:
    (device_id,) = world.import_devices()
    (example,) = [hello for hello in examples("hello") if "functions" in hello]
    has = {key: value for key, value in example.items() if key not in ("product_id", "version")}
    describe(world, device_id, **{**has, "functions": tuple(has["functions"])})
    shown = world.device(device_id)
    assert {key: shown[key] for key in has} == has
