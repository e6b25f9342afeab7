"""Devices hear the device events that they asked for: of their product, and of their owner's."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from domain.description import Description
from domain.device_commands import RemoveDevice
from domain.ownership import ClaimDevice, UnclaimDevice
from domain.session import RecordDescription
from projections.announcing.link import Link, Message
from projections.device_events import subscriptions
from projections.device_events.subscribers import SubscriberModel
from projections.device_events.subscriptions import Subscriptions
from projections.fleet.model import FleetModel
from projections.following import Follower
from projections.tracking import Tracking
from tests.projections.ear import Ear, connected_link, listening
from tests.projections.following import connected, follow, query, run
from tests.projections.world import DEVICES, USERS, World

ONE, TWO, THREE = DEVICES[:3]
ADA, BOB = USERS


@pytest.fixture
def link(nats_url: str) -> Iterator[Link]:
    with connected_link(nats_url) as link:
        yield link


def subscribe(world: World, one: str, *prefixes: str) -> None:
    has = Description(subscriptions=prefixes)
    world.do(RecordDescription(device_id=one, at=world.at(), has=has))


def catch_up(database: str) -> None:
    follow(database, FleetModel())
    run(database, Follower(SubscriberModel(), behind=Tracking("fleet", "fleet")))


def online_member(world: World, one: str, *prefixes: str) -> None:
    world.member(one)
    world.hello(one, None)
    subscribe(world, one, *prefixes)


def say(database: str, name: str, *, age_s: int = 0, **said: Any) -> None:
    """A device event of THREE, as it is stored."""
    row = {"device_id": THREE, "product_id": None, "user_id": None, "publisher": None, **said}
    at = datetime.now(UTC) - timedelta(seconds=age_s)
    with psycopg.connect(database) as owner:
        owner.execute(
            "CREATE TABLE IF NOT EXISTS telemetry.anytime"
            " PARTITION OF telemetry.device_event DEFAULT"
        )
        owner.execute(
            "INSERT INTO telemetry.device_event (device_id, product_id, user_id, publisher, name,"
            " data, ttl, published_at, received_at) VALUES (%s, %s, %s, %s, %s, 'd', 60, %s, %s)",
            [*row.values(), name, at, at],
        )


def heard(database: str, link: Link, url: str, *names: str, **said: Any) -> list[tuple[str, str]]:
    """Who hears which of these events, published one after the other."""
    task = Subscriptions(link)
    with connected(database, task.name) as connection, listening(url, "d.*.dn.event") as ear:
        task.begin(connection)
        for name in names:
            say(database, name, **said)
        while task.step(connection):
            pass
        return everything_heard(link, ear)


def everything_heard(link: Link, ear: Ear) -> list[tuple[str, str]]:
    link.send([Message("d.end.dn.event", b"{}")])
    found = []
    while (message := ear.heard(1)[0])[0] != "d.end.dn.event":
        found.append((message[0].split(".")[1], message[1]["name"]))
    return found


def test_a_member_hears_its_product(
    database: str, nats_url: str, link: Link, fleet_world: World
) -> None:
    fleet_world.product()
    online_member(fleet_world, ONE, "weather/", "x")
    online_member(fleet_world, TWO, "weather/rain")
    catch_up(database)
    names = ["weather/rain", "weather/sun", "weather", "Weather/rain", "x"]
    assert heard(database, link, nats_url, *names, product_id=7000) == [
        (ONE, "weather/rain"),
        (TWO, "weather/rain"),
        (ONE, "weather/sun"),
        (ONE, "x"),
    ]
    assert heard(database, link, nats_url, "x", product_id=7001) == []
    assert heard(database, link, nats_url, "x", user_id=ADA) == []


def test_a_device_hears_those_of_its_owner_and_none_twice(
    database: str, nats_url: str, link: Link, fleet_world: World
) -> None:
    fleet_world.product()
    online_member(fleet_world, ONE, "a", "a/b")
    fleet_world.do(ClaimDevice(device_id=ONE, user_id=ADA, reachable=True))
    catch_up(database)
    assert heard(database, link, nats_url, "a/b", user_id=ADA) == [(ONE, "a/b")]
    assert heard(database, link, nats_url, "a/b", user_id=ADA, product_id=7000) == [(ONE, "a/b")]
    assert heard(database, link, nats_url, "a/b", user_id=BOB) == []


def test_what_it_hears_it_hears_as_it_was_published(
    database: str, nats_url: str, link: Link, fleet_world: World
) -> None:
    fleet_world.product()
    online_member(fleet_world, ONE, f"{ONE}/hook-response/")
    catch_up(database)
    name, task = f"{ONE}/hook-response/a/0", Subscriptions(link)
    with connected(database) as connection, listening(nats_url, "d.*.dn.event") as ear:
        task.begin(connection)
        say(database, name, product_id=7000, publisher="particle-internal")
        task.step(connection)
        ((subject, event),) = ear.heard(1)
    assert subject == f"d.{ONE}.dn.event"
    assert datetime.fromisoformat(event.pop("published_at")).tzinfo is not None
    assert event == {"name": name, "data": "d", "ttl": 60, "device_id": "particle-internal"}


def test_who_leaves_or_asks_for_something_else_hears_no_more(
    database: str, nats_url: str, link: Link, fleet_world: World
) -> None:
    fleet_world.product()
    online_member(fleet_world, ONE, "a")
    online_member(fleet_world, TWO, "a")
    fleet_world.do(ClaimDevice(device_id=ONE, user_id=ADA, reachable=True))
    catch_up(database)
    fleet_world.do(RemoveDevice(device_id=ONE, product_id=7000))
    subscribe(fleet_world, TWO, "b")
    catch_up(database)
    assert heard(database, link, nats_url, "a", "b", product_id=7000) == [(TWO, "b")]
    assert heard(database, link, nats_url, "a", user_id=ADA) == [(ONE, "a")]
    fleet_world.do(UnclaimDevice(device_id=ONE, user_id=ADA))
    subscribe(fleet_world, TWO)
    catch_up(database)
    assert query(database, "SELECT * FROM follow.subscription") == []


def test_who_is_not_connected_hears_nothing(
    database: str, nats_url: str, link: Link, fleet_world: World
) -> None:
    fleet_world.product()
    online_member(fleet_world, ONE, "a")
    fleet_world.disconnect(ONE)
    catch_up(database)
    assert heard(database, link, nats_url, "a", product_id=7000) == []


def test_what_is_old_or_was_stored_before_is_not_heard(
    database: str, nats_url: str, link: Link, fleet_world: World
) -> None:
    fleet_world.product()
    online_member(fleet_world, ONE, "a")
    catch_up(database)
    say(database, "a1", product_id=7000)
    assert heard(database, link, nats_url, "a2", product_id=7000, age_s=61) == []
    assert heard(database, link, nats_url, "a3", product_id=7000) == [(ONE, "a3")]


def test_an_event_reaches_so_many_devices_and_no_more(
    database: str,
    nats_url: str,
    link: Link,
    fleet_world: World,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fleet_world.product()
    for one in (ONE, TWO, THREE):
        online_member(fleet_world, one, "a")
    catch_up(database)
    limited = subscriptions.HEARERS.replace("LIMIT 1000", "LIMIT 2")
    monkeypatch.setattr(subscriptions, "HEARERS", limited)
    assert heard(database, link, nats_url, "a", product_id=7000) == [(ONE, "a"), (TWO, "a")]


def test_it_does_not_matter_where_pages_end(
    database: str, nats_url: str, link: Link, fleet_world: World
) -> None:
    fleet_world.product()
    for one in (ONE, TWO):
        online_member(fleet_world, one, "a")
        fleet_world.do(ClaimDevice(device_id=one, user_id=ADA, reachable=True))
        subscribe(fleet_world, one, "b", "c")
        fleet_world.do(RemoveDevice(device_id=one, product_id=7000))
    model = SubscriberModel()
    model.page_events_max = 1
    follow(database, FleetModel())
    run(database, Follower(model, behind=Tracking("fleet", "fleet")))
    in_ones = query(database, "SELECT * FROM follow.subscription ORDER BY 1, 2, 3")
    assert in_ones == [(f"user-{ADA}", prefix, one) for prefix in ("b", "c") for one in (ONE, TWO)]
