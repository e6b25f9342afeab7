"""Bodies that were not meant for us: fields that nobody may set, broken ones, too large ones."""

import json
import secrets
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec
import psycopg
import pytest

from api.body import SMALL_BYTES_MAX
from api.fields import spellings, understood
from api.realms import Realm
from api.routing import ANONYMOUS, Route
from domain.log.fleet import Fleet
from domain.ownership import ClaimDevice
from tests.api.bodies import WITH_A_FILE, body_for
from tests.api.companies import Company, company
from tests.api.routes import BY_LINE, address, line
from tests.api.serving import TOKEN, Served
from tests.api.teams import Around, Somebody
from tests.people import people

SENTINEL = "e" * 24
FOREIGN_PRODUCT = 64_001
# What commands, events and tables have, and no caller may say.
SMUGGLED: dict[str, Any] = {
    **dict.fromkeys(("user_id", "owner_id", "team", "organization_id", "api_user_id"), SENTINEL),
    **dict.fromkeys(("token_id", "transfer_id", "offered_to", "before", "group", "_id"), SENTINEL),
    **dict.fromkeys(("customer_id", "activation_id", "used_by", "holder"), SENTINEL),
    **dict.fromkeys(("integration_id", "kind", "settings", "secret", "former_secret"), SENTINEL),
    **dict.fromkeys(("client_id", "person_id", "stream", "actor", "command", "by"), SENTINEL),
    **dict.fromkeys(("token_hash", "secret_hash", "password_hash", "sha256"), SENTINEL + SENTINEL),
    **dict.fromkeys(("slug", "key", "uploaded_by", "proven_by", "email", "origin"), SENTINEL),
    "owner": f"user:{SENTINEL}",
    "owner_outside": SENTINEL,
    "role": "Owner",
    "scopes": ["*"],
    "scopes_held": ["*"],
    "administrator": True,
    "product_id": FOREIGN_PRODUCT,
    "device_id": SENTINEL,
    "standing": "member",
    "expires_at": "2199-01-01T00:00:00.000Z",
    "seats_max": 1_000_000,
    **dict.fromkeys(("is_member", "reachable", "released", "proven", "approve"), True),
    **dict.fromkeys(
        ("slug_taken", "username_taken", "email_taken", "retired", "removed", "erased"), False
    ),
    "names_taken": [],
    "devices": 0,
}
TAKING = [line(route) for route in BY_LINE.values() if route.takes_body]
READING = [name for name in TAKING if "body" in BY_LINE[name].hints]
# These can end the token that they are called with, and all others of its owner.
ENDING = {"DELETE /v1/access_tokens", "DELETE /v1/access_tokens/current", "PUT /v1/user"}
# Deletions last: what they take away is needed before.
WRITING = sorted(set(READING) - WITH_A_FILE, key=lambda name: name.startswith("DELETE"))
SAID = "SELECT convert_from(state, 'UTF8') FROM log.fleet_events WHERE notification_id > %s"
HEAD = "SELECT coalesce(max(notification_id), 0) FROM log.fleet_events"


