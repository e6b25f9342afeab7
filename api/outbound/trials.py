"""Trying an integration out: a real request of an event that nobody published."""

import secrets
from datetime import UTC, datetime
from typing import Annotated

from msgspec import Meta, Struct

from api.call import Call
from api.fleet.device_problems import DevicesOutOfReach
from api.outbound import owned
from domain.names import TEXT_PATTERN
from domain.published import BY_API, TTL_S_DEFAULT
from domain.subjects import API
from projections.deliveries.signing import signed
from projections.device_events.telemetry import DeviceEventRow
from projections.integrations.request import Publication, Request, RequestImpossible, build
from projections.integrations.stored import Opened

DATA_CHARACTERS_MAX = 16_384
SHOWN_CHARACTERS_MAX = 10_000  # of an answer
TEST_DATA = "test-event"

TestData = Annotated[str, Meta(max_length=DATA_CHARACTERS_MAX, pattern=TEXT_PATTERN)]
TestDevice = Annotated[str, Meta(pattern=r"^(api|[0-9A-Fa-f]{24})$(?!\n)")]


class Trial(Struct, frozen=True):
    """What the event says, and of which device: any, or none by the name api."""

    data: TestData = TEST_DATA
    device_id: TestDevice = API


class Tried(Struct, frozen=True, omit_defaults=True, rename={"passed": "pass"}):
    """Whether it was taken; the beginning of the answer, or what went wrong."""

    passed: bool
    status: int | None = None
    data: str = ""
    error: str = ""


async def try_integration(call: Call, body: Trial) -> Tried:
    """Send a request as for an event, and say what came of it. No meter counts it."""
    opened = await owned.open_named(call)
    event, now = event_of(opened, body), datetime.now(UTC)
    try:
        outgoing = build(opened.settings, event, opened.row.owner)
    except RequestImpossible as error:
        return Tried(passed=False, error=str(error))
    message_id = f"test_{secrets.token_hex(12)}"
    match outgoing:
        case Request():
            request = signed(outgoing, opened.secrets_at(now), message_id, now)
            outcome = await call.cloud.trials.send(request)
            text = outcome.body.decode(errors="replace")[:SHOWN_CHARACTERS_MAX]
            return Tried(outcome.is_delivered, outcome.status, text, outcome.error)
        case Publication(subject=subject, headers=headers, body=content):
            try:
                await call.cloud.link.publish(subject, content, dict(headers), message_id)
            except DevicesOutOfReach:
                return Tried(passed=False, error="NATS cannot be reached")
            return Tried(passed=True)


def event_of(opened: Opened, trial: Trial) -> DeviceEventRow:
    owner, now = opened.row.owner, datetime.now(UTC)
    device_id = trial.device_id.lower()
    return DeviceEventRow(
        id=0,
        device_id=device_id,
        product_id=owner.product_id,
        user_id=owner.user_id or None,
        name=opened.row.event_prefix,
        data=trial.data,
        ttl=TTL_S_DEFAULT,
        published_at=now,
        received_at=now,
        version=None,
        publisher=BY_API if device_id == API else None,
        position=None,
    )
