"""From the journal into the log: in order, everything, and exactly once."""

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from nats.aio.client import Client

from device_edge.streams import JOURNAL, make_stream
from domain.subjects import JOURNAL_STREAM
from tests.device_edge import processes
from tests.device_edge.dying_worker import STEPS
from tests.device_edge.world import PRODUCT, device_id, until
from tests.servers import NatsServer

pytestmark = pytest.mark.asyncio
WORKER = "device_edge.journal"
ONE, TWO = device_id(1), device_id(2)


def environment(server: NatsServer, database: str) -> dict[str, str]:
    return {"NATS_URL": server.url, "DATABASE_URL": database}


def handshake(device: str, number: int, version: int | None = None) -> dict[str, Any]:
    return {
        "report": "handshake",
        "device_id": device,
        "at": f"2026-11-21T04:00:00.{number:06}+00:00",
        "said": {"product_id": PRODUCT, "version": version},
        "told": {"told": "nothing", "rule": "none", "product_id": PRODUCT},
        "based_on": number,
        "running": version,
        "attempts_max": 3,
    }


async def report(connection: Client, *reports: Mapping[str, Any]) -> None:
    await connection.jetstream().publish("journal.edge", json.dumps(reports).encode())


def rows(database: str, sql: Any, *values: Any) -> list[Any]:
    with psycopg.connect(database) as connection:
        return connection.execute(sql, values).fetchall()


def names(database: str, device: str) -> list[str]:
    """The names of the device's session events, and that its stream is dense."""
    found = rows(
        database,
        "SELECT stream_version, name FROM log.entry WHERE stream = %s ORDER BY position",
        f"session-{device}",
    )
    assert [version for version, _ in found] == list(range(1, len(found) + 1))
    return [name.partition(".")[0] for _, name in found]


def based_on(database: str) -> list[int]:
    """Which handshakes are in the log, in its order."""
    return [
        number
        for (number,) in rows(
            database,
            "SELECT (event ->> 'based_on')::integer FROM log.entry"
            " WHERE name = 'DeviceHandshook.1' ORDER BY position",
        )
    ]


async def in_log(database: str, handshakes: int) -> None:
    async def all_there() -> bool:
        return len(await asyncio.to_thread(based_on, database)) >= handshakes

    await until(all_there, 30)


async def test_reports_become_events_of_the_devices_session(
    clean_nats: NatsServer, connection: Client, database: str
) -> None:
    await make_stream(connection, JOURNAL)
    started = {
        "report": "progress",
        "device_id": ONE,
        "at": "2026-11-21T04:00:01+00:00",
        "version": 3,
        "state": "started",
        "attempts_max": 3,
    }
    await report(connection, handshake(ONE, 1, 2), started, handshake(TWO, 2))
    await report(connection, {**started, "state": "delivered"}, handshake(ONE, 3, 3))
    async with processes.running(WORKER, environment(clean_nats, database)):
        await in_log(database, 3)
    assert names(database, ONE) == [
        "DeviceHandshook",
        "FirmwareSeenRunning",
        "UpdateStarted",
        "UpdateDelivered",
        "DeviceHandshook",
        "FirmwareSeenRunning",
        "UpdateConfirmed",
    ]
    assert names(database, TWO) == ["DeviceHandshook", "FirmwareSeenRunning"]


async def test_what_is_in_the_log_leaves_the_journal(
    clean_nats: NatsServer, connection: Client, database: str
) -> None:
    await make_stream(connection, JOURNAL)
    async with processes.running(WORKER, environment(clean_nats, database)):
        await report(connection, handshake(ONE, 1))

        async def emptied() -> bool:
            state = (await connection.jetstream().stream_info(JOURNAL_STREAM)).state
            return state.messages == 0

        await until(emptied)
        assert based_on(database) == [1]


async def test_the_timers_reports_are_taken_too(
    clean_nats: NatsServer, connection: Client, database: str
) -> None:
    await make_stream(connection, JOURNAL)
    common = {"device_id": ONE, "at": "2026-11-21T04:00:01+00:00", "version": 3}
    started = {"report": "progress", "state": "started", "attempts_max": 1, **common}
    await report(connection, started)
    late = json.dumps([{"report": "time_out", "attempts_max": 1, **common}]).encode()
    await connection.jetstream().publish("journal.timers", late)
    await report(connection, handshake(ONE, 1))
    async with processes.running(WORKER, environment(clean_nats, database)):
        await in_log(database, 1)
    assert names(database, ONE)[:3] == ["UpdateStarted", "FirmwareUpdateFailed", "UpdateStuck"]


