"""What streams send is counted once each, by who is charged, and ends exactly at the limit."""

import threading
from collections import Counter
from datetime import date
from typing import Any

import psycopg
import pytest

from api.database import Database
from api.said.earshot import Earshot
from api.said.frames import Form, chunk_of_stored
from api.said.listener import AT_LIMIT
from api.said.metered import TAKEN_AT_ONCE, Meters
from api.said.stored import Stored
from projections.device_events.telemetry import AFTER, DeviceEventRow
from tests.api.said.conftest import Scene
from tests.api.said.ear import Ear, listening
from tests.api.said.saying import say
from tests.api.serving import serving
from tests.projections.patience import eventually

HOLDER = "f" * 24
ALLOW = """
    INSERT INTO metered.allowance (meter, limit_messages) VALUES (%s, %s)
    ON CONFLICT (meter) DO UPDATE SET limit_messages = excluded.limit_messages
"""
COUNTED = "SELECT coalesce(sum(counted), 0), coalesce(sum(in_flight), 0) FROM usage.meter"
OF_METER = f"{COUNTED} WHERE meter = %s"
STREAMED = "SELECT messages, devices, first_place, last_place FROM usage.streamed WHERE meter = %s"


def counted(database: str, meter: str) -> tuple[int, int]:
    """What was sent, and what is taken beyond that."""
    with psycopg.connect(database) as connection:
        row = connection.execute(OF_METER, [meter]).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


def allow(database: str, meter: str, messages: int) -> None:
    with psycopg.connect(database) as connection:
        connection.execute(ALLOW, [meter, messages])


def test_every_event_on_every_stream_counts_one_for_the_product(scene: Scene) -> None:
    path, meter = scene.world.path + "/events", f"product-{scene.world.id}"
    other = scene.claim(scene.owner)
    with listening(scene.http, path) as one, listening(scene.http, path) as another:
        first = scene.count(0)
        last = scene.say({"device_id": other}, {"device_id": other})
        one.take(3)
        another.take(3)
        eventually(lambda: counted(scene.served.database, meter)[0] == 6)
    eventually(lambda: counted(scene.served.database, meter) == (6, 0))
    with psycopg.connect(scene.served.database) as connection:
        streamed = connection.execute(STREAMED, [meter]).fetchall()
    messages, devices, firsts, lasts = zip(*streamed, strict=True)
    assert (sum(messages), min(firsts), max(lasts)) == (6, first, last)
    of_devices = sum((Counter(one) for one in devices), Counter[str]())
    assert of_devices == {scene.device: 2, other: 4}


def test_one_s_own_stream_is_one_s_own_account(scene: Scene) -> None:
    with listening(scene.http, "/v1/devices/events") as ear:
        scene.count(0, 1)
        ear.take(2)
    database = scene.served.database
    eventually(lambda: counted(database, f"user-{scene.owner.user_id}") == (2, 0))
    assert counted(database, f"product-{scene.world.id}") == (0, 0)


def test_at_the_limit_nothing_is_sent_and_the_stream_says_so_once(scene: Scene) -> None:
    path, meter = scene.world.path + "/events", f"product-{scene.world.id}"
    allow(scene.served.database, meter, 5)
    with listening(scene.http, path) as ear, listening(scene.http, "/v1/devices/events") as own:
        scene.count(*range(8))
        scene.count(*range(8, 10))
        assert len(own.take(10)) == 10  # another account
        assert [heard.said["data"] for heard in ear.take(5)] == ["0", "1", "2", "3", "4"]
        place = ear.place
        allow(scene.served.database, meter, 100)
        stop = threading.Event()

        def go_on() -> None:
            while not stop.wait(0.1):
                scene.say({"data": "after"})

        talking = threading.Thread(target=go_on)
        talking.start()
        try:
            assert ear.next().said["data"] == "after"
        finally:
            stop.set()
            talking.join()
        assert len([said for said in ear.comments if said.startswith(AT_LIMIT)]) == 1
    with listening(scene.http, path, params={"after": place}) as again:
        assert again.next().said["data"] == "5"


