"""What devices may publish, and what they are told of the rest."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import asdict

from device_edge.intake.device_event import (
    EVENTS_MAX,
    MESSAGE_BYTES_MAX,
    read_message,
    read_one_by_one,
    read_plainly,
)
from domain.published import NAMES_OF_DEVICES, VITALS, VITALS_BYTES_MAX, DeviceEvent


def read(message: Any) -> tuple[list[DeviceEvent], Any]:
    """The events, and the acknowledgement where all of them are stored."""
    payload = message if isinstance(message, bytes) else json.dumps(message).encode()
    found = read_message(payload)
    events = [DeviceEvent(one.name, one.data, one.ttl, one.id) for one in found.events]
    return events, json.loads(found.ack(len(found.events)))


def test_one_event() -> None:
    events, ack = read({"name": "temperature", "data": "21.5", "ttl": 5, "id": "e1"})
    assert events == [DeviceEvent(name="temperature", data="21.5", ttl=5, id="e1")]
    assert ack == {"about": "events", "stored": 1, "ids": ["e1"], "refused": []}


def test_name_is_all_that_is_needed() -> None:
    events, _ = read({"name": "door/opened"})
    assert events == [DeviceEvent(name="door/opened", data=None, ttl=60, id="")]


def test_several_events() -> None:
    events, ack = read([{"name": "a", "id": "1"}, {"name": "b"}, {"name": "c", "id": "3"}])
    assert [event.name for event in events] == ["a", "b", "c"]
    assert (ack["stored"], ack["ids"]) == (3, ["1", "3"])


def test_none_at_all_is_in_order() -> None:
    assert read([]) == ([], {"about": "events", "stored": 0, "ids": [], "refused": []})


@pytest.mark.parametrize(
    ("event", "field", "reason"),
    [
        ({}, "name", "is required"),
        ({"name": ""}, "name", "length >= 1"),
        ({"name": "x" * 65}, "name", "length <= 64"),
        ({"name": 5}, "name", "Expected `str`"),
        ({"name": "a\0"}, "name", "regex"),
        ({"name": "a", "data": "x" * 1025}, "data", "1024 is the limit"),
        ({"name": "a", "data": "ü" * 513}, "data", "1026 bytes"),
        ({"name": "a", "data": {"t": 1}}, "data", "Expected `str | null`"),
        ({"name": "a", "ttl": 16_777_216}, "ttl", "<= 16777215"),
        ({"name": "a", "ttl": -1}, "ttl", ">= 0"),
        ({"name": "a", "id": "x" * 65}, "id", "length <= 64"),
        ("text", "", "Expected `object`"),
    ],
)
def test_an_event_that_breaks_a_limit_is_named_and_the_others_are_taken(
    event: Any, field: str, reason: str
) -> None:
    events, ack = read([{"name": "before"}, event, {"name": "after"}])
    assert [one.name for one in events] == ["before", "after"]
    (refused,) = ack["refused"]
    assert (refused["index"], refused["field"]) == (1, field)
    assert reason in refused["reason"]


@pytest.mark.parametrize("name", sorted(NAMES_OF_DEVICES))
def test_a_device_says_of_itself_what_only_it_knows(name: str) -> None:
    events, _ = read({"name": name, "data": "true"})
    assert [event.name for event in events] == [name]


@pytest.mark.parametrize("name", ["spark/status", "particle/x", "SPARK/status", "Particle/"])
def test_the_clouds_own_names_are_the_clouds(name: str) -> None:
    events, ack = read([{"name": name, "id": "e1"}, {"name": "mine"}])
    assert [event.name for event in events] == ["mine"]
    (refused,) = ack["refused"]
    assert (refused["index"], refused["id"], refused["field"]) == (0, "e1", "name")
    assert refused["reason"] == "names that start with spark/ and particle/ are the cloud's"


def test_names_that_only_look_alike_are_anybodys() -> None:
    events, _ = read([{"name": "sparkle"}, {"name": "spark"}, {"name": "my/spark/status"}])
    assert len(events) == 3


def test_what_is_one_too_many_is_named_among_the_refused() -> None:
    found = read_message(b'[{"name":"a","id":"1"},{},{"name":"b","id":"2"},{"name":"c","id":"3"}]')
    ack = json.loads(found.ack(1, "too often"))
    assert (ack["stored"], ack["ids"]) == (1, ["1"])
    told = [(one["index"], one["id"], one["reason"]) for one in ack["refused"]]
    assert told == [(1, "", "is required"), (2, "2", "too often"), (3, "3", "too often")]


def test_a_refused_event_is_named_by_its_id() -> None:
    _, ack = read([{"id": "mine"}])
    assert ack["refused"][0]["id"] == "mine"


def test_data_may_be_as_long_as_the_limit() -> None:
    events, _ = read({"name": "a" * 64, "data": "ü" * 512, "ttl": 16_777_215})
    assert len(events) == 1


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"", "truncated"),
        (b"{", "truncated"),
        (b"\xff", "malformed"),
        (b'{"name": "\xff"}', "UTF-8"),
        (b"[" * 100_000, "deeply"),
        (b'"' + b"x" * 131_072 + b'"', "131072 is the limit"),
        ([{"name": "a"}] * 101, "100 is the limit"),
    ],
)
def test_a_message_that_cannot_be_read_is_refused_whole(message: Any, reason: str) -> None:
    events, ack = read(message)
    assert events == []
    (refused,) = ack["refused"]
    assert refused["index"] == -1
    assert reason in refused["reason"]


def test_only_vitals_may_say_more() -> None:
    longest = "v" * VITALS_BYTES_MAX
    events, _ = read({"name": VITALS, "data": longest})
    assert events == [DeviceEvent(VITALS, longest)]
    for name, data in [(VITALS, longest + "v"), ("vitals", longest)]:
        events, ack = read({"name": name, "data": data})
        assert events == []
        assert ack["refused"][0]["field"] == "data"


TEXTS = st.text(max_size=70) | st.sampled_from(
    [
        "a",
        "a\0b",
        "n" * 64,
        "n" * 65,
        "x" * 1024,
        "ü" * 513,
        "spark/a",
        "Particle/",
        *NAMES_OF_DEVICES,
    ]
)
ODD = st.none() | st.integers(-1, 2**25) | st.booleans() | TEXTS
MESSAGES = st.lists(
    st.fixed_dictionaries({"name": TEXTS}, optional={"data": TEXTS, "ttl": ODD, "id": TEXTS})
    | st.dictionaries(st.sampled_from(["name", "data", "ttl", "id", "x"]), ODD),
    max_size=4,
)


@given(message=MESSAGES | MESSAGES.map(lambda events: events[0] if events else {}))
def test_a_message_that_is_read_quickly_is_read_as_any_other(message: Any) -> None:
    payload = json.dumps(message).encode()
    quickly, slowly = read_plainly(payload), read_one_by_one(payload)
    assert (quickly is not None) == (not slowly.refused)
    if quickly is not None:
        assert [*map(asdict, quickly.events)] == [*map(asdict, slowly.events)]
        assert quickly.ack(1, "later") == slowly.ack(1, "later")


@pytest.mark.parametrize(
    "payload",
    [
        b"[" * 100_000,
        b'{"name": "\xff"}',
        json.dumps([{"name": "a"}] * (EVENTS_MAX + 1)).encode(),
        b'{"name": "a", "x": "' + b"x" * MESSAGE_BYTES_MAX + b'"}',
    ],
)
def test_a_message_that_cannot_be_taken_is_never_read_quickly(payload: bytes) -> None:
    assert read_plainly(payload) is None
