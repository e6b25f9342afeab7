"""docs/device-protocol.md keeps its word: every example on it is tried, every limit is ours."""

import json
import re
import struct
from pathlib import Path
from typing import Any

import msgspec
import pytest

from api.calls.asked import REASON_CHARACTERS_MAX as REASON_CHARACTERS_MAX_ASKED
from api.calls.functions import ARGUMENT_BYTES_MAX, RESERVED
from api.calls.link import ANSWER_BYTES_MAX, ANSWER_TIMEOUT_S
from api.calls.pings import PING_TIMEOUT_S
from device_edge import credentials, messages
from device_edge.__main__ import MESSAGES_PER_S_MAX
from device_edge.callout import FAILURES_MAX
from device_edge.chunks import HEADER
from device_edge.edge import CHUNKS_PER_S_MAX, WINDOW_S, Settings
from device_edge.handshakes import decode_beside, decode_hello
from device_edge.intake import device_event
from device_edge.intake.allowance import AT_ONCE, EVENTS_PER_S_DEFAULT, Allowance
from device_edge.intake.device_event import Ack, read_message
from domain import published
from domain.description import (
    FUNCTIONS_MAX,
    NUMBER_CHARACTERS_MAX,
    SUBSCRIPTIONS_MAX,
    VARIABLES_MAX,
    VariableType,
)
from domain.hello import Told
from domain.names import FIRMWARE_BYTES_MAX, REASON_CHARACTERS_MAX
from domain.product import FAILED_ATTEMPTS_DEFAULT
from domain.published import NAMES_OF_DEVICES
from domain.session import Progress
from domain.targeting import Rule
from projections.device_events.subscriptions import AGE_MAX, DEVICES_MAX, Heard
from tests.device_edge.world import PRODUCT, Announcer, device, device_id
from tests.servers import NatsServer

PAGE = (Path(__file__).parents[2] / "docs" / "device-protocol.md").read_text()
EXAMPLES = re.findall(r"```json ([a-z-]+)\n(.*?)```", PAGE, re.DOTALL)
KINDS = {
    "token",
    "refusal",
    "hello",
    "answer",
    "again",
    "update",
    "update-ack",
    "chunk",
    "flash",
    "events",
    "events-ack",
    "event",
    "call",
    "read",
    "ping",
    "signal",
    "vitals",
    "value",
}


def examples(kind: str) -> list[Any]:
    return [json.loads(text) for known, text in EXAMPLES if known == kind]


def strictly(shape: Any, example: Any) -> Any:
    """The example as that shape, and nothing in it that the shape does not have."""
    found = msgspec.convert(example, shape)
    assert {*example} <= {*shape.__struct_encode_fields__}
    return found


def test_every_example_is_of_a_kind_that_is_tried() -> None:
    assert {kind for kind, _ in EXAMPLES} == KINDS
    assert PAGE.count("```json") == len(EXAMPLES)


def test_the_token_is_made_as_it_says() -> None:
    (example,) = examples("token")
    secret = bytes.fromhex(example["secret"])
    token = credentials.token_of(secret, example["device_id"], example["unix_time"])
    assert token == example["token"]
    assert f"{credentials.TOKEN_SKEW_S_MAX} seconds" in PAGE
    assert FAILURES_MAX == 10


def test_what_a_device_sends_is_understood() -> None:
    for example in examples("hello"):
        payload = json.dumps(example).encode()
        decode_hello(payload)
        decode_beside(payload)
        known = {
            *messages.Beside.__struct_fields__,
            *type(decode_hello(payload)).__struct_fields__,
        }
        assert {*example} <= known
    for example in examples("update"):
        strictly(messages.ProgressReport, example)
    for example in examples("chunk"):
        strictly(messages.ChunkAsked, example)
    for example in examples("events"):
        found = read_message(json.dumps(example).encode())
        assert found.events
        assert found.refused == ()


def test_what_a_device_hears_is_what_we_say() -> None:
    for example in examples("answer"):
        strictly(messages.HelloAnswer, example)
    for what in ("call", "read", "ping", "signal", "vitals"):
        # That these are what is sent, and the values understood, the tests of calls show.
        assert [example["id"] for example in examples(what)]
    for example in examples("update-ack"):
        strictly(messages.ProgressAck, example)
    for example in examples("event"):
        strictly(Heard, example)
    for example in examples("refusal"):
        strictly(messages.Refusal, example)
    for example in examples("events-ack"):
        strictly(Ack, example)
        for refused in example["refused"]:
            strictly(device_event.RefusedEvent, refused)


