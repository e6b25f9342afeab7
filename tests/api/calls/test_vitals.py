"""Vitals: the last ones, those of a time, as JSON and as CSV; and asking for new ones."""

import csv
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import httpx
import psycopg
import pytest

from api.calls.vitals import BETWEEN, LAST
from domain.published import VITALS
from tests.api.calls.gadget import Lamp, always, gadget
from tests.api.serving import Served
from tests.api.world import World
from tests.servers import NatsServer

NOW = datetime.now(UTC).replace(microsecond=0)
PAYLOAD = {"device": {"power": {"source": "usb"}, "system": {"uptime": 5}}, "cloud": {"list": [1]}}

Say = Callable[..., None]


def stamp(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@pytest.fixture
def say(served: Served, world: World, lamp: Lamp) -> Say:
    """The lamp publishes vitals, at a time of this day or a day before."""

    def say(at: datetime, payload: Any = PAYLOAD, product_id: int | None = world.id) -> None:
        day = at.replace(hour=0, minute=0, second=0)
        with psycopg.connect(served.database) as connection:
            connection.execute("SET ROLE rollcall_app")
            connection.execute(
                f"CREATE TABLE IF NOT EXISTS telemetry.device_event_{day:%Y%m%d}"
                f" PARTITION OF telemetry.device_event"
                f" FOR VALUES FROM ('{day.isoformat()}')"
                f" TO ('{(day + timedelta(days=1)).isoformat()}')"
            )
            data = payload if isinstance(payload, str) else json.dumps(payload)
            for name in (VITALS, "temperature"):
                connection.execute(
                    "INSERT INTO telemetry.device_event"
                    " (device_id, product_id, name, data, ttl, published_at)"
                    " VALUES (%s, %s, %s, %s, 60, %s)",
                    [lamp.id, product_id, name, data, at],
                )

    return say


def paths(world: World, lamp: Lamp) -> list[str]:
    return [f"/v1/diagnostics/{lamp.id}", f"{world.path}/diagnostics/{lamp.id}"]


def test_the_last_vitals_are_those_said_last(world: World, lamp: Lamp, say: Say) -> None:
    for path in paths(world, lamp):
        assert world.api.get(f"{path}/last").status_code == 404
    say(NOW - timedelta(days=2), {"old": 1})
    say(NOW)
    for path in paths(world, lamp):
        assert world.api.get(f"{path}/last").json() == {
            "diagnostics": {"updated_at": stamp(NOW), "deviceID": lamp.id, "payload": PAYLOAD}
        }


def test_what_is_no_json_is_shown_as_nothing(world: World, lamp: Lamp, say: Say) -> None:
    for number, payload in enumerate(["{", "[" * 4000]):
        say(NOW + timedelta(seconds=number), payload)
        answer = world.api.get(f"/v1/diagnostics/{lamp.id}/last").json()
        assert answer["diagnostics"]["payload"] is None


def test_the_history_holds_what_was_said_from_one_date_to_before_another(
    world: World, lamp: Lamp, say: Say
) -> None:
    times = [NOW - timedelta(days=days) for days in (3, 2, 1, 0)]
    for number, at in enumerate(times):
        say(at, {"n": number})

    def told(**query: str) -> list[int]:
        answers = [world.api.get(path, params=query) for path in paths(world, lamp)]
        assert answers[0].json() == answers[1].json()
        return [one["payload"]["n"] for one in answers[0].json()["diagnostics"]]

    assert told() == [3, 2, 1, 0]
    assert told(start_date=stamp(times[1])) == [3, 2, 1]
    assert told(end_date=stamp(times[1])) == [0]
    assert told(start_date=stamp(times[1]), end_date=stamp(times[2])) == [1]
    assert told(startDate=times[2].isoformat()) == [3, 2]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"start_date": "yesterday"}, "start_date"),
        ({"end_date": "2030-13-01"}, "end_date"),
        ({"start_date": "2030-01-02", "end_date": "2030-01-01"}, "end_date"),
    ],
)
def test_a_date_that_is_none_is_refused_as_clients_expect_it(
    world: World, lamp: Lamp, query: dict[str, str], field: str
) -> None:
    for path in paths(world, lamp):
        answer = world.api.get(path, params=query)
        assert answer.status_code == 400
        assert answer.json()["error"] == "bad_request"
        assert answer.json()["description"].startswith(field)


def test_as_csv_every_value_has_a_column_named_by_the_way_to_it(
    served: Served, world: World, lamp: Lamp, say: Say
) -> None:
    say(NOW - timedelta(hours=1), {"device": {"power": {"source": "battery, low"}}})
    say(NOW)
    with httpx.Client(base_url=served.url, headers=world.api.headers) as plain:
        answer = plain.get(f"/v1/diagnostics/{lamp.id}", headers={"Accept": "text/csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(StringIO(answer.text)))
    assert rows == [
        {
            "updated_at": stamp(NOW),
            "deviceID": lamp.id,
            "device.power.source": "usb",
            "device.system.uptime": "5",
            "cloud.list": "[1]",
        },
        {
            "updated_at": stamp(NOW - timedelta(hours=1)),
            "deviceID": lamp.id,
            "device.power.source": "battery, low",
            "device.system.uptime": "",
            "cloud.list": "",
        },
    ]


def test_a_team_does_not_see_what_was_said_in_another_product(
    world: World, lamp: Lamp, say: Say
) -> None:
    say(NOW - timedelta(hours=1), {"n": 1})
    say(NOW, {"n": 2}, product_id=world.id + 1)
    of_product = f"{world.path}/diagnostics/{lamp.id}"
    assert world.api.get(f"{of_product}/last").json()["diagnostics"]["payload"] == {"n": 1}
    assert len(world.api.get(of_product).json()["diagnostics"]) == 1


@pytest.mark.parametrize("query", [LAST, BETWEEN])
def test_vitals_are_found_without_reading_what_else_the_device_said(
    served: Served, lamp: Lamp, say: Say, query: str
) -> None:
    for days in range(3):
        say(NOW - timedelta(days=days))
    start = NOW - timedelta(days=3)
    wanted = {"device": lamp.id, "product": None, "start": start, "end": NOW, "limit": 1}
    with psycopg.connect(served.database) as connection:
        connection.execute(
            "INSERT INTO telemetry.device_event (device_id, name, ttl, published_at)"
            " SELECT %s, 'temperature', 60, %s FROM generate_series(1, 5000)",
            [lamp.id, NOW],
        )
        connection.execute("ANALYZE telemetry.device_event")
        plan = connection.execute(f"EXPLAIN {query}".encode(), wanted).fetchall()
        connection.rollback()
    lines = [line for (line,) in plan]
    assert any("Index Scan" in line for line in lines), lines
    # An index of everything would have to look at each name.
    assert not any("Seq Scan" in line or "name =" in line for line in lines), lines


@pytest.mark.asyncio
async def test_a_device_is_asked_for_its_vitals(
    calling: httpx.AsyncClient, door: NatsServer, world: World, lamp: Lamp
) -> None:
    for path in paths(world, lamp):
        offline = await calling.post(f"{path}/update")
        async with gadget(door, lamp.id, always({})) as ours:
            asked = await calling.post(f"{path}/update")
        async with gadget(door, lamp.id, always({"error": "unknown"})):
            without = await calling.post(f"{path}/update")
        assert (asked.status_code, asked.json()) == (202, {"ok": True})
        assert [what for what, _ in ours.asked] == ["vitals"]
        assert (offline.status_code, offline.json()["error"]) == (408, "timed out")
        assert without.status_code == 404
