"""A call with an Idempotency-Key happens once, however often it is sent."""

import hashlib
import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psycopg
import pytest

from api.idempotency import HEADER, HOLDER_LOCKS, fingerprint_of
from domain.device_commands import LockFirmware
from domain.device_events import DeviceImported
from domain.group import CreateGroup
from domain.model import Command, Event
from domain.product import CreateProduct
from domain.recorded import Provenance, Recorded
from rollcall.sample_firmware import build
from tests.api.serving import TOKEN, Served
from tests.api.world import PLATFORM, World, new_id

CALLER = hashlib.sha256(TOKEN.encode()).digest()


@pytest.fixture
def key() -> dict[str, str]:
    return {HEADER: secrets.token_hex(16)}


def test_the_same_call_is_answered_the_same_and_done_once(
    world: World, key: dict[str, str]
) -> None:
    body = {"name": "twice", "platform_id": PLATFORM}
    first = world.api.post("/v1/products", json=body, headers=key)
    second = world.api.post("/v1/products", json=body, headers=key)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.content == second.content
    assert second.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["X-Rollcall-Position"] == first.headers["X-Rollcall-Position"]


def test_without_a_key_the_same_call_is_another_call(world: World) -> None:
    body = {"name": "twice", "platform_id": PLATFORM}
    ids = {world.api.post("/v1/products", json=body).json()["product"]["id"] for _ in range(2)}
    assert len(ids) == 2


def test_a_refusal_is_answered_again_too(world: World, key: dict[str, str]) -> None:
    path = world.path + "/groups"
    first = world.api.post(path, json={"name": "Bad"}, headers=key)
    second = world.api.post(path, json={"name": "Bad"}, headers=key)
    assert first.status_code == second.status_code == 400
    assert first.json() == second.json()


def test_the_reply_that_is_kept_can_be_read_by_its_caller_alone(
    served: Served, world: World, key: dict[str, str]
) -> None:
    said = {"name": f"lamp of {key[HEADER]}", "platform_id": PLATFORM}
    reply = world.api.post("/v1/products", json=said, headers=key)

    with psycopg.connect(served.database) as connection:
        row = connection.execute(
            "SELECT body FROM api.idempotent_call WHERE key = %s", [key[HEADER]]
        ).fetchone()
    assert row is not None
    assert said["name"] in reply.text
    assert key[HEADER].encode() not in row[0]
    again = world.api.post("/v1/products", json=said, headers=key)
    assert again.content == reply.content


def test_a_key_serves_one_call_only(world: World, key: dict[str, str]) -> None:
    path = world.path + "/groups"
    assert world.api.post(path, json={"name": "a"}, headers=key).status_code == 201
    for other in (
        world.api.post(path, json={"name": "b"}, headers=key),
        world.api.post("/v1/products", json={"name": "a"}, headers=key),
        world.api.put(world.path, json={"name": "a"}, headers=key),
    ):
        assert other.status_code == 422
        assert other.json()["error"] == "idempotency_key_reused"
    assert len(world.get("/groups")["groups"]) == 1


def test_puts_and_deletes_may_have_a_key_too(world: World, key: dict[str, str]) -> None:
    device_id = world.import_devices()[0]
    path = f"{world.path}/devices/{device_id}"
    for _ in range(2):
        assert world.api.delete(path, headers=key).status_code == 204
    world.refused("DELETE", f"/devices/{new_id()}", 404)


def test_a_multipart_body_is_the_same_whatever_its_boundary(
    world: World, key: dict[str, str]
) -> None:
    def send(seed: int) -> httpx.Response:
        content = build(world.id, 1, PLATFORM, seed=seed)
        return world.api.post(
            world.path + "/firmware",
            data={"version": "1", "title": "t"},
            files={"file": ("f.bin", content)},
            headers=key,
        )

    assert send(1).status_code == 201
    again = send(1)
    assert again.status_code == 201
    assert again.headers["Idempotency-Replayed"] == "true"
    assert send(2).status_code == 422


def test_of_the_same_call_sent_at_once_one_is_done(world: World, key: dict[str, str]) -> None:
    def send(_: int) -> int:
        body = {"name": "once"}
        return world.api.post(world.path + "/groups", json=body, headers=key).status_code

    with ThreadPoolExecutor(6) as pool:
        statuses = list(pool.map(send, range(6)))
    assert set(statuses) <= {201, 409}
    assert 201 in statuses
    events = world.get("/history", name="GroupCreated")["events"]
    assert len(events) == 1


@pytest.mark.parametrize("given", ["", "k" * 256, "a\tb"])
def test_a_key_that_can_be_none_is_refused(world: World, given: str) -> None:
    answer = world.api.post(world.path + "/groups", json={"name": "a"}, headers={HEADER: given})
    assert answer.status_code == 400
    assert answer.json()["field"] == HEADER


def test_to_read_no_key_is_heeded(world: World) -> None:
    assert world.api.get(world.path, headers={HEADER: "k" * 256}).status_code == 200