@pytest.mark.parametrize("step", [step for step in STEPS if step.startswith("journal")])
async def test_a_worker_that_is_killed_at_any_step_loses_and_repeats_nothing(
    clean_nats: NatsServer, connection: Client, database: str, step: str
) -> None:
    told = environment(clean_nats, database)
    await make_stream(connection, JOURNAL)
    for number in range(1, 6):
        await report(connection, handshake(ONE, number), handshake(TWO, 100 + number))
    dying = await processes.start("tests.device_edge.dying_worker", told, WORKER, step, "1")
    async with asyncio.timeout(processes.READY_TIMEOUT_S):
        await dying.communicate()
    assert dying.returncode == -9
    for number in range(6, 9):
        await report(connection, handshake(ONE, number), handshake(TWO, 100 + number))
    async with processes.running(WORKER, told):
        await in_log(database, 16)
    expected = [number for one in range(1, 9) for number in (one, 100 + one)]
    assert based_on(database) == expected
    assert names(database, ONE)[0] == "DeviceHandshook"


async def test_workers_killed_again_and_again_under_load_lose_and_repeat_nothing(
    clean_nats: NatsServer, connection: Client, database: str
) -> None:
    told = environment(clean_nats, database)
    await make_stream(connection, JOURNAL)
    messages, each = 300, 20

    async def load() -> None:
        for message in range(messages):
            numbers = range(message * each, (message + 1) * each)
            await report(connection, *(handshake(device_id(n % 50), n) for n in numbers))
            await asyncio.sleep(0.005)

    loading = asyncio.create_task(load())
    for life_s in (0.6, 0.9, 0.7):
        worker = await processes.start(WORKER, told)
        await asyncio.sleep(life_s)
        await processes.kill(worker)
    async with processes.running(WORKER, told):
        await loading
        await in_log(database, messages * each)
    assert based_on(database) == list(range(messages * each))
    for number in range(50):
        names(database, device_id(number))


async def test_a_second_worker_stands_by_and_takes_over(
    clean_nats: NatsServer, connection: Client, database: str
) -> None:
    told = environment(clean_nats, database)
    await make_stream(connection, JOURNAL)
    async with processes.running(WORKER, told) as first, processes.running(WORKER, told):
        await report(connection, handshake(ONE, 1))
        await in_log(database, 1)
        await processes.kill(first)
        await report(connection, handshake(ONE, 2))
        await in_log(database, 2)
    assert based_on(database) == [1, 2]


async def test_a_journal_made_anew_is_read_from_its_beginning(
    clean_nats: NatsServer, connection: Client, database: str
) -> None:
    told = environment(clean_nats, database)
    await make_stream(connection, JOURNAL)
    for number in (1, 2, 3):
        await report(connection, handshake(ONE, number))
    async with processes.running(WORKER, told):
        await in_log(database, 3)
    await connection.jetstream().delete_stream(JOURNAL_STREAM)
    await make_stream(connection, JOURNAL)
    await report(connection, handshake(ONE, 4))
    async with processes.running(WORKER, told):
        await in_log(database, 4)
    assert based_on(database) == [1, 2, 3, 4]


async def test_sessions_are_folded_from_the_log_where_their_copies_are_gone(
    clean_nats: NatsServer, connection: Client, database: str
) -> None:
    told = environment(clean_nats, database)
    await make_stream(connection, JOURNAL)
    await report(connection, handshake(ONE, 1, 2))
    async with processes.running(WORKER, told):
        await in_log(database, 1)
    with psycopg.connect(database) as owner:
        owner.execute("TRUNCATE edge.session")
    await report(connection, handshake(ONE, 2, 2))
    async with processes.running(WORKER, told):
        await in_log(database, 2)
    assert names(database, ONE) == ["DeviceHandshook", "FirmwareSeenRunning", "DeviceHandshook"]


