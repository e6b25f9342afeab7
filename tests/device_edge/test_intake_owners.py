"""Whose device events are, who published them, what was used; and the word that they came."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
import pytest_asyncio
from nats.aio.client import Client

from device_edge.streams import DEVICE_EVENTS, make_stream
from domain.published import CHANNEL
from projections.device_events.telemetry import last_place, page_after
from tests.device_edge import processes
from tests.device_edge.test_intake import WORKER, all_stored, publish, stored
from tests.device_edge.test_journal import environment, rows
from tests.device_edge.world import device_id, until
from tests.servers import NatsServer

pytestmark = pytest.mark.asyncio
ONE, TWO, THREE = device_id(1), device_id(2), device_id(3)
ADA = "a" * 24
PER_S = "ROLLCALL_DEVICE_EVENTS_PER_S"


@pytest_asyncio.fixture
async def intake(clean_nats: NatsServer, connection: Client, database: str) -> AsyncIterator[str]:
    """A running worker; gives the database. Device ONE is Ada's and a member of product 94, TWO is
    only asking for it, THREE is Ada's and in no product."""
    with psycopg.connect(database) as owner:
        for cohort, standing in enumerate(["member", "quarantined"]):
            owner.execute(
                "INSERT INTO fleet.cohort VALUES (%s, 94, %s, '{}', NULL, false)",
                [cohort, standing],
            )
        for name, product_id, cohort_id, whose in [
            (ONE, 94, 0, ADA),
            (TWO, 94, 1, None),
            (THREE, None, None, ADA),
        ]:
            owner.execute(
                "INSERT INTO fleet.device (device_id, product_id, cohort_id, owner, running,"
                " facts_position, last_position) VALUES (%s, %s, %s, %s, 7, 0, 0)",
                [name, product_id, cohort_id, whose],
            )
    await make_stream(connection, DEVICE_EVENTS)
    async with processes.running(WORKER, {**environment(clean_nats, database), PER_S: "1"}):
        yield database


async def say(connection: Client, who: str, said: Any) -> None:
    payload = json.dumps(said).encode()
    await connection.jetstream().publish(f"d.{who}.up.events", payload)


def owners(database: str) -> list[Any]:
    return rows(
        database,
        "SELECT device_id, product_id, user_id, version, publisher, name"
        " FROM telemetry.device_event ORDER BY id",
    )


async def test_what_a_device_publishes_is_its_products_and_its_owners(
    connection: Client, intake: str
) -> None:
    for one in (ONE, TWO, THREE, device_id(4)):
        await publish(connection, one, {"name": "a"})
    await all_stored(intake, 4)
    assert owners(intake) == [
        (ONE, 94, ADA, 7, None, "a"),
        (TWO, None, None, None, None, "a"),
        (THREE, None, ADA, None, None, "a"),
        (device_id(4), None, None, None, None, "a"),
    ]


async def test_what_people_publish_is_the_apis(connection: Client, intake: str) -> None:
    event = {"event": {"name": "a"}}
    await say(connection, "api", {**event, "user_id": "u"})
    await say(connection, "api", {**event, "product_id": 94, "user_id": "u"})
    await say(connection, "api", {**event, "product_id": 94, "device_id": ONE, "user_id": "u"})
    await all_stored(intake, 3)
    assert owners(intake) == [
        ("api", None, "u", None, "api", "a"),
        ("api", 94, None, None, "api", "a"),
        (ONE, 94, ADA, 7, "api", "a"),
    ]


async def test_what_the_cloud_publishes_is_whose_it_says_or_the_devices(
    connection: Client, intake: str
) -> None:
    events = [{"name": "a"}, {"name": "b", "data": "1"}]
    await say(connection, "cloud", {"events": events, "device_id": ONE, "user_id": "u"})
    await say(connection, "cloud", {"events": events[:1], "device_id": ONE, "publisher": None})
    await say(connection, "cloud", {"events": events[:1], "product_id": 95, "version": 3})
    await all_stored(intake, 4)
    assert owners(intake) == [
        (ONE, None, "u", None, "particle-internal", "a"),
        (ONE, None, "u", None, "particle-internal", "b"),
        (ONE, 94, ADA, 7, None, "a"),
        ("api", 95, None, 3, "particle-internal", "a"),
    ]


async def test_pages_of_the_log_are_stored_where_one_follows_the_other(
    connection: Client, intake: str
) -> None:
    for after, last in [(0, 5), (0, 5), (5, 6), (7, 9), (0, 9), (6, 7), (5, 6), (7, 9)]:
        told = {"events": [{"name": f"{last}"}], "device_id": ONE, "position": last}
        await say(connection, "log", {"after": after, "until": last, "published": [told]})
    await publish(connection, ONE, {"name": "last"})
    await all_stored(intake, 5)
    found = rows(intake, 'SELECT name, "position" FROM telemetry.device_event ORDER BY id')
    assert found == [("5", 5), ("6", 6), ("7", 7), ("9", 9), ("last", None)]