def test_the_refusals_shown_are_the_ones_given() -> None:
    malformed, _ = examples("refusal")
    with pytest.raises(messages.Malformed) as raised:
        messages.read(decode_hello, b'{"version": "2"}')
    assert json.loads(messages.refusal("hello", raised.value)) == malformed
    _, invalid, too_often = examples("events-ack")
    found = read_message(b'[{"name": "a"}, {"id": "e5"}]')
    assert json.loads(found.ack(1))["refused"] == invalid["refused"]
    found = read_message(b'[{"name": "a", "id": "e6"}, {"name": "b", "id": "e7"}]')
    refusal = Allowance(EVENTS_PER_S_DEFAULT).refusal
    assert json.loads(found.ack(1, refusal)) == too_often


@pytest.mark.parametrize(
    "word", [*Told, *Progress, *Rule, *VariableType, *sorted(RESERVED | NAMES_OF_DEVICES)]
)
def test_every_word_we_may_say_is_explained(word: str) -> None:
    assert f"`{word}`" in PAGE


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (messages.MESSAGE_BYTES_MAX, "message, other than device events | {} bytes"),
        (messages.CHUNK_BYTES_MAX, "chunk | {} bytes"),
        (CHUNKS_PER_S_MAX, "{} a second"),
        (int(MESSAGES_PER_S_MAX), "{} a second, over 10 seconds"),
        (device_event.EVENTS_MAX, "device events in a message | {}"),
        (device_event.MESSAGE_BYTES_MAX, "{} bytes"),
        (published.DATA_BYTES_MAX, "at most {} bytes in UTF-8"),
        (published.NAME_CHARACTERS_MAX, "1 to {} characters"),
        (published.TTL_S_MAX, "0 to {}"),
        (published.TTL_S_DEFAULT, "{} if left out"),
        (REASON_CHARACTERS_MAX, "at most {} characters"),
        (FAILED_ATTEMPTS_DEFAULT, "({} times"),
        (FIRMWARE_BYTES_MAX >> 20, "{} MiB"),
        (FUNCTIONS_MAX, "at most {} names"),
        (SUBSCRIPTIONS_MAX, "at most {} beginnings of names of device events"),
        (SUBSCRIPTIONS_MAX, "subscriptions | {}"),
        (round(EVENTS_PER_S_DEFAULT), "device events of one device | {} a second, 100 at once"),
        (round(EVENTS_PER_S_DEFAULT), "{} events a second in the long run"),
        (AT_ONCE, "up to {} at once after a pause"),
        (DEVICES_MAX, "reaches {} devices at most"),
        (round(AGE_MAX.total_seconds()), "older than {} seconds does not come"),
        (VARIABLES_MAX, "at most {} names, each with its type"),
        (NUMBER_CHARACTERS_MAX, "`iccid` | at most {} characters each"),
        (ARGUMENT_BYTES_MAX, "`arg`, at most {} bytes"),
        (ANSWER_BYTES_MAX, "with at most {} bytes; a device that speaks NATS may"),
        (round(ANSWER_TIMEOUT_S), "once, within {} seconds"),
        (round(PING_TIMEOUT_S), "no longer than {} seconds"),
        (REASON_CHARACTERS_MAX_ASKED, "say why, in at most {} characters"),
        (published.VITALS_BYTES_MAX, "whose data may have {} bytes"),
    ],
)
def test_every_limit_is_the_one_kept(number: int, said: str) -> None:
    assert said.format(number) in " ".join(PAGE.split())
    assert WINDOW_S == 10


def test_the_head_of_a_chunk_is_laid_out_as_it_says() -> None:
    assert HEADER.size == 16
    packed = HEADER.pack(1, 0x01020304, bytes(range(8)))
    assert packed == struct.pack(">B", 1) + bytes(3) + b"\1\2\3\4" + bytes(range(8))


@pytest.mark.asyncio
async def test_the_examples_are_answered_by_an_edge(
    edge: Settings, clean_nats: NatsServer, facts: Announcer
) -> None:
    """The page's own story: its hello, by a member of group beta, gets its answer."""
    told = examples("answer")[0]
    await facts.firmware(3, told["sha256"], told["size_bytes"])
    member = {"product_id": PRODUCT, "groups": ("beta",)}
    await facts.device(device_id(1), **member)
    await facts.product(groups={"beta": 3})
    await facts.head(told["position"])
    async with device(clean_nats, device_id(1)) as ours:
        hello = {**examples("hello")[0], "at_least": told["position"]}
        answer = await ours.ask("hello", hello)
        assert answer == {**told, "url": f"{edge.http_url}/firmware/{told['sha256']}"}
        for report in examples("update"):
            ack = await ours.ask("update", report, "ack")
            assert (ack["version"], ack["state"]) == (report["version"], report["state"])
        refusal = json.loads(await chunk_answer(ours))
        assert refusal["about"] == "chunk"


async def chunk_answer(ours: Any) -> bytes:
    await ours.publish("chunk", examples("chunk")[0])
    answer: bytes = await ours.heard("chunk")
    return answer