@pytest.mark.parametrize(
    "poison", [b"{", b'[{"report": "rumour"}]', b'[{"report": "handshake", "device_id": "x"}]']
)
async def test_at_an_entry_that_makes_no_sense_the_worker_stops_and_names_it(
    clean_nats: NatsServer, connection: Client, database: str, poison: bytes
) -> None:
    await make_stream(connection, JOURNAL)
    await report(connection, handshake(ONE, 1))
    await connection.jetstream().publish("journal.edge", poison)
    await report(connection, handshake(ONE, 2))
    worker = await processes.start(WORKER, environment(clean_nats, database))
    async with asyncio.timeout(processes.READY_TIMEOUT_S):
        _, errors = await worker.communicate()
    assert worker.returncode
    assert "journal entry 2" in errors.decode()
    assert based_on(database) == [1]


async def test_entries_that_are_missing_are_not_passed_over(
    clean_nats: NatsServer, connection: Client, database: str
) -> None:
    await make_stream(connection, JOURNAL)
    for number in (1, 2, 3):
        await report(connection, handshake(ONE, number))
    await connection.jetstream().delete_msg(JOURNAL_STREAM, 2)
    worker = await processes.start(WORKER, environment(clean_nats, database))
    async with asyncio.timeout(processes.READY_TIMEOUT_S):
        _, errors = await worker.communicate()
    assert "2 to 2 before it are missing" in errors.decode()
    assert based_on(database) == [1]


def advisory(device: str, cid: int, server: str = "S", **more: Any) -> bytes:
    at = (datetime.now(UTC) - timedelta(minutes=5)).isoformat()
    client = {"id": cid, "user": device, "host": "10.0.0.1", "client_type": "mqtt", "start": at}
    said = {"server": {"id": server}, "client": client, "timestamp": at, **more}
    return json.dumps(said).encode()


async def test_connections_that_ended_without_a_word_are_noticed(
    clean_nats: NatsServer, connection: Client, database: str
) -> None:
    """As after a crash of NATS: it knows nothing of the connections it had."""
    told = environment(clean_nats, database)
    await make_stream(connection, JOURNAL)
    streams = connection.jetstream()
    await streams.publish("presence.connect", advisory(ONE, 7, "A-SERVER-THAT-IS-GONE"))
    await report(connection, handshake(ONE, 1))
    async with processes.running(WORKER, told):
        await in_log(database, 1)
    assert names(database, ONE) == ["DeviceHandshook", "FirmwareSeenRunning"]
    async with processes.running(WORKER, told):

        async def ended() -> bool:
            return "SessionEnded" in await asyncio.to_thread(names, database, ONE)

        await until(ended)
    assert rows(database, "SELECT * FROM edge.connection") == []


async def test_our_own_connections_are_nobodys_presence(
    clean_nats: NatsServer, connection: Client, database: str
) -> None:
    await make_stream(connection, JOURNAL)
    await connection.jetstream().publish("presence.connect", advisory("edge", 7))
    await report(connection, handshake(ONE, 1))
    async with processes.running(WORKER, environment(clean_nats, database)):
        await in_log(database, 1)
    assert rows(database, "SELECT * FROM edge.connection") == []


async def test_a_description_is_an_event_the_first_time_and_when_it_changes(
    clean_nats: NatsServer, connection: Client, database: str
) -> None:
    def described(number: int, *functions: str) -> dict[str, Any]:
        at = handshake(ONE, number)["at"]
        has = {"functions": functions}
        return {"report": "description", "device_id": ONE, "at": at, "has": has}

    await make_stream(connection, JOURNAL)
    for number, functions in enumerate([("a",), ("a",), ("a", "b"), ("a",)], start=1):
        await report(connection, handshake(ONE, number), described(number, *functions))
    async with processes.running(WORKER, environment(clean_nats, database)):
        await in_log(database, 4)
    said = rows(
        database,
        "SELECT event -> 'has' ->> 'functions', (event ->> 'product_id')::integer FROM log.entry"
        " WHERE name = 'DeviceDescribed.1' ORDER BY position",
    )
    assert said == [('["a"]', PRODUCT), ('["a", "b"]', PRODUCT), ('["a"]', PRODUCT)]
    assert names(database, ONE).count("DeviceDescribed") == 3