async def test_whoever_listens_is_told_the_last_place(connection: Client, intake: str) -> None:
    with psycopg.connect(intake, autocommit=True) as ear:
        ear.execute(f"LISTEN {CHANNEL}".encode())
        await publish(connection, ONE, {"name": "a"}, {"name": "b"})
        (notice,) = await asyncio.to_thread(lambda: list(ear.notifies(timeout=10, stop_after=1)))
        assert int(notice.payload) == last_place(ear)
        first, second = page_after(ear, 0)
        assert (first.name, second.name, second.id) == ("a", "b", last_place(ear))
        assert page_after(ear, first.id) == [second]
        assert page_after(ear, 0, rows_max=1) == [first]


async def test_what_devices_send_is_counted_by_the_day(connection: Client, intake: str) -> None:
    sent = [{"name": "a"}, {"name": "b"}], [{"name": "", "data": "x" * 500}]
    for one, events in ((ONE, sent[0]), (ONE, sent[1]), (TWO, sent[0])):
        await publish(connection, one, *events)
    await say(connection, "api", {"event": {"name": "a"}, "product_id": 94, "device_id": ONE})
    await all_stored(intake, 5)
    sizes = [len(json.dumps(events)) + len(f"d.{ONE}.up.events") for events in sent]
    found = rows(
        intake,
        "SELECT device_id, product_id, day = now()::date, messages, bytes FROM usage.data"
        " ORDER BY device_id",
    )
    assert found == [(ONE, 94, True, 2, sum(sizes)), (TWO, 0, True, 1, sizes[0])]


async def test_what_is_stored_after_its_day_was_counted_counts_for_the_next_one(
    connection: Client, intake: str
) -> None:
    with psycopg.connect(intake) as metering:
        metering.execute(
            "INSERT INTO usage.data_recorded VALUES (true, current_date, current_date + 1)"
        )
    await publish(connection, ONE, {"name": "a"})
    await publish(connection, ONE, {"name": "b"})
    await all_stored(intake, 2)
    days = rows(intake, "SELECT day - current_date, messages FROM usage.data")
    assert days == [(1, 2)]


async def test_a_device_that_publishes_too_often_is_told_which_events_were_not_stored(
    connection: Client, intake: str
) -> None:
    acks: list[Any] = []

    async def hear(message: Any) -> None:
        acks.append(json.loads(message.data))

    async def both() -> bool:
        return len(acks) == 2

    await connection.subscribe(f"d.{ONE}.dn.ack", cb=hear)
    await publish(connection, ONE, *({"name": "a", "id": f"{n}"} for n in range(98)))
    await publish(connection, ONE, *({"name": "b", "id": f"{n}"} for n in range(5)))
    await publish(connection, TWO, {"name": "c"})
    await until(both, 30)
    assert acks[0]["stored"] == 98
    assert (acks[1]["stored"], acks[1]["ids"]) == (2, ["0", "1"])
    assert [one["id"] for one in acks[1]["refused"]] == ["2", "3", "4"]
    assert acks[1]["refused"][0]["reason"].startswith("too often: 1 events a second")
    assert [name for _, name, _ in stored(intake)] == ["a"] * 98 + ["b"] * 2 + ["c"]


async def test_a_device_is_told_the_same_when_it_is_told_again(
    clean_nats: NatsServer, connection: Client, database: str
) -> None:
    told = {**environment(clean_nats, database), PER_S: "1"}
    await make_stream(connection, DEVICE_EVENTS)
    acks: dict[str, Any] = {}

    async def hear(message: Any) -> None:
        acks[message.subject] = json.loads(message.data)

    await connection.subscribe("d.*.dn.ack", cb=hear)
    await publish(connection, ONE, *({"name": "a"} for _ in range(60)))
    await publish(connection, ONE, *({"name": "b"} for _ in range(60)))
    step = "intake before acknowledging"
    dying = await processes.start("tests.device_edge.dying_worker", told, WORKER, step, "1")
    async with asyncio.timeout(processes.READY_TIMEOUT_S):
        await dying.communicate()
    assert len(stored(database)) == 100

    async def last_told() -> Any:
        return acks.get(f"d.{ONE}.dn.ack", {}).get("stored") == 40

    async with processes.running(WORKER, told):
        await until(last_told, 30)
    assert len(stored(database)) == 100
