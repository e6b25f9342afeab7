"""What a device that says hello is answered, by the facts its edge knows."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from nats.aio.client import Client

from device_edge.edge import Settings
from tests.device_edge import world
from tests.device_edge.world import PRODUCT, Announcer, Device, device, device_id, journal
from tests.servers import NatsServer

pytestmark = pytest.mark.asyncio
ONE, TWO = device_id(1), device_id(2)
SHA256 = "ab" * 32
MEMBER = {"product_id": PRODUCT}
OPEN = {"default": 3, "auto_approves": True}


async def told(
    facts: Announcer,
    server: NatsServer,
    member: dict[str, Any] | None,
    product: dict[str, Any],
    **said: Any,
) -> Any:
    """What a device running version 2 is told, given what is known of it and its product."""
    position = await facts.announce({} if member is None else {ONE: member}, product)
    async with device(server, ONE) as ours:
        return await ours.hello(**{"product_id": PRODUCT, "version": 2, **said}, at_least=position)


async def test_an_update_says_what_it_is_and_where_it_is_found(
    edge: Settings, clean_nats: NatsServer, facts: Announcer
) -> None:
    await facts.firmware(3, SHA256, 4096)
    assert await told(facts, clean_nats, MEMBER, {"default": 3}, id="h1") == {
        "told": "update",
        "rule": "default",
        "position": 2,
        "version": 3,
        "product_id": PRODUCT,
        "id": "h1",
        "sha256": SHA256,
        "size_bytes": 4096,
        "url": f"{edge.http_url}/firmware/{SHA256}",
        "chunk_bytes": 32768,
    }


CASES: dict[str, tuple[dict[str, Any] | None, dict[str, Any], dict[str, Any], tuple[Any, ...]]] = {
    "on target": (MEMBER, {"default": 2}, {}, ("nothing", "default", 2)),
    "no release": (MEMBER, {}, {}, ("nothing", "none", None)),
    "lower target": (MEMBER, {"default": 1}, {}, ("update", "default", 1)),
    "locked": ({**MEMBER, "locked_version": 1}, {"default": 3}, {}, ("update", "locked", 1)),
    "group": (
        {**MEMBER, "groups": ("beta", "home")},
        {"default": 5, "groups": {"beta": 3, "home": 4}},
        {},
        ("update", "group", 4),
    ),
    "development": (
        {**MEMBER, "development": True},
        {"default": 3},
        {},
        ("nothing", "development", None),
    ),
    "pending": (
        MEMBER,
        {"default": 3},
        {"updates_enabled": False},
        ("pending", "default", 3),
    ),
    "forced": (
        {**MEMBER, "forced": True},
        {"default": 3},
        {"updates_enabled": False},
        ("update", "default", 3),
    ),
    "stuck": ({**MEMBER, "stuck_version": 3}, {"default": 3}, {}, ("stuck", "default", 3)),
    "stuck at another version": (
        {**MEMBER, "stuck_version": 3},
        {"default": 4},
        {},
        ("update", "default", 4),
    ),
    "quarantined": (
        {**MEMBER, "standing": "quarantined"},
        {"default": 3},
        {},
        ("quarantined", "quarantined", None),
    ),
    "denied": ({**MEMBER, "standing": "denied"}, {"default": 3}, {}, ("denied", "denied", None)),
    "removed": ({"removed_from": (PRODUCT,)}, {"default": 3}, {}, ("denied", "denied", None)),
    "stranger": (None, {"default": 3}, {}, ("quarantined", "quarantined", None)),
    "joins": (None, OPEN, {}, ("update", "default", 3)),
    "somebody's": ({"owned": True}, OPEN, {}, ("quarantined", "quarantined", None)),
    "somebody's, and a member": ({**MEMBER, "owned": True}, OPEN, {}, ("update", "default", 3)),
    "retired product": (MEMBER, {"retired": True}, {}, ("unknown", "none", None)),
    "other platform": (None, {"platform_id": 6}, {"platform_id": 8}, ("unknown", "none", None)),
    "unheard-of product": (None, {}, {"product_id": 777}, ("unknown", "none", None)),
    "asks for none": (None, {}, {"product_id": 65535}, ("unknown", "none", None)),
}


@pytest.mark.parametrize("case", CASES)
async def test_the_answer_follows_the_rule(
    edge: Settings, clean_nats: NatsServer, facts: Announcer, case: str
) -> None:
    member, product, said, expected = CASES[case]
    answer = await told(facts, clean_nats, member, product, **said)
    assert (answer["told"], answer["rule"], answer.get("version")) == expected


async def test_an_update_whose_bytes_are_not_known_comes_without_them(
    edge: Settings, clean_nats: NatsServer, facts: Announcer
) -> None:
    answer = await told(facts, clean_nats, MEMBER, {"default": 3})
    assert (answer["told"], answer["version"]) == ("update", 3)
    assert "sha256" not in answer
    assert "url" not in answer


async def test_the_decision_is_in_the_journal_when_the_answer_comes(
    edge: Settings, clean_nats: NatsServer, facts: Announcer, connection: Client
) -> None:
    await told(facts, clean_nats, MEMBER, {"default": 3, "attempts_max": 7}, system_version="3.3.1")
    (report,) = await journal(connection)
    assert report.pop("at").endswith("+00:00")
    assert report == {
        "report": "handshake",
        "device_id": ONE,
        "said": {"product_id": PRODUCT, "version": 2, "system_version": "3.3.1"},
        "told": {"told": "update", "rule": "default", "version": 3, "product_id": PRODUCT},
        "based_on": 2,
        "running": 2,
        "attempts_max": 7,
        "edge": edge.name,
        "connection": "",
    }


async def test_a_stranger_that_joins_is_on_record_as_such(
    edge: Settings, clean_nats: NatsServer, facts: Announcer, connection: Client
) -> None:
    await told(facts, clean_nats, None, {"auto_approves": True})
    assert (await journal(connection))[0]["told"]["joins"] is True


MALFORMED: dict[str, tuple[bytes, str, str]] = {
    "no JSON": (b"hello", "", "malformed"),
    "nothing": (b"", "", "truncated"),
    "array": (b"[]", "", "Expected `object`"),
    "text for a number": (b'{"version": "2"}', "version", "Expected `int | null`"),
    "too large a number": (b'{"product_id": 65536}', "product_id", "<= 65535"),
    "too long a text": (b'{"app_hash": "' + b"x" * 65 + b'"}', "app_hash", "length <= 64"),
    "NUL": (b'{"app_hash": "\\u0000"}', "app_hash", "regex"),
    "a bad correlation": (b'{"id": 5}', "id", "Expected `str`"),
    "a bad position": (b'{"at_least": -1}', "at_least", ">= 0"),
    "not UTF-8": (b'{"app_hash": "\xff"}', "", "UTF-8"),
    "deeply nested": (b'{"x": ' + b"[" * 4000, "", "deeply"),
    "too large": (b'{"x": "' + b"x" * 4096 + b'"}', "", "4096 is the limit"),
}


@pytest.mark.parametrize("case", MALFORMED)
async def test_a_malformed_hello_is_told_field_and_reason_and_leaves_no_trace(
    edge: Settings, clean_nats: NatsServer, connection: Client, case: str
) -> None:
    payload, field, reason = MALFORMED[case]
    async with device(clean_nats, ONE) as ours:
        refusal = await ours.ask("hello", payload)
        assert (refusal["error"], refusal["field"]) == ("malformed", field)
        assert reason in refusal["reason"]
        assert await journal(connection) == []
        assert (await ours.hello(product_id=PRODUCT))["told"] == "quarantined"


async def test_members_that_are_not_known_are_ignored(
    edge: Settings, clean_nats: NatsServer
) -> None:
    async with device(clean_nats, ONE) as ours:
        assert (await ours.hello(product_id=PRODUCT, colour="red"))["told"] == "quarantined"


async def test_a_hello_may_wait_for_a_position(
    edge: Settings, clean_nats: NatsServer, facts: Announcer
) -> None:
    await facts.announce({ONE: MEMBER})
    async with device(clean_nats, ONE) as ours, device(clean_nats, TWO) as other:
        await ours.publish("hello", {"product_id": PRODUCT, "at_least": 3, "id": "waits"})
        # An edge takes hellos in their order: when this is answered, ours was held back.
        assert (await other.hello(product_id=PRODUCT))["position"] == 2
        await facts.announce(product={"default": 3})
        assert (await answer_of(ours))["version"] == 3


async def answer_of(ours: Device) -> Any:
    return json.loads(await ours.heard("hello"))


async def test_a_hello_that_waits_for_what_never_comes_is_answered_anyhow(
    edge: Settings, clean_nats: NatsServer
) -> None:
    async with device(clean_nats, ONE) as ours:
        answer = await ours.hello(product_id=PRODUCT, at_least=1_000_000)
    assert answer["position"] == 1


async def test_a_device_that_says_too_much_is_not_answered(
    clean_nats: NatsServer, facts: Announcer, tmp_path: Path
) -> None:
    await facts.announce(product={})
    settings = world.settings_of(clean_nats, tmp_path, messages_per_s_max=0.3)
    async with world.edge(settings), device(clean_nats, ONE) as ours:
        for _ in range(3):
            await ours.hello(product_id=PRODUCT)
        for _ in range(5):
            await ours.publish("hello", {"product_id": PRODUCT})
        async with device(clean_nats, TWO) as other:
            await other.hello(product_id=PRODUCT)
        assert [report["device_id"] for report in await journal(facts.connection)] == [
            *[ONE] * 3,
            TWO,
        ]


async def test_what_a_device_has_is_reported_beside_its_handshake(
    edge: Settings, clean_nats: NatsServer, connection: Client
) -> None:
    has = {
        "functions": ["blink"],
        "variables": {"count": "int32"},
        "serial_number": "S1",
        "subscriptions": ["weather/"],
    }
    async with device(clean_nats, ONE) as ours:
        told = await ours.hello(product_id=PRODUCT, version=2, id="h1", **has)
    handshake, description = await journal(connection)
    assert told["id"] == "h1"
    assert (handshake["report"], description["report"]) == ("handshake", "description")
    assert (description["device_id"], description["has"]) == (ONE, has)
    assert description["at"] == handshake["at"]
    assert "functions" not in handshake["said"]


@pytest.mark.parametrize("subscriptions", [["a"] * 17, [""], ["x" * 65], "a"])
async def test_subscriptions_beyond_their_bounds_are_refused(
    edge: Settings, clean_nats: NatsServer, connection: Client, subscriptions: Any
) -> None:
    async with device(clean_nats, ONE) as ours:
        told = await ours.hello(product_id=PRODUCT, subscriptions=subscriptions)
    assert told["error"] == "malformed"
    assert told["field"].startswith("subscriptions")
    assert await journal(connection) == []


@pytest.mark.parametrize("has", [{"functions": []}, {"imei": ""}, {"subscriptions": []}])
async def test_a_device_may_say_that_it_has_nothing(
    edge: Settings, clean_nats: NatsServer, connection: Client, has: dict[str, Any]
) -> None:
    async with device(clean_nats, ONE) as ours:
        await ours.hello(product_id=PRODUCT, **has)
    assert (await journal(connection))[1]["has"] == {}


async def test_a_hello_that_does_not_speak_of_it_is_a_handshake_and_nothing_else(
    edge: Settings, clean_nats: NatsServer, connection: Client
) -> None:
    async with device(clean_nats, ONE) as ours:
        await ours.hello(product_id=PRODUCT, version=2)
    (handshake,) = await journal(connection)
    assert handshake["report"] == "handshake"


async def test_a_description_that_cannot_be_is_refused_and_named(
    edge: Settings, clean_nats: NatsServer, connection: Client
) -> None:
    async with device(clean_nats, ONE) as ours:
        told = await ours.hello(product_id=PRODUCT, variables={"a": "float"})
    assert (told["error"], told["about"]) == ("malformed", "hello")
    assert told["field"].startswith("variables")
    assert await journal(connection) == []


CLAIM_CODE = "hQ0wz0mB1bXc5b5Bq4fH2l3jY8nKpR7sT6uV9xWyZ-A_aBcDeFgHiJkLmNoPqRs"


async def test_a_claim_code_is_reported_by_its_hash_and_goes_no_further_itself(
    edge: Settings,
    clean_nats: NatsServer,
    connection: Client,
    facts: Announcer,
    capfd: pytest.CaptureFixture[str],
) -> None:
    shown, plain = {"claim_code": CLAIM_CODE}, {"product_id": PRODUCT, "version": 2}
    await facts.announce(product={})
    async with device(clean_nats, ONE) as ours:
        with_it = await ours.hello(**plain, **shown)
        without = await ours.hello(**plain)
        refused = await ours.hello(**plain, **shown, updates_enabled="maybe")
    first, second = await journal(connection)
    assert first["said"] == {**plain, "claim_code": sha256(CLAIM_CODE.encode()).hexdigest()}
    assert second["said"] == plain
    assert with_it == without
    stored = [await connection.jetstream().get_msg("JOURNAL", sequence) for sequence in (1, 2)]
    everything = [*(message.data for message in stored), json.dumps([with_it, refused]).encode()]
    assert CLAIM_CODE.encode() not in b"".join(filter(None, everything))
    assert CLAIM_CODE not in "".join(capfd.readouterr())


async def test_who_shows_the_hash_of_a_code_shows_another_one(
    edge: Settings, clean_nats: NatsServer, connection: Client
) -> None:
    code_hash = sha256(CLAIM_CODE.encode()).hexdigest()
    async with device(clean_nats, ONE) as ours:
        await ours.hello(claim_code=code_hash)
    (report,) = await journal(connection)
    assert report["said"] == {"claim_code": sha256(code_hash.encode()).hexdigest()}