def test_several_processes_together_send_no_more_than_the_limit(scene: Scene) -> None:
    path, meter = scene.world.path + "/events", f"product-{scene.world.id}"
    limit, database = 50, scene.served.database
    allow(database, meter, limit)
    heard: list[int] = []

    def hear(ear: Ear) -> None:
        heard.append(len(ear.rest()))

    with (
        serving(database) as second,
        second.client(token=scene.owner.token) as client,
        listening(scene.http, path) as a,
        listening(client, path) as b,
        listening(client, path) as c,
    ):
        for number in range(10):
            scene.count(*range(number * 5, number * 5 + 5))
        ears = [threading.Thread(target=hear, args=[ear]) for ear in (a, b, c)]
        for ear in ears:
            ear.start()
        eventually(lambda: counted(database, meter) == (limit, 0))
        scene.those.revoke(scene.owner.token_id)
        for ear in ears:
            ear.join()
    assert sum(heard) == limit


@pytest.mark.asyncio
async def test_a_period_that_ends_is_settled_and_the_next_one_begins(database: str) -> None:
    today = date(2026, 11, 30)
    meter = f"user-{HOLDER}"
    allow(database, meter, 2)
    rows = Database(database)
    await rows.open()
    meters = Meters(rows, lambda: today)
    chunk = chunk_of(database, 3)
    paid = await meters.take(chunk)
    assert paid is not None
    assert len(paid.chunk.frames) == 2
    meters.wrote(paid)
    assert await meters.take(chunk_of(database, 1)) is None
    today = date(2026, 12, 1)
    paid = await meters.take(chunk_of(database, 1))
    assert paid is not None
    meters.wrote(paid)
    await meters.close()
    await rows.close()
    with psycopg.connect(database) as connection:
        periods = connection.execute(
            "SELECT period_start, counted, in_flight FROM usage.meter ORDER BY 1"
        ).fetchall()
    assert periods == [(date(2026, 11, 1), 2, 0), (date(2026, 12, 1), 1, 0)]


@pytest.mark.asyncio
async def test_what_could_not_be_sent_is_not_counted(database: str) -> None:
    rows = Database(database)
    await rows.open()
    meters = Meters(rows)
    paid = await meters.take(chunk_of(database, 3))
    assert paid is not None
    meters.give_back(paid)
    await meters.close()
    await rows.close()
    assert counted(database, f"user-{HOLDER}") == (0, 0)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("limit", "ahead"), [(None, TAKEN_AT_ONCE), (10**6, TAKEN_AT_ONCE), (1_000, 10), (3, 0)]
)
async def test_units_are_taken_ahead_but_for_what_is_near_the_limit(
    database: str, limit: int | None, ahead: int
) -> None:
    """So that most chunks ask nobody; and what is left of a limit is left to all."""
    if limit is not None:
        allow(database, f"user-{HOLDER}", limit)
    rows = Database(database)
    await rows.open()
    assert await Meters(rows).take(chunk_of(database, 3)) is not None
    assert counted(database, f"user-{HOLDER}") == (0, 3 + ahead)
    await rows.close()


@pytest.mark.asyncio
async def test_what_others_gave_back_meanwhile_is_counted_all_the_same(database: str) -> None:
    """A process that could say nothing for too long was taken for dead; it had sent it, though."""
    rows = Database(database)
    await rows.open()
    meters = Meters(rows)
    paid = await meters.take(chunk_of(database, 3))
    assert paid is not None
    meters.wrote(paid)
    with psycopg.connect(database) as connection:
        connection.execute("UPDATE usage.taken SET until = now() - interval '1 s'")
        connection.execute("SELECT usage.expire()")
    await meters.close()
    await rows.close()
    assert counted(database, f"user-{HOLDER}") == (3, 0)


def chunk_of(database: str, number: int) -> Any:
    """So many events that a holder's stream would be told."""
    say(database, *({"device_id": "a" * 24, "user_id": HOLDER, "name": "n"} for _ in range(number)))
    with psycopg.connect(database) as connection:
        connection.execute("SET timezone = 'UTC'")
        found = connection.execute(AFTER, [0, 100]).fetchall()[-number:]
    stored = [Stored(DeviceEventRow(*row)) for row in found]
    return chunk_of_stored(stored, Earshot(holder=HOLDER), Form.OWN)


def test_a_customer_s_stream_is_their_product_s_account(database: str) -> None:
    said = {"device_id": "a" * 24, "user_id": "customer:x", "product_id": 104, "name": "n"}
    say(database, said, {**said, "product_id": None})
    with psycopg.connect(database) as connection:
        found = connection.execute(AFTER, [0, 100]).fetchall()
    stored = [Stored(DeviceEventRow(*row)) for row in found]
    chunk = chunk_of_stored(stored, Earshot(holder="customer:x"), Form.OWN)
    assert chunk is not None
    assert [frame.meter for frame in chunk.frames] == ["product-104", "user-customer:x"]
