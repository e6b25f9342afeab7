"""What devices may publish, and what they are told of the rest."""

import json
from typing import Any

import pytest

from device_edge.intake.device_event import read_message
from domain.published import VITALS, VITALS_BYTES_MAX, DeviceEvent


def read(message: Any) -> tuple[list[DeviceEvent], Any]:
    payload = message if isinstance(message, bytes) else json.dumps(message).encode()
    events, ack = read_message(payload)
    return events, json.loads(ack)


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
    events, _ = read_message(json.dumps({"name": VITALS, "data": longest}).encode())
    assert events == [DeviceEvent(VITALS, longest)]
    for name, data in [(VITALS, longest + "v"), ("vitals", longest)]:
        events, ack = read_message(json.dumps({"name": name, "data": data}).encode())
        assert events == []
        assert json.loads(ack)["refused"][0]["field"] == "data"
