"""What a delivery says back to devices."""

import base64
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.published import CLOUDS_NAME_CHARACTERS_MAX, NAME_CHARACTERS_MAX
from projections.integrations.response import (
    CHUNK_BYTES,
    RESPONSE_BYTES_MAX,
    Answer,
    Said,
    answered,
    chunks,
    failed,
    sent,
)
from projections.integrations.settings import NatsSettings, WebhookSettings
from tests.projections.integrations.events import DEVICE, IN_PRODUCT, IN_SANDBOX, device_event

URL = "https://receiver.example/in"
OK = Answer(b"OK", "text/plain")


def settings(**more: Any) -> WebhookSettings:
    return WebhookSettings(url=URL, **more)


def only(said: Any) -> Said:
    (one,) = said
    assert isinstance(one, Said)
    return one


def test_that_it_goes_out_is_said() -> None:
    assert sent(device_event(name="temp/in")) == Said("hook-sent/temp/in", "")


def test_an_answer_comes_back_under_the_name_of_the_event() -> None:
    said = answered(settings(), device_event(name="temp/in"), IN_SANDBOX, OK)
    assert said == [Said("hook-response/temp/in/0", "OK")]


def test_in_a_product_under_that_of_the_device_too() -> None:
    said = answered(settings(), device_event(), IN_PRODUCT, OK)
    assert said == [Said(f"{DEVICE}/hook-response/temp/0", "OK")]


def test_or_under_another_name() -> None:
    wanted = settings(response_topic="{{PARTICLE_DEVICE_ID}}/{{kind}}")
    said = answered(wanted, device_event('{"kind": "warm"}'), IN_PRODUCT, OK)
    assert said == [Said(f"{DEVICE}/warm/0", "OK")]


@pytest.mark.parametrize("name", ["spark/status", "particle/x", "{{nothing}}", "a\nb"])
def test_nobody_speaks_as_the_cloud_itself(name: str) -> None:
    said = answered(settings(response_topic=name), device_event(), IN_SANDBOX, OK)
    assert said == [Said("hook-response/temp/0", "OK")]
    assert failed(settings(error_topic=name), device_event(), IN_SANDBOX, "no").name == (
        "hook-error/temp/0"
    )


def test_a_name_is_no_longer_than_a_name_may_be() -> None:
    event = device_event(name="x" * NAME_CHARACTERS_MAX)
    big = Answer(b"x" * RESPONSE_BYTES_MAX)
    names = [sent(event).name, failed(settings(), event, IN_PRODUCT, "no").name]
    names += [said.name for said in answered(settings(), event, IN_PRODUCT, big)]
    assert len(set(names)) == 2 + RESPONSE_BYTES_MAX // CHUNK_BYTES
    assert all("x" * NAME_CHARACTERS_MAX in name for name in names)
    assert max(map(len, names)) <= CLOUDS_NAME_CHARACTERS_MAX


def test_a_long_answer_comes_in_chunks() -> None:
    text = "0123456789" * 110
    said = answered(settings(), device_event(), IN_SANDBOX, Answer(text.encode()))
    assert [len(one.data) for one in said] == [512, 512, 76]
    assert [one.name for one in said] == [f"hook-response/temp/{number}" for number in range(3)]
    assert "".join(one.data for one in said) == text


def test_of_one_that_never_ends_the_beginning() -> None:
    said = answered(settings(), device_event(), IN_SANDBOX, Answer(b"x" * 10 * RESPONSE_BYTES_MAX))
    assert sum(len(one.data) for one in said) == RESPONSE_BYTES_MAX


@given(st.text(max_size=2_000))
def test_no_character_is_in_two_chunks(text: str) -> None:
    pieces = list(chunks(text))
    assert "".join(pieces) == text
    assert all(0 < len(piece.encode()) <= CHUNK_BYTES for piece in pieces)
    # As few as can be: what begins the next did not fit.
    for one, following in pairwise(pieces):
        assert len((one + following[0]).encode()) > CHUNK_BYTES


@given(st.integers(0, 8))
def test_nor_cut_where_the_whole_is(before: int) -> None:
    text = "a" * (RESPONSE_BYTES_MAX - before) + "😀" * 3
    joined = "".join(chunks(text))
    assert text.startswith(joined)
    assert len(joined.encode()) > RESPONSE_BYTES_MAX - 4


def test_who_wants_it_gets_the_answer_in_one() -> None:
    big = Answer(b"x" * 5_000)
    assert only(answered(settings(unchunked=True), device_event(), IN_SANDBOX, big)) == (
        Said("hook-response/temp", "x" * 5_000)
    )


@pytest.mark.parametrize("more", [{}, {"unchunked": True}, {"data_url": True}])
def test_an_empty_answer_says_nothing(more: dict[str, Any]) -> None:
    assert list(answered(settings(**more), device_event(), IN_SANDBOX, Answer())) == []


def test_an_answer_that_is_no_text_is_told_as_far_as_it_is_one() -> None:
    said = answered(settings(), device_event(), IN_SANDBOX, Answer(b"a\xff\x00b"))
    assert only(said).data == "a\ufffd\ufffdb"


def test_or_as_a_data_url() -> None:
    answer = Answer(b"\x00\xff", "image/png")
    said = only(answered(settings(data_url=True), device_event(), IN_SANDBOX, answer))
    assert said.data == "data:image/png;base64," + base64.b64encode(b"\x00\xff").decode()


@pytest.mark.parametrize(
    ("template", "data"),
    [
        ("{{main.temp}} {{weather.0.main}} {{PARTICLE_EVENT_NAME}}", "21.5 Rain temp"),
        ({"t": "{{main.temp}}", "n": 1}, '{"t":"21.5","n":1}'),
    ],
)
def test_an_answer_is_cut_to_what_is_wanted_of_it(template: Any, data: str) -> None:
    answer = Answer(b'{"main": {"temp": 21.5}, "weather": [{"main": "Rain"}]}')
    said = answered(settings(response_template=template), device_event(), IN_SANDBOX, answer)
    assert only(said).data == data


def test_a_template_for_answers_that_takes_too_long_says_so() -> None:
    answer = Answer(b'{"a": [' + b"0," * 400 + b"0]}")
    wanted = settings(response_template="{{#a}}" * 3 + "{{/a}}" * 3)
    assert "repeat too often" in only(answered(wanted, device_event(), IN_SANDBOX, answer)).data


def test_a_failure_is_said_in_words() -> None:
    said = failed(settings(), device_event(), IN_PRODUCT, "error status 404 from host")
    assert said == Said("hook-error/temp/0", "error status 404 from host")
    wanted = settings(error_topic="{{PARTICLE_DEVICE_ID}}/wrong")
    assert failed(wanted, device_event(), IN_PRODUCT, "x" * 600) == (
        Said(f"{DEVICE}/wrong/0", "x" * CHUNK_BYTES)
    )


def test_nats_answers_nothing_and_fails_in_words() -> None:
    nats = NatsSettings(subject="t", error_topic="wrong")
    assert list(answered(nats, device_event(), IN_SANDBOX, OK)) == []
    assert failed(nats, device_event(), IN_SANDBOX, "no") == Said("wrong/0", "no")
