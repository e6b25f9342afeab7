"""Device events: stored by the day, exactly once, and acknowledged afterwards."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest
import pytest_asyncio
from nats.aio.client import Client

from device_edge.edge import Settings
from device_edge.intake.days import DAYS_AHEAD, PARTITIONS, day_of
from device_edge.streams import DEVICE_EVENTS, make_stream
from domain.subjects import DEVICE_EVENTS_STREAM
from tests.device_edge import processes
from tests.device_edge.dying_worker import STEPS
from tests.device_edge.test_journal import environment, rows
from tests.device_edge.world import device, device_id, until
from tests.servers import NatsServer

pytestmark = pytest.mark.asyncio
WORKER = "device_edge.intake"
ONE, TWO = device_id(1), device_id(2)


async def publish(connection: Client, device: str, *events: dict[str, Any]) -> None:
    payload = json.dumps(events).encode()
    await connection.jetstream().publish(f"d.{device}.up.events", payload)


def stored(database: str) -> list[Any]:
    return rows(database, "SELECT device_id, name, data FROM telemetry.device_event ORDER BY id")


async def all_stored(database: str, count: int) -> None:
    async def there() -> bool:
        return len(await asyncio.to_thread(stored, database)) >= count

    await until(there, 30)


@pytest_asyncio.fixture
async def intake(clean_nats: NatsServer, connection: Client, database: str) -> AsyncIterator[str]:
    """A running worker; gives the database."""
    await make_stream(connection, DEVICE_EVENTS)
    async with processes.running(WORKER, environment(clean_nats, database)):
        yield database


async def test_what_a_device_publishes_is_stored_when_it_is_acknowledged(
    edge: Settings, clean_nats: NatsServer, intake: str
) -> None:
    async with device(clean_nats, ONE) as ours:
        await ours.publish(
            "events", [{"name": "t", "data": "1", "id": "a"}, {"name": ""}, {"name": "u"}], qos=1
        )
        ack = json.loads(await ours.heard("ack"))
        assert (ack["stored"], ack["ids"], ack["refused"][0]["index"]) == (2, ["a"], 1)
        assert stored(intake) == [(ONE, "t", "1"), (ONE, "u", None)]
    ((ttl, product_id, age),) = rows(
        intake,
        "SELECT ttl, product_id, received_at - published_at FROM telemetry.device_event"
        " WHERE name = 't'",
    )
    assert (ttl, product_id) == (60, None)
    assert timedelta(0) < age < timedelta(seconds=10)


async def test_an_event_belongs_to_the_product_its_device_is_a_member_of(
    connection: Client, intake: str
) -> None:
    with psycopg.connect(intake) as owner:
        for cohort, (name, standing) in enumerate([(ONE, "member"), (TWO, "quarantined")]):
            owner.execute(
                "INSERT INTO fleet.cohort VALUES (%s, 94, %s, '{}', NULL, false)",
                [cohort, standing],
            )
            owner.execute(
                "INSERT INTO fleet.device (device_id, product_id, cohort_id, facts_position,"
                " last_position) VALUES (%s, 94, %s, 0, 0)",
                [name, cohort],
            )
    await publish(connection, ONE, {"name": "a"})
    await publish(connection, TWO, {"name": "b"})
    await all_stored(intake, 2)
    found = rows(intake, "SELECT name, product_id FROM telemetry.device_event ORDER BY name")
    assert found == [("a", 94), ("b", None)]


@pytest.mark.parametrize("step", [step for step in STEPS if step.startswith("intake")])
async def test_a_worker_that_is_killed_at_any_step_loses_and_repeats_nothing(
    clean_nats: NatsServer, connection: Client, database: str, step: str
) -> None:
    told = environment(clean_nats, database)
    await make_stream(connection, DEVICE_EVENTS)
    acknowledged: list[str] = []

    async def take(message: Any) -> None:
        acknowledged.extend(json.loads(message.data)["ids"])

    await connection.subscribe("d.*.dn.ack", cb=take)
    for number in range(5):
        await publish(connection, ONE, {"name": f"{number}", "id": f"{number}"})
    dying = await processes.start("tests.device_edge.dying_worker", told, WORKER, step, "1")
    async with asyncio.timeout(processes.READY_TIMEOUT_S):
        await dying.communicate()
    assert dying.returncode == -9
    for number in range(5, 8):
        await publish(connection, ONE, {"name": f"{number}", "id": f"{number}"})

    async def all_acknowledged() -> bool:
        return {*acknowledged} == {f"{number}" for number in range(8)}

    async with processes.running(WORKER, told):
        await until(all_acknowledged)
    assert [name for _, name, _ in stored(database)] == [f"{number}" for number in range(8)]


async def test_what_is_stored_leaves_the_stream(connection: Client, intake: str) -> None:
    await publish(connection, ONE, {"name": "a"})

    async def emptied() -> bool:
        state = (await connection.jetstream().stream_info(DEVICE_EVENTS_STREAM)).state
        return state.messages == 0 and state.last_seq == 1

    await until(emptied)
    assert len(stored(intake)) == 1


async def test_a_subject_that_names_no_device_is_passed_over(
    connection: Client, intake: str
) -> None:
    await publish(connection, "somebody", {"name": "a"})

    async def emptied() -> bool:
        state = (await connection.jetstream().stream_info(DEVICE_EVENTS_STREAM)).state
        return state.messages == 0

    await until(emptied)
    await publish(connection, ONE, {"name": "b"})
    await all_stored(intake, 1)
    assert stored(intake) == [(ONE, "b", None)]


def days_of(database: str) -> list[date]:
    return [day_of(name) for (name,) in rows(database, PARTITIONS)]


async def test_a_running_worker_has_todays_partition_and_the_next(intake: str) -> None:
    async def made() -> bool:
        return len(await asyncio.to_thread(days_of, intake)) == DAYS_AHEAD + 1

    await until(made)
    assert datetime.now(UTC).date() in days_of(intake)


async def test_what_people_publish_is_stored_and_acknowledged_to_no_device(
    clean_nats: NatsServer, connection: Client, intake: str
) -> None:
    heard: list[str] = []

    async def hear(message: Any) -> None:
        heard.append(message.subject)

    await connection.subscribe("d.*.dn.>", cb=hear)
    for published in (
        {"event": {"name": "of a user"}, "user_id": "u1"},
        {"event": {"name": "of a product", "data": "d", "ttl": 5}, "product_id": 94},
        {"event": {"name": "as a device"}, "product_id": 94, "device_id": ONE, "user_id": "u1"},
    ):
        payload = json.dumps(published).encode()
        await connection.jetstream().publish("d.api.up.events", payload)
    await publish(connection, TWO, {"name": "of a device"})
    await all_stored(intake, 4)

    found = rows(
        intake,
        "SELECT device_id, product_id, user_id, name FROM telemetry.device_event ORDER BY id",
    )
    assert found == [
        ("api", None, "u1", "of a user"),
        ("api", 94, None, "of a product"),
        (ONE, 94, None, "as a device"),
        (TWO, None, None, "of a device"),
    ]

    async def acknowledged() -> bool:
        return bool(heard)

    await until(acknowledged)
    assert heard == [f"d.{TWO}.dn.ack"]


async def test_what_is_neither_a_devices_nor_the_apis_does_not_stop_the_rest(
    connection: Client, intake: str
) -> None:
    for subject, payload in [("d.somebody.up.events", b"{}"), ("d.api.up.events", b"[")]:
        await connection.jetstream().publish(subject, payload)
    await publish(connection, ONE, {"name": "a"})
    await all_stored(intake, 1)
    assert [name for _, name, _ in stored(intake)] == ["a"]
