"""How much was used, by what, and where each unit of it can be found."""

import secrets
from datetime import UTC, date, datetime, timedelta

import httpx
import psycopg
import pytest

from domain.allowance import SetAllowance
from domain.log.fleet import Fleet
from domain.meter import RecordData, RecordOutbound
from domain.period import period_of
from domain.recorded import Provenance
from projections.metering.model import MeteredModel
from tests.api.person import Person
from tests.api.serving import Served
from tests.api.world import World
from tests.projections.following import follow

TODAY = datetime.now(UTC).date()
HOOK = "5f1e0c0000000000000000ea"
OTHER = "5f1e0c0000000000000000eb"


class Usage:
    """What happens to the meter of a product."""

    def __init__(self, served: Served, fleet: Fleet, world: World) -> None:
        self.served, self.fleet, self.world = served, fleet, world
        self.meter = f"product-{world.id}"
        # A product that was made just now is in its first period.
        self.period = period_of(TODAY, TODAY)
        self.place = 0

    def send(self, devices: dict[str, int], integration: str = HOOK, day: date = TODAY) -> None:
        messages, first = sum(devices.values()), self.place + 1
        self.place += messages
        command = RecordOutbound(
            **self._of(day),
            messages=messages,
            devices=devices,
            first_place=first,
            last_place=self.place,
            batch_id=f"batch {first}",
            integration_id=integration,
        )
        self.fleet.execute(command, Provenance(actor="test"))
        with psycopg.connect(self.served.database) as connection:
            connection.execute(
                "INSERT INTO usage.meter AS known VALUES (%s, %s, %s, NULL, %s)"
                " ON CONFLICT (meter, period_start)"
                " DO UPDATE SET counted = known.counted + excluded.counted",
                [self.meter, *self.period, messages],
            )
        self.follow()

    def use_data(self, messages: int, size: int) -> None:
        with psycopg.connect(self.served.database) as connection:
            connection.execute(
                "INSERT INTO usage.data VALUES ('d', %s, %s, %s, %s)",
                [self.world.id, TODAY, messages, size],
            )
        command = RecordData(**self._of(TODAY), messages=messages, bytes=size, devices=1)
        self.fleet.execute(command, Provenance(actor="test"))

    def limit(self, limit: int | None) -> None:
        command = SetAllowance(meter=self.meter, limit=limit)
        self.fleet.execute(command, Provenance(actor="test"))
        self.follow()

    def follow(self) -> None:
        follow(self.served.database, MeteredModel())

    def _of(self, day: date) -> dict[str, str]:
        start, end = self.period
        return {
            "meter": self.meter,
            "period_start": start.isoformat(),
            "period_end": end.isoformat(),
            "day": day.isoformat(),
        }


@pytest.fixture
def usage(served: Served, fleet: Fleet, world: World) -> Usage:
    return Usage(served, fleet, world)


def test_a_product_that_did_nothing_has_used_nothing(usage: Usage) -> None:
    found = usage.world.get("/usage")
    assert found["period_start"] == TODAY.isoformat()
    assert found["renews_on"] == usage.period.end.isoformat()
    assert found["outbound_messages"] == {
        "used": 0,
        "recorded": 0,
        "limit": None,
        "remaining": None,
        "warned_percent": None,
        "limit_reached_at": None,
    }
    assert found["data"] == {"messages": 0, "bytes": 0}


def test_what_was_used_is_shown_beside_what_is_allowed(usage: Usage) -> None:
    usage.limit(10)
    usage.send({"a": 2, "b": 1})
    usage.use_data(5, 500)
    usage.world.import_devices(2)

    found = usage.world.get("/usage")

    outbound = found["outbound_messages"]
    assert (outbound["used"], outbound["recorded"]) == (3, 3)
    assert (outbound["limit"], outbound["remaining"]) == (10, 7)
    assert found["data"] == {"messages": 5, "bytes": 500}
    assert (found["devices"], found["team_members"]) == (2, 1)


def test_data_is_of_the_days_in_the_log_and_of_what_was_sent_since(usage: Usage) -> None:
    usage.use_data(5, 500)
    usage.follow()
    with psycopg.connect(usage.served.database) as connection:
        connection.execute(
            "INSERT INTO usage.data VALUES ('d', %s, %s, 2, 20)",
            [usage.world.id, TODAY + timedelta(days=1)],
        )
    assert usage.world.get("/usage")["data"] == {"messages": 7, "bytes": 520}


def test_data_is_counted_by_day_and_device(usage: Usage, api: httpx.Client) -> None:
    usage.use_data(5, 500)
    usage.follow()
    day, tomorrow = TODAY.isoformat(), (TODAY + timedelta(days=1)).isoformat()
    with psycopg.connect(usage.served.database) as connection:
        connection.execute(
            "INSERT INTO usage.data VALUES ('e', %(id)s, %(day)s, 2, 900), ('e', 0, %(day)s, 1, 1)",
            {"id": usage.world.id, "day": tomorrow},
        )

    def sent(**wanted: str) -> list[tuple[str, int, int]]:
        found = usage.world.get("/usage/data", **wanted)
        return [(one["of"], one["messages"], one["bytes"]) for one in found["data"]]

    assert sent() == [(day, 5, 500), (tomorrow, 2, 900)]
    assert sent(to=day) == [(day, 5, 500)]
    assert sent(by="device") == [("e", 2, 900), ("d", 5, 500)]
    assert sent(by="device", page="2", per_page="1") == [("d", 5, 500)]
    path = f"/v1/products/{usage.world.id}/usage/data"
    assert api.get(path, params={"by": "device", "format": "csv"}).text.splitlines() == [
        "device,messages,bytes,first_day,last_day",
        f"e,2,900,{tomorrow},{tomorrow}",
        f"d,5,500,{day},{day}",
    ]