def test_a_key_is_free_again_after_a_day(world: World, served: Served, key: dict[str, str]) -> None:
    path = world.path + "/groups"
    world.api.post(path, json={"name": "a"}, headers=key)
    with psycopg.connect(served.database) as connection:
        connection.execute(
            "UPDATE api.idempotent_call SET created_at = now() - interval '25 hours'"
            " WHERE key = %s",
            [key[HEADER]],
        )
    assert world.api.post(path, json={"name": "b"}, headers=key).status_code == 201


# What follows is what a process leaves behind that died between the append and the reply.


def died(
    served: Served, key: dict[str, str], method: str, path: str, body: bytes, *, holder: int | None
) -> str:
    """A call that was claimed and never answered; returns its command id."""
    command = secrets.token_hex(8)
    fingerprint = fingerprint_of(method, f"{path}?", hashlib.sha256(body).digest())
    with psycopg.connect(served.database) as connection:
        connection.execute(
            "INSERT INTO api.idempotent_call (caller, key, fingerprint, command, holder)"
            " VALUES (%s, %s, %s, %s, %s)",
            [CALLER, key[HEADER], fingerprint, command, holder],
        )
    return command


DEAD = 123_456_789
JSON = {"Content-Type": "application/json"}


def carried_out(world: World, command: Command, command_id: str) -> None:
    world.fleet.execute(command, Provenance(actor="token:admin", command=command_id))


def test_a_call_that_died_is_taken_up_and_ends_in_the_same_result(
    world: World, served: Served, key: dict[str, str]
) -> None:
    device_id = world.import_devices()[0]
    world.upload(1)
    path, body = f"{world.path}/devices/{device_id}", b'{"desired_firmware_version":1,"flash":true}'
    command_id = died(served, key, "PUT", path, body, holder=DEAD)
    lock = LockFirmware(
        product_id=world.id,
        device_id=device_id,
        version=1,
        flash=True,
        request=command_id,
    )
    carried_out(world, lock, command_id)
    answer = world.api.put(path, content=body, headers={**key, **JSON})
    assert answer.status_code == 200
    events = world.get(f"/devices/{device_id}/history", name="FirmwareLocked")["events"]
    assert len(events) == 1
    assert answer.headers["X-Rollcall-Position"] == str(events[0]["position"])


def test_a_group_that_a_dead_call_created_is_answered_as_created(
    world: World, served: Served, key: dict[str, str]
) -> None:
    path, body = world.path + "/groups", b'{"name":"beta"}'
    command_id = died(served, key, "POST", path, body, holder=None)
    carried_out(world, CreateGroup(product_id=world.id, group="beta", name="beta"), command_id)
    answer = world.api.post(path, content=body, headers={**key, **JSON})
    assert answer.status_code == 201
    assert answer.json()["group"]["name"] == "beta"
    assert len(world.get("/groups")["groups"]) == 1


def test_a_product_that_a_dead_call_created_is_answered_as_created(
    world: World, served: Served, key: dict[str, str]
) -> None:
    path, body = "/v1/products", b'{"name":"lost","platform_id":6}'
    command_id = died(served, key, "POST", path, body, holder=DEAD)
    product_id = world.id + 1_000
    create = CreateProduct(
        product_id=product_id, platform_id=6, name="lost", slug=f"l-{product_id}"
    )
    carried_out(world, create, command_id)
    answer = world.api.post(path, content=body, headers={**key, **JSON})
    assert answer.status_code == 201
    assert answer.json()["product"]["id"] == product_id


def test_an_import_that_died_counts_what_it_did_and_counts_it_once(
    world: World, served: Served, key: dict[str, str]
) -> None:
    before = world.import_devices()[0]
    ids = [new_id() for _ in range(6_000)]
    lines = [*ids, before, ids[0]]
    path, body = world.path + "/devices", "\n".join(lines).encode()
    command_id = died(served, key, "POST", path, body, holder=DEAD)
    provenance = Provenance(actor="token:admin", command=command_id)
    events: list[tuple[str, Event]] = [
        (device_id, DeviceImported(device_id=device_id, product_id=world.id))
        for device_id in ids[:5_000]
    ]
    world.fleet.record_many(
        [Recorded(f"device-{device_id}", 1, event, provenance) for device_id, event in events]
    )
    headers = {**key, "Content-Type": "text/plain"}
    reply: Any = world.api.post(path, content=body, headers=headers).json()
    assert reply["updatedDeviceIds"] == ids
    assert reply["existingDeviceIds"] == [before, ids[0]]


def test_a_call_is_under_way_while_its_process_lives(
    world: World, served: Served, key: dict[str, str]
) -> None:
    path, body = world.path + "/groups", b'{"name":"beta"}'
    with psycopg.connect(served.database, autocommit=True) as other_process:
        other_process.execute("SELECT pg_advisory_lock(%s, 77)", [HOLDER_LOCKS])
        died(served, key, "POST", path, body, holder=77)
        answer = world.api.post(path, content=body, headers={**key, **JSON})
        assert answer.status_code == 409
        assert answer.json()["error"] == "call_under_way"
        assert answer.headers["Retry-After"]
    with psycopg.connect(served.database) as waiting:
        # PostgreSQL lets go of what a process held once it has heard of its end, not before.
        waiting.execute("SELECT pg_advisory_xact_lock(%s, 77)", [HOLDER_LOCKS])
    answer = world.api.post(path, content=body, headers={**key, **JSON})
    assert answer.status_code == 201
