"""Publishing from outside: acknowledged once it is kept, and stored as whose it is."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import psycopg
import pytest
import pytest_asyncio

from device_edge.streams import DEVICE_EVENTS, make_stream
from domain.published import DATA_BYTES_MAX, TTL_S_MAX, VITALS
from tests.api.calls.gadget import Lamp
from tests.api.serving import Served
from tests.api.world import World, new_id
from tests.device_edge import processes
from tests.device_edge.world import connected, until
from tests.people import id_for
from tests.servers import NatsServer

pytestmark = pytest.mark.asyncio
ADMINISTRATOR = id_for("admin")


@pytest_asyncio.fixture
async def kept(clean_nats: NatsServer) -> AsyncIterator[Any]:
    """What was published and not taken away yet."""
    async with connected(clean_nats.url) as connection:
        await make_stream(connection, DEVICE_EVENTS)
        streams = connection.jetstream()

        async def read() -> list[dict[str, Any]]:
            state = (await streams.stream_info(str(DEVICE_EVENTS.name))).state
            if not state.messages:
                return []
            numbers = range(state.first_seq, state.last_seq + 1)
            messages = [await streams.get_msg(str(DEVICE_EVENTS.name), one) for one in numbers]
            assert {message.subject for message in messages} <= {"d.api.up.events"}
            return [json.loads(message.data or b"") for message in messages]

        yield read


async def test_an_event_is_kept_when_it_is_acknowledged(
    calling: httpx.AsyncClient, kept: Any, world: World
) -> None:
    own = {"name": "a", "data": "d", "private": True, "ttl": 5}
    for sent in ({"json": own}, {"data": {**own, "private": "true", "ttl": "5"}}):
        answer = await calling.post("/v1/devices/events", **sent)
        assert (answer.status_code, answer.json()) == (200, {"ok": True})
    assert (await calling.post(f"{world.path}/events", json={"name": "b"})).json()["ok"] is True
    event = {"name": "a", "data": "d", "ttl": 5, "id": ""}
    of_user = {"event": event, "user_id": ADMINISTRATOR}
    assert await kept() == [
        of_user,
        of_user,
        {
            "event": {"name": "b", "data": None, "ttl": 60, "id": ""},
            "product_id": world.id,
            "user_id": ADMINISTRATOR,
        },
    ]


async def test_an_event_of_an_organization_is_one_of_each_of_its_products(
    calling: httpx.AsyncClient, kept: Any, world: World
) -> None:
    made = (await calling.post("/v1/orgs", json={"name": "Acme"})).json()["organization"]
    path, wanted = f"/v1/orgs/{made['id']}", {"name": "lamp", "platform_id": 6}
    ids = [
        (await calling.post(f"{path}/products", json=wanted)).json()["product"]["id"]
        for _ in range(3)
    ]
    await calling.delete(f"/v1/products/{ids.pop()}")
    key = {"Idempotency-Key": new_id()}
    for _ in range(2):
        answer = await calling.post(f"{path}/events", json={"name": "a"}, headers=key)
        assert (answer.status_code, answer.json()) == (200, {"ok": True})
    named = f"/v1/orgs/{made['slug']}/events"
    assert (await calling.post(named, json={"name": "particle/a"})).json()["field"] == "name"
    event = {"name": "a", "data": None, "ttl": 60, "id": ""}
    found = sorted(await kept(), key=lambda one: one["product_id"])
    assert found == [
        {"event": event, "product_id": one, "user_id": ADMINISTRATOR} for one in sorted(ids)
    ]


async def test_nothing_is_acknowledged_that_nobody_keeps(
    calling: httpx.AsyncClient, clean_nats: NatsServer
) -> None:
    answer = await calling.post("/v1/devices/events", json={"name": "a"})
    assert (answer.status_code, answer.json()["error"]) == (503, "unavailable")


async def test_what_is_published_is_stored_as_whose_it_is(
    calling: httpx.AsyncClient,
    kept: Any,
    served: Served,
    door: NatsServer,
    lamp: Lamp,
    world: World,
) -> None:
    async with connected(door.url) as connection:
        await make_stream(connection, DEVICE_EVENTS)
    environment = {"NATS_URL": door.url, "DATABASE_URL": served.database}
    name = f"of {lamp.id}"
    async with processes.running("device_edge.intake", environment):

        async def ready() -> bool:
            answer = await calling.post("/v1/devices/events", json={"name": "is anybody there"})
            return answer.status_code == 200

        await until(ready, 20)
        for path, more in [
            ("/v1/devices/events", {}),
            (f"{world.path}/events", {"data": "1"}),
            (f"{world.path}/events", {"as_device_id": lamp.id.upper(), "data": "2"}),
        ]:
            answer = await calling.post(path, json={"name": name, **more})
            assert answer.status_code == 200, answer.text

        def stored() -> list[Any]:
            with psycopg.connect(served.database) as connection:
                return connection.execute(
                    "SELECT device_id, product_id, user_id, data FROM telemetry.device_event"
                    " WHERE name = %s ORDER BY id",
                    [name],
                ).fetchall()

        async def all_stored() -> bool:
            return len(await asyncio.to_thread(stored)) == 3

        await until(all_stored, 20)
    assert stored() == [
        ("api", None, ADMINISTRATOR, None),
        ("api", world.id, None, "1"),
        (lamp.id, world.id, None, "2"),  # of a product, and of whose device it is: nobody's
    ]


async def test_the_same_call_under_the_same_key_is_kept_once(
    calling: httpx.AsyncClient, kept: Any
) -> None:
    key = {"Idempotency-Key": new_id()}
    for _ in range(2):
        answer = await calling.post("/v1/devices/events", json={"name": "a"}, headers=key)
        assert answer.status_code == 200
    assert len(await kept()) == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "n" * 65}, "name"),
        ({"name": VITALS, "data": "{}"}, "name"),
        ({"name": "Particle/device/name"}, "name"),
        ({"name": "n", "data": "ä" * (DATA_BYTES_MAX // 2 + 1)}, "data"),
        ({"name": "n", "data": {"a": 1}}, "data"),
        ({"name": "n", "data": "\0"}, "data"),
        ({"name": "n", "ttl": -1}, "ttl"),
        ({"name": "n", "ttl": TTL_S_MAX + 1}, "ttl"),
    ],
)
async def test_what_is_too_much_or_not_ours_to_say_is_refused(
    calling: httpx.AsyncClient, kept: Any, world: World, body: dict[str, Any], field: str
) -> None:
    for path in ("/v1/devices/events", f"{world.path}/events"):
        answer = await calling.post(path, json=body)
        assert (answer.status_code, answer.json()["field"]) == (400, field)
    assert await kept() == []


async def test_nobody_publishes_as_a_device_that_is_no_member(
    calling: httpx.AsyncClient, kept: Any, world: World, lamp: Lamp
) -> None:
    other = World(world.api, world.fleet, name="another one")
    (stranger,) = other.import_devices()
    await calling.request("DELETE", lamp.path, json={"deny": True})
    for device_id in (stranger, lamp.id, new_id()):
        body = {"name": "n", "as_device_id": device_id}
        answer = await calling.post(f"{world.path}/events", json=body)
        assert (answer.status_code, answer.json()["error"]) == (404, "device_not_found")
    assert await kept() == []
