"""Trying an integration out: a real request goes to a real receiver."""

import asyncio
import base64
import hmac
from collections.abc import Iterator
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs

import httpx
import nats
import pytest

from projections.deliveries.addresses import INTERNET
from tests.api.outbound.listening import listening
from tests.api.person import Person
from tests.api.serving import Served, serving
from tests.projections.deliveries.receiver import Asked, Receiver, replying
from tests.projections.patience import eventually
from tests.servers import NatsServer

DEVICE = "e00fce681234567890abcdef"


@pytest.fixture
def mine(person: Person) -> Iterator[httpx.Client]:
    with person.bearer() as client:
        yield client


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with listening(replying(body=b"taken")) as ours:
        yield ours


def created(client: httpx.Client, url: str, **wanted: Any) -> dict[str, Any]:
    sent = {"integration_type": "Webhook", "event": "temp", "url": url or None, **wanted}
    answer = client.post("/v1/integrations", json=sent)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def tried(client: httpx.Client, made: dict[str, Any], **trial: Any) -> dict[str, Any]:
    answer = client.post(f"/v1/integrations/{made['id']}/test", json=trial)
    assert answer.status_code == 200, answer.text
    outcome: dict[str, Any] = answer.json()
    return outcome


def is_signed(asked: Asked, secret: str) -> bool:
    said = f"{asked.headers['webhook-id']}.{asked.headers['webhook-timestamp']}.".encode()
    key = base64.b64decode(secret.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.digest(key, said + asked.body, sha256)).decode()
    return f"v1,{expected}" in asked.headers["webhook-signature"].split(" ")


def test_a_real_request_is_sent(mine: httpx.Client, receiver: Receiver) -> None:
    made = created(mine, receiver.url + "/in")
    assert tried(mine, made) == {"pass": True, "status": 200, "data": "taken"}
    (asked,) = receiver.asked
    assert (asked.method, asked.path) == ("POST", "/in")
    form = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
    del form["published_at"]
    assert form == {"event": "temp", "data": "test-event", "coreid": "api"}


def test_of_what_event_is_for_the_caller_to_say(mine: httpx.Client, receiver: Receiver) -> None:
    made = created(mine, receiver.url, body="{{PARTICLE_DEVICE_ID}} {{t}}")
    tried(mine, made, data='{"t": 21.5}', device_id=DEVICE.upper())
    assert receiver.asked[0].body == f"{DEVICE} 21.5".encode()


def test_it_is_signed_as_deliveries_are(mine: httpx.Client, receiver: Receiver) -> None:
    made = created(mine, receiver.url)
    tried(mine, made)
    rotated = mine.post(f"/v1/integrations/{made['id']}/secret").json()
    tried(mine, made)
    before, after = receiver.asked
    assert is_signed(before, made["signing_secret"])
    assert not is_signed(before, rotated["signing_secret"])
    assert is_signed(after, made["signing_secret"])
    assert is_signed(after, rotated["signing_secret"])
    assert before.headers["webhook-id"] != after.headers["webhook-id"]


def test_what_went_wrong_is_said(mine: httpx.Client) -> None:
    with listening(replying(404, b"nothing here")) as receiver:
        outcome = tried(mine, created(mine, receiver.url))
    assert outcome["pass"] is False
    assert (outcome["status"], outcome["data"]) == (404, "nothing here")
    assert outcome["error"].startswith("error status 404")
    nobody = tried(mine, created(mine, receiver.url))
    assert nobody["pass"] is False
    assert nobody["error"]


def test_what_cannot_be_sent_is_said_too(mine: httpx.Client, receiver: Receiver) -> None:
    made = created(mine, receiver.url, headers={"X-Value": "{{{PARTICLE_EVENT_VALUE}}}"})
    outcome = tried(mine, made, data="a\r\nX-Admin: yes")
    assert (outcome["pass"], receiver.asked) == (False, [])
    assert "control character" in outcome["error"]


def test_no_private_network_is_asked(person: Person, receiver: Receiver) -> None:
    token = person.log_in()["access_token"]
    with (
        serving(person.served.database, reach=INTERNET) as served,
        served.client(token=token) as client,
    ):
        outcome = tried(client, created(client, receiver.url))
    assert (outcome["pass"], receiver.asked) == (False, [])
    assert "127.0.0.1" in outcome["error"]


def test_another_s_is_not_tried(mine: httpx.Client, api: httpx.Client, receiver: Receiver) -> None:
    made = created(mine, receiver.url)
    answer = api.post(f"/v1/integrations/{made['id']}/test", json={})
    assert (answer.status_code, receiver.asked) == (404, [])
    assert mine.post(f"/v1/webhooks/{made['id']}/test").json()["pass"] is True


def test_a_nats_message_is_published(
    person: Person, served: Served, nats_server: NatsServer
) -> None:
    token = person.log_in()["access_token"]
    with (
        serving(served.database, nats_url=nats_server.url) as with_nats,
        with_nats.client(token=token) as client,
    ):
        kind = {"integration_type": "Nats", "subject": "t.{{PARTICLE_EVENT_NAME}}", "body": "21"}
        made = client.post("/v1/integrations", json={"event": "temp", **kind}).json()
        owner = made["url"].split(".")[1]

        async def heard() -> tuple[str, bytes]:
            connection = await nats.connect(nats_server.url)
            listener = await connection.subscribe(f"out.{owner}.>")
            await connection.flush()
            await asyncio.to_thread(eventually, lambda: tried(client, made)["pass"])
            message = await listener.next_msg(timeout=5)
            await connection.close()
            return message.subject, message.data

        assert asyncio.run(heard()) == (f"out.{owner}.t.temp", b"21")


def test_without_nats_no_message_is(mine: httpx.Client) -> None:
    made = created(mine, "", integration_type="Nats", subject="t")
    assert tried(mine, made) == {"pass": False, "error": "NATS cannot be reached"}
