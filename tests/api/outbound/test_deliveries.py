"""Deliveries through the API: found, looked into, tried again, and history sent once more."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest

from tests.api.company import Company
from tests.api.person import Person
from tests.api.serving import Served
from tests.api.world import new_id

DELIVER = """
    INSERT INTO outbound.delivery (place, published_at, integration_id, device_id, replay, meter,
                                   state, attempts, since, settled_at, reason)
    VALUES (%s, %s, %s, %s, 0, 'test', %s, %s, now(), now(), %s) RETURNING delivery_id
"""
SAY = """
    INSERT INTO telemetry.device_event (device_id, product_id, name, data, ttl, published_at)
    VALUES (%s, %s, %s, %s, 60, %s) RETURNING id
"""
TRY = """
    INSERT INTO outbound.attempt (delivery_id, integration_id, device_id, place, attempt, at,
                                  took_ms, delivered, method, host, request_bytes, status, error,
                                  response)
    VALUES (%s, %s, 'd', 1, %s, %s, 12, %s, 'POST', 'receiver.example', 7, %s, %s, %s)
"""
STATES = "SELECT state, count(*) FROM outbound.delivery WHERE integration_id = %s GROUP BY state"
DAY = timedelta(days=1)


class Sent:
    """An integration of a product, and deliveries to it as workers leave them."""

    def __init__(self, company: Company, connection: "psycopg.Connection[Any]") -> None:
        self.company = company
        self.sql = connection
        hook = {"event": "temp", "url": "http://127.0.0.1:9/nobody"}
        answer = company.owner.post(company.path + "/webhooks", json=hook)
        self.id: str = answer.json()["id"]
        self.path = f"{company.path}/integrations/{self.id}"
        self.now = datetime.now(UTC)

    def say(self, name: str = "temp", device_id: str = "", ago: timedelta = timedelta()) -> int:
        at = self.now - ago
        self.sql.execute(
            f"CREATE TABLE IF NOT EXISTS telemetry.device_event_{at:%Y%m%d} PARTITION OF"
            f" telemetry.device_event FOR VALUES FROM ('{at:%Y-%m-%d}T00:00Z')"
            f" TO ('{at + DAY:%Y-%m-%d}T00:00Z')".encode()
        )
        said = [device_id or new_id(), int(self.company.team), name, "21.5", at]
        return self.one(SAY, said)

    def deliver(
        self,
        state: str = "parked",
        *,
        device_id: str = "",
        reason: str = "",
        place: int | None = None,
        ago: timedelta = timedelta(),
    ) -> str:
        device_id = device_id or new_id()
        place = place if place is not None else self.say("temp/in", device_id, ago)
        row = [place, self.now - ago, self.id, device_id, state, 2, reason]
        return str(self.one(DELIVER, row))

    def attempt(self, number: int, delivery_id: str, *, status: int | None, **more: Any) -> None:
        about = {"error": "", "response": "", "at": self.now, **more}
        row = [about["at"], not about["error"], status, about["error"], about["response"]]
        self.sql.execute(TRY, [int(delivery_id), self.id, number, *row])

    def one(self, query: str, params: Any) -> int:
        row = self.sql.execute(query.encode(), params).fetchone()
        assert row is not None
        return int(row[0])

    def states(self) -> dict[str, int]:
        return dict(self.sql.execute(STATES, [self.id]).fetchall())

    def asked(self) -> list[dict[str, Any]]:
        """What the product's history says was to be sent again, the oldest first."""
        history = self.company.owner.get(f"{self.company.path}/history", params={"order": "asc"})
        return [
            entry["event"]
            for entry in history.json()["events"]
            if entry["name"] in ("DeliveryRetryAsked", "ReplayAsked")
        ]

    def get(self, below: str = "/deliveries", **query: Any) -> Any:
        answer = self.company.owner.get(self.path + below, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def found(self, **query: Any) -> list[str]:
        return [one["id"] for one in self.get(**query)["deliveries"]]

    def post(self, below: str, **body: Any) -> httpx.Response:
        return self.company.owner.post(self.path + below, json=body)


@pytest.fixture
def sent(company: Company, served: Served) -> Iterator[Sent]:
    with psycopg.connect(served.database, autocommit=True) as connection:
        yield Sent(company, connection)


def test_a_delivery_is_shown_with_its_event(sent: Sent) -> None:
    device_id = new_id()
    delivery = sent.deliver(device_id=device_id, reason="error status 500 from receiver.example")
    (shown,) = sent.get()["deliveries"]
    assert {name: shown[name] for name in ("id", "device_id", "state", "attempts", "replay")} == {
        "id": delivery,
        "device_id": device_id,
        "state": "parked",
        "attempts": 2,
        "replay": 0,
    }
    assert (shown["event"], shown["data"]) == ("temp/in", "21.5")
    assert shown["reason"] == "error status 500 from receiver.example"
    assert shown["published_at"][:19] == f"{sent.now:%Y-%m-%dT%H:%M:%S}"
    assert sent.get(f"/deliveries/{delivery}") == {"delivery": shown, "attempts": []}


def test_a_delivery_outlives_its_event(sent: Sent) -> None:
    sent.deliver(place=10**12)
    (shown,) = sent.get()["deliveries"]
    assert (shown["event"], shown["data"], shown["event_id"]) == (None, None, "1" + "0" * 12)


def test_the_newest_come_first_a_page_at_a_time(sent: Sent) -> None:
    made = [sent.deliver() for _ in range(5)][::-1]
    first = sent.get(per_page=2)
    second = sent.get(per_page=2, cursor=first["next"])
    third = sent.get(per_page=2, cursor=second["next"])
    pages = [one["id"] for page in (first, second, third) for one in page["deliveries"]]
    assert pages == made
    assert third["next"] is None


def test_they_are_found_by_state_device_event_and_time(sent: Sent) -> None:
    device_id = new_id()
    old = sent.deliver("delivered", ago=2 * DAY)
    mine = sent.deliver("delivered", device_id=device_id)
    parked = sent.deliver("parked")
    assert sent.found() == [parked, mine, old]
    assert sent.found(state="parked") == [parked]
    assert sent.found(state="delivered") == [mine, old]
    assert sent.found(device_id=device_id) == [mine]
    yesterday = (sent.now - DAY).isoformat()
    assert sent.found(**{"from": yesterday}) == [parked, mine]
    assert sent.found(to=yesterday) == [old]
    assert sent.found(event="temp/") == [parked, mine, old]
    assert sent.found(event="temp/x") == []
    assert sent.get("")["integration"]["counters"] == {"waiting": 0, "parked": 1, "days": []}


@pytest.mark.parametrize(
    "query", [{"state": "lost"}, {"from": "yesterday"}, {"cursor": "x"}, {"per_page": 0}]
)
def test_a_filter_that_cannot_be_is_refused(sent: Sent, query: dict[str, Any]) -> None:
    answer = sent.company.owner.get(sent.path + "/deliveries", params=query)
    assert (answer.status_code, answer.json()["field"]) == (400, next(iter(query)))


def test_attempts_are_shown_with_their_delivery_and_integration(sent: Sent) -> None:
    delivery, other = sent.deliver(), sent.deliver()
    sent.attempt(1, delivery, status=None, error="no route to host")
    sent.attempt(2, delivery, status=500, error="error status 500", response="Oh no")
    sent.attempt(1, other, status=200, response="taken")
    attempts = sent.get(f"/deliveries/{delivery}")["attempts"]
    assert [one["attempt"] for one in attempts] == [1, 2]
    logs = sent.get("")["integration"]["logs"]
    assert [(one["delivery_id"], one["status"]) for one in logs] == [
        (other, 200),
        (delivery, 500),
        (delivery, None),
    ]
    assert logs[1] == attempts[1]
    shown = {name: logs[1][name] for name in ("delivered", "error", "response", "host", "took_ms")}
    assert shown == {
        "delivered": False,
        "error": "error status 500",
        "response": "Oh no",
        "host": "receiver.example",
        "took_ms": 12,
    }


def test_no_more_than_the_last_ten_are_in_the_log(sent: Sent) -> None:
    delivery = sent.deliver()
    for number in range(1, 13):
        sent.attempt(number, delivery, status=500, error="no")
    logs = sent.get("")["integration"]["logs"]
    assert [one["attempt"] for one in logs] == list(range(12, 2, -1))


def test_every_attempt_can_be_searched_for(sent: Sent) -> None:
    delivery = sent.deliver()
    sent.attempt(1, delivery, status=None, error="No Route to host", at=sent.now - DAY)
    sent.attempt(2, delivery, status=500, error="error status 500", response="100%_sure")
    sent.attempt(3, delivery, status=200, response="taken")

    def found(**query: Any) -> list[int]:
        return [one["attempt"] for one in sent.get("/attempts", **query)["attempts"]]

    assert found() == [3, 2, 1]
    assert found(delivered=True) == [3]
    assert found(delivered=False) == [2, 1]
    assert found(status=500) == [2]
    assert found(text="no route") == [1]
    assert found(text="100%_") == [2]
    assert found(text="%") == [2]
    assert found(device_id="d", **{"from": (sent.now - DAY / 2).isoformat()}) == [3, 2]
    assert found(to=sent.now.isoformat()) == [1]
    first = sent.get("/attempts", per_page=2)
    assert found(cursor=first["next"]) == [1]


def test_a_parked_delivery_is_tried_again(sent: Sent) -> None:
    delivery, other = sent.deliver(), sent.deliver()
    answer = sent.post(f"/deliveries/{delivery}/retry")
    assert (answer.status_code, answer.json()) == (200, {"ok": True, "retried": 1, "more": False})
    assert sent.found(state="waiting") == [delivery]
    assert sent.found(state="parked") == [other]
    assert [one["delivery_id"] for one in sent.asked()] == [int(delivery)]
    again = sent.post(f"/deliveries/{delivery}/retry")
    assert (again.status_code, again.json()["error"]) == (409, "not_parked")
    assert "waiting" in again.json()["error_description"]


def test_what_was_delivered_is_not(sent: Sent) -> None:
    answer = sent.post(f"/deliveries/{sent.deliver('delivered')}/retry")
    assert (answer.status_code, answer.json()["error"]) == (409, "not_parked")
    assert sent.states() == {"delivered": 1}


def test_all_that_are_parked_are_tried_again(sent: Sent) -> None:
    for state in ("parked", "parked", "delivered"):
        sent.deliver(state)
    assert sent.post("/deliveries/retry").json() == {"ok": True, "retried": 2, "more": False}
    assert sent.states() == {"waiting": 2, "delivered": 1}
    assert sent.post("/deliveries/retry").json()["retried"] == 0
    assert [one["delivery_id"] for one in sent.asked()] == [None, None]


def test_history_is_sent_once_more(sent: Sent) -> None:
    old = sent.say(ago=2 * DAY)
    first, second = sent.say(), sent.say()
    sent.say("humidity")
    hour = timedelta(hours=1)
    bounds = {"from": (sent.now - DAY).isoformat(), "to": (sent.now + hour).isoformat()}
    answer = sent.post("/replay", **bounds)
    assert answer.status_code == 200, answer.text
    made = {"ok": True, "deliveries": 2, "last_event_id": str(second), "more": False}
    assert answer.json() == made
    assert [one["replay"] for one in sent.get()["deliveries"]] == [1, 1]
    by_place = sent.post("/replay", after=old, until=first).json()
    assert sent.asked()[-1]["after"] == old
    assert by_place == {**made, "deliveries": 1, "last_event_id": str(first)}
    assert sent.post("/replay", after=second).json()["deliveries"] == 0
    assert sent.states() == {"waiting": 3}


@pytest.mark.parametrize("field", ["from", "to"])
@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:00:00-14:00", "now"])
def test_there_is_no_history_outside_of_time(sent: Sent, field: str, at: str) -> None:
    answer = sent.post("/replay", **{field: at})
    assert (answer.status_code, answer.json()["field"]) == (400, field)


def test_all_of_history_is_asked_for_in_so_many_words(sent: Sent) -> None:
    answer = sent.post("/replay")
    assert (answer.status_code, answer.json()["field"]) == (400, "from")


def test_another_s_delivery_is_not_there(sent: Sent, person: Person, company: Company) -> None:
    delivery = sent.deliver()
    other = company.owner.post("/v1/webhooks", json={"event": "e", "url": "http://r.example"})
    elsewhere = f"/v1/integrations/{other.json()['id']}/deliveries/{delivery}"
    assert company.owner.get(elsewhere).status_code == 404
    assert company.owner.post(elsewhere + "/retry").status_code == 404
    assert company.owner.get(f"/v1/integrations/{sent.id}/deliveries").status_code == 404
    with person.bearer() as stranger:
        for path in ("/deliveries", "/attempts", f"/deliveries/{delivery}"):
            assert stranger.get(sent.path + path).status_code == 403
        assert stranger.post(sent.path + "/replay", json={"after": 0}).status_code == 403
    assert sent.states() == {"parked": 1}