def test_data_of_devices_in_no_product_is_their_owners(served: Served, person: Person) -> None:
    device_id = secrets.token_hex(12)
    with person.bearer() as client:
        user_id = client.get("/v1/user").json()["id"]
        with psycopg.connect(served.database) as connection:
            connection.execute(
                "INSERT INTO fleet.device (device_id, owner, facts_position, last_position)"
                " VALUES (%s, %s, 0, 0)",
                [device_id, user_id],
            )
            for product_id, size in ((0, 30), (7000, 500)):
                connection.execute(
                    "INSERT INTO usage.data VALUES (%s, %s, %s, 3, %s)",
                    [device_id, product_id, TODAY, size],
                )
        sandbox = client.get("/v1/user/usage").json()["sandbox"]
    assert sandbox["data"] == {"messages": 3, "bytes": 30}


def test_messages_are_counted_by_day_integration_and_device(usage: Usage) -> None:
    usage.send({"a": 2, "b": 1})
    usage.send({"b": 5}, integration=OTHER)
    usage.send({"c": 1}, integration="")

    def counts(**wanted: str) -> list[tuple[str, int]]:
        found = usage.world.get("/usage/messages", **wanted)
        return [(one["of"], one["messages"]) for one in found["counts"]]

    assert counts() == [(TODAY.isoformat(), 9)]
    assert counts(by="integration") == [(OTHER, 5), (HOOK, 3), ("", 1)]
    assert counts(by="device") == [("b", 6), ("a", 2), ("c", 1)]
    assert counts(by="device", to="2001-01-01") == []
    page = usage.world.get("/usage/messages", by="device", page="2", per_page="2")
    assert [one["of"] for one in page["counts"]] == ["c"]
    assert page["meta"] == {"page": 2, "per_page": 2, "total": 3, "total_pages": 2}


def test_counts_come_as_csv_too(usage: Usage, api: httpx.Client) -> None:
    usage.send({"a": 2, "b": 1})
    path = f"/v1/products/{usage.world.id}/usage/messages"
    found = api.get(path, params={"by": "device", "format": "csv"})
    day = TODAY.isoformat()
    assert found.headers["content-type"].startswith("text/csv")
    assert found.text.splitlines() == [
        "device,messages,first_day,last_day",
        f"a,2,{day},{day}",
        f"b,1,{day},{day}",
    ]


def test_every_counted_message_can_be_found(usage: Usage) -> None:
    usage.send({"a": 2})
    usage.send({"a": 3})
    first = usage.world.get("/usage/batches", per_page="1")
    (newest,) = first["batches"]
    assert (newest["first_place"], newest["last_place"]) == (3, 5)
    second = usage.world.get("/usage/batches", per_page="1", cursor=first["next"])
    assert [one["messages"] for one in second["batches"]] == [2]
    assert second["next"] is None
    told = usage.world.get("/history", name="OutboundMessagesMetered")["events"]
    assert newest["position"] in {one["position"] for one in told}


@pytest.mark.parametrize(
    ("wanted", "field"),
    [({"from": "2030-02-31"}, "from"), ({"to": "yesterday"}, "to"), ({"by": "colour"}, "by")],
)
def test_what_cannot_be_asked_is_said(
    usage: Usage, api: httpx.Client, wanted: dict[str, str], field: str
) -> None:
    refused = api.get(f"/v1/products/{usage.world.id}/usage/messages", params=wanted)
    assert refused.status_code == 400
    assert field in refused.json()["error_description"]


def test_an_administrator_says_what_is_allowed(usage: Usage, api: httpx.Client) -> None:
    path = f"/v1/meters/{usage.meter}"
    assert api.get(path).json() == {"meter": usage.meter, "limit": None}
    assert api.put(path, json={"limit": 5}).json() == {"meter": usage.meter, "limit": 5}
    assert api.get(path).json()["limit"] == 5
    assert usage.world.get("/usage")["outbound_messages"]["remaining"] == 5
    assert api.put(path, json={"limit": None}).json()["limit"] is None
    assert api.put(path, json={"limit": -1}).status_code == 400
    for nobodys in ("product-65000", "user-" + "0" * 24, "product-x", "kettle"):
        assert api.get(f"/v1/meters/{nobodys}").status_code == 404


def test_everybody_sees_their_own(usage: Usage, api: httpx.Client) -> None:
    usage.send({"a": 4})
    mine, page, pages = [], 0, 1
    while page < pages:
        page += 1
        found = api.get("/v1/user/usage", params={"per_page": 100, "page": page}).json()
        mine += [one for one in found["products"] if one["product_id"] == usage.world.id]
        pages = found["meta"]["total_pages"]
    assert [one["outbound_messages"]["used"] for one in mine] == [4]
    assert found["sandbox"]["outbound_messages"]["used"] == 0
