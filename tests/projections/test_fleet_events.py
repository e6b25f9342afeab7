"""Fleet events: every event of the log once, in order, also after trouble."""

from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

import msgspec
import pytest

from domain.device_commands import NameDevice, RemoveDevice
from projections.announcing.fleet_events import FleetEvents, Place, packed
from projections.announcing.link import Link, Message
from projections.trouble import NatsTrouble
from tests.projections.ear import connected_link, delete, info, messages
from tests.projections.following import query, run
from tests.projections.world import DEVICES, World, live_on

ONE = DEVICES[0]


@pytest.fixture
def link(nats_url: str) -> Iterator[Link]:
    with connected_link(nats_url) as link:
        yield link


def announced(url: str) -> list[tuple[str, dict[str, Any]]]:
    return [
        (str(message.subject), event)
        for message in messages(url, "FLEET_EVENTS")
        for event in msgspec.json.decode(message.data or b"")
    ]


def positions(url: str) -> list[int]:
    return [event["position"] for _, event in announced(url)]


def test_an_event_is_announced_as_it_stands_in_the_log(
    database: str, nats_url: str, link: Link, fleet_world: World
) -> None:
    fleet_world.product()

    run(database, FleetEvents(link))

    [(subject, event)] = announced(nats_url)
    [(stored, at)] = query(database, "SELECT event, recorded_at FROM log.entry")
    assert subject == "fleet.7000"
    assert event.pop("at") == msgspec.to_builtins(at)
    assert event == {
        "position": 1,
        "stream": "product-7000",
        "name": "ProductCreated",
        "event": stored,
        "actor": "somebody",
    }


def test_what_names_no_product_goes_to_the_product_the_device_entered_last(
    database: str, nats_url: str, link: Link, fleet_world: World
) -> None:
    fleet_world.member(ONE, 7001)
    fleet_world.do(NameDevice(device_id=ONE, product_id=7001, name="door"))
    fleet_world.hello(ONE, None, None)

    run(database, FleetEvents(link))

    named = [subject for subject, event in announced(nats_url) if event["name"] == "DeviceNamed"]
    assert named == ["fleet.7001"]
    assert {subject for subject, _ in announced(nats_url)} == {"fleet.7001", "fleet.none"}


def test_every_event_is_announced_once_whatever_the_pages(
    database: str, nats_url: str, link: Link, fleet_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = Random(3)
    for size in (1, 3, 1000, 7):
        monkeypatch.setattr("projections.announcing.fleet_events.PAGE_EVENTS_MAX", size)
        live_on(fleet_world, random, 30)
        run(database, FleetEvents(link))

    assert sorted(positions(nats_url)) == [
        position for (position,) in query(database, "SELECT position FROM log.entry ORDER BY 1")
    ]
    for product in ("fleet.7000", "fleet.7001", "fleet.none"):
        of_one = [event["position"] for subject, event in announced(nats_url) if subject == product]
        assert of_one == sorted(of_one)


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_a_page_broken_off_in_the_middle_is_taken_up_where_it_stopped(
    database: str,
    nats_url: str,
    link: Link,
    fleet_world: World,
    monkeypatch: pytest.MonkeyPatch,
    kept: int,
) -> None:
    fleet_world.product(7000)
    fleet_world.product(7001)
    fleet_world.hello(ONE, None, None)
    store = link.store

    def broken(messages: Sequence[Message], last_sequence: int) -> int:
        if kept:
            store(messages[:kept], last_sequence)
        raise NatsTrouble("the server was killed")

    with monkeypatch.context() as patched:
        patched.setattr(link, "store", broken)
        with pytest.raises(NatsTrouble):
            run(database, FleetEvents(link))
    fleet_world.member(ONE)

    run(database, FleetEvents(link))

    assert sorted(positions(nats_url)) == list(range(1, fleet_world.position() + 1))


def test_a_nats_that_lost_everything_is_filled_again(
    database: str, nats_url: str, link: Link, fleet_world: World
) -> None:
    live_on(fleet_world, Random(5), 40)
    run(database, FleetEvents(link))
    before = announced(nats_url)
    delete(nats_url, "FLEET_EVENTS")

    run(database, FleetEvents(link))

    assert announced(nats_url) == before


def test_another_process_goes_on_where_the_last_one_was(
    database: str, nats_url: str, link: Link, fleet_world: World
) -> None:
    fleet_world.member()
    run(database, FleetEvents(link))
    fleet_world.do(RemoveDevice(device_id=ONE, product_id=7000))

    run(database, FleetEvents(link))
    run(database, FleetEvents(link))

    assert positions(nats_url) == [1, 2]
    assert info(nats_url, "FLEET_EVENTS").state.messages == 2


def test_the_events_of_another_log_are_not_mixed_with_ours(
    database: str, nats_url: str, link: Link, fleet_world: World
) -> None:
    run(database, FleetEvents(link))  # makes the stream
    place = Place(0, 900, 1, 1, "another").header()
    link.append(Message("fleet.7000", b'[{"position": 900}]', {"Rollcall-Place": place}))
    fleet_world.member()

    run(database, FleetEvents(link))

    assert positions(nats_url) == [1]


def test_a_message_does_not_grow_beyond_its_bound() -> None:
    events = [(position, bytes(100_000)) for position in range(12)]

    arrays = list(packed(events))

    assert [len(array) for array in arrays] == [4, 4, 4]
    assert [event for array in arrays for event in array] == events


def test_a_place_reads_as_it_was_written() -> None:
    for place in (Place(0, 7, 1, 3, "17"), Place(5, 9, 2, 2, "")):
        assert Place.parse(place.header()) == place