def smuggled(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """Everything that the body does not have, in one spelling or another."""
    known = spellings(kind)
    return {name: value for name, value in SMUGGLED.items() if name not in known}


@pytest.fixture(scope="module")
def victim(served: Served, fleet: Fleet) -> Iterator[Company]:
    with people(served.database) as those, ExitStack() as clients:
        yield company(Around(served, those, clients=clients), fleet)


@pytest.fixture(autouse=True)
def device(victim: Company) -> None:
    """A device that no earlier test took away."""
    device_id = victim.world.import_devices()[0]
    claim = ClaimDevice(device_id=device_id, user_id=victim.owner.user_id, reachable=True)
    victim.world.record(claim)
    victim.known["device"] = [device_id]


def caller(victim: Company, name: str) -> httpx.Client:
    """Who may: see `somebody`."""
    return victim.around.call(somebody(victim, name))


def somebody(victim: Company, name: str) -> Somebody | None:
    """The owner; an administrator, where nobody else may; somebody with tokens to lose, where the
    route ends them; else nobody."""
    if BY_LINE[name].scope == ANONYMOUS:
        return None
    if BY_LINE[name].over is Realm.INSTALLATION:
        return Somebody(TOKEN, "")
    return victim.around.user("loser") if name in ENDING else victim.owner


def at(victim: Company, route: Route) -> str:
    named = {part: known[0] for part, known in victim.known.items()}
    if route.scope == ANONYMOUS:
        named["token"] = "f" * 40
    return address(route.path, **named)


def stands(answer: httpx.Response) -> bool:
    """Whether the server is none the worse. Devices are out of reach here: no NATS is running."""
    return answer.status_code < 500 or "Devices cannot be reached" in answer.text


@pytest.mark.parametrize("name", READING)
def test_what_a_body_is_not_for_is_not_understood_of_it(name: str) -> None:
    kind = BY_LINE[name].hints["body"]
    sent = body_for(name) or {}
    if name in WITH_A_FILE:
        sent = {"version": 1, "title": "t"}
    meant = understood(kind, sent, lax=False)
    assert understood(kind, {**sent, **smuggled(kind)}, lax=False) == meant
    assert understood(kind, {**sent, **smuggled(kind)}, lax=True) == meant


def test_what_is_smuggled_in_reaches_no_event(victim: Company, served: Served) -> None:
    products = {victim.world.id}
    for name in WRITING:
        route = BY_LINE[name]
        body = {**(body_for(name) or {}), **smuggled(route.hints["body"])}
        client = caller(victim, name)
        with psycopg.connect(served.database) as log:
            head = log.execute(HEAD).fetchone()
        answer = client.request(route.method, at(victim, route), json=body)
        assert stands(answer), (name, answer.text)
        assert SENTINEL not in answer.text, name
        with psycopg.connect(served.database) as log:
            said = [text for (text,) in log.execute(SAID, head)]
        assert [text for text in said if SENTINEL in text] == [], name
        events = [json.loads(text)["event"] for text in said]
        assert not any(event.get("administrator") for event in events), name
        assert "Owner" not in {event.get("role") for event in events}, name
        if "platform_id" in body:
            products.add(answer.json()["product"]["id"])
        about = {event["product_id"] for event in events if event.get("product_id")}
        assert about <= products, name


BROKEN = {
    "application/json": [
        *(
            b"{",
            b"[]",
            b"null",
            b'"text"',
            b"3",
            b'{"a": NaN}',
            b'{"a": "\xff"}',
            b"\xef\xbb\xbf{}",
        ),
        *(b'{"a": "\\ud800"}', b"[" * 30_000, b'{"a":' * 10_000, b'{"a": 1e999}', b"\x00"),
        *(b'{"json": ' + b"[" * deep + b"]" * deep + b"}" for deep in (40, 400, 900)),
        *(b'{"id": 9999999999999999999999999999999999999999}', b'{"name": "\\u0000"}'),
    ],
    "application/x-www-form-urlencoded": [
        *(b"a=%ff", b"\xff=1", b"a[b]=1&a=2", b"a[b][c][d][e]=1", b"a=1&" * 15_000, b"name=%00"),
        *(b"=", b"&&&", b"name[]=1&name[a]=2", b"name=" + b"x" * 60_000),
    ],
    "multipart/form-data": [b"--x\r\n\r\n--x--\r\n"],
    "multipart/form-data; boundary=x": [
        *(b"", b"--x", b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n1", b"--y--\r\n"),
        b"--x\r\nContent-Disposition: form-data\r\n\r\n1\r\n--x--\r\n",
        b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\n\xff\r\n--x--\r\n',
        b"--x\r\n" + b"A: " + b"b" * 20_000 + b"\r\n\r\n1\r\n--x--\r\n",
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="\x00"\r\n\r\n\r\n--x--\r\n',
    ],
    "text/plain": [b"", b"\xff\xfe", b"\x00" * 100],
    "application/xml": [b"<a/>"],
    "application/json; charset=utf-16": ['{"name": "a"}'.encode("utf-16")],
}


@pytest.mark.parametrize("name", TAKING)
def test_no_broken_body_breaks_a_route(victim: Company, name: str) -> None:
    route, client = BY_LINE[name], caller(victim, name)
    for kind, contents in BROKEN.items():
        for content in contents:
            answer = client.request(
                route.method, at(victim, route), content=content, headers={"Content-Type": kind}
            )
            assert stands(answer), (kind, content[:40], answer.text)
            assert not answer.content or answer.json() is not None


@pytest.mark.parametrize("name", READING)
def test_no_field_of_a_wrong_kind_breaks_a_route(victim: Company, name: str) -> None:
    route = BY_LINE[name]
    client = caller(victim, name)
    wrong = (
        None,
        [],
        {},
        -1,
        1e308,
        True,
        "",
        "x" * 3_000,
        "\U0001f600",
        [[[]]],
        {"a": {}},
        2**63,
    )
    for field in msgspec.structs.fields(route.hints["body"]):
        for value in wrong:
            body = {**(body_for(name) or {}), field.encode_name: value}
            answer = client.request(route.method, at(victim, route), json=body)
            assert stands(answer), (field.name, value, answer.text)


@pytest.mark.parametrize("name", TAKING)
def test_no_route_reads_more_than_it_takes(victim: Company, name: str) -> None:
    """It is told by what the head declares, or by what comes, whichever is first."""
    route = BY_LINE[name]
    answer = declared(victim, name, route.bytes_max + 1)
    assert answer.startswith("HTTP/1.1 413 "), answer
    if route.bytes_max > SMALL_BYTES_MAX:
        return

    def pieces() -> Iterator[bytes]:
        for _ in range(route.bytes_max // 8_192 + 2):
            yield b" " * 8_192

    headers = {"Content-Type": "application/json"}
    sent = caller(victim, name).request(
        route.method, at(victim, route), content=pieces(), headers=headers
    )
    assert sent.status_code == 413
    assert sent.json()["details"] == {"limit_bytes": route.bytes_max}


def declared(victim: Company, name: str, size_bytes: int) -> str:
    """The first line of the answer to a head that announces so much; nothing follows it."""
    route, where = BY_LINE[name], urlsplit(victim.around.served.url)
    head = [
        f"{route.method} {at(victim, route)} HTTP/1.1",
        f"Host: {where.netloc}",
        "Content-Type: application/json",
        f"Content-Length: {size_bytes}",
    ]
    if known := somebody(victim, name):
        head.append(f"Authorization: Bearer {known.token}")
    with socket.create_connection((where.hostname, where.port), timeout=10) as connection:
        connection.sendall("\r\n".join([*head, "", ""]).encode())
        return connection.recv(64).decode().partition("\r\n")[0]


def test_a_header_is_no_way_in(victim: Company) -> None:
    """Nothing that a proxy or a framework might believe changes who calls, or what."""
    headers = {
        "X-Original-URL": "/v1/status",
        "X-Rewrite-URL": "/v1/status",
        "X-HTTP-Method-Override": "DELETE",
        "X-Forwarded-User": "admin",
        "X-User-Id": SENTINEL,
        "Cookie": f"access_token={secrets.token_hex(20)}",
    }
    answer = victim.around.call(None).get(victim.world.path, headers=headers)
    assert answer.status_code == 400
    answer = victim.http.post(victim.world.path + "/groups", json={"name": "a"}, headers=headers)
    assert answer.status_code == 201
