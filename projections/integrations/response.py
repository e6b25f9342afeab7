"""What a delivery says back as device events: that it went out, what came, what went wrong."""

import base64
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from domain.published import CLOUDS_NAME_CHARACTERS_MAX, RESERVED_PREFIXES
from projections.device_events.telemetry import DeviceEventRow
from projections.integrations.event import Owner, known_of, read
from projections.integrations.rendering import Context, TemplateBroken, TooMuch
from projections.integrations.settings import JsonTemplate, Settings, WebhookSettings

CHUNK_BYTES = 512
RESPONSE_BYTES_MAX = 100 * 1024
NUMBER_CHARACTERS = 4  # a slash and up to three digits, behind the name of each chunk
SENT_PREFIX = "hook-sent/"
RESPONSE_PREFIX = "hook-response/"
ERROR_PREFIX = "hook-error/"
OCTETS = "application/octet-stream"


class Answer(Struct, frozen=True):
    """What a receiver answered. `body` may have been cut off behind RESPONSE_BYTES_MAX."""

    body: bytes = b""
    content_type: str = ""


class Said(NamedTuple):
    """A device event of the cloud's."""

    name: str
    data: str


def sent(event: DeviceEventRow) -> Said:
    """The event is on its way."""
    return Said(named(SENT_PREFIX + event.name), "")


def answered(
    settings: Settings, event: DeviceEventRow, owner: Owner, answer: Answer
) -> Sequence[Said]:
    """What came back, in chunks; nothing of an empty answer, or of a kind that gives none."""
    if not isinstance(settings, WebhookSettings):
        return ()
    text = text_of(settings, event, owner, answer)
    default = RESPONSE_PREFIX + event.name
    if not owner.user_id:
        default = f"{event.device_id}/{default}"
    name = topic(settings.response_topic, event, owner, default)
    if settings.unchunked and text:
        return [Said(named(name), text)]
    return [Said(f"{name}/{number}", chunk) for number, chunk in enumerate(chunks(text))]


def failed(settings: Settings, event: DeviceEventRow, owner: Owner, reason: str) -> Said:
    """It was not delivered, this time: `reason` is for people who look into it."""
    name = topic(settings.error_topic, event, owner, ERROR_PREFIX + event.name)
    return Said(f"{name}/0", next(chunks(reason), ""))


def topic(template: str, event: DeviceEventRow, owner: Owner, default: str) -> str:
    """The name that was asked for, where it can be one: nobody speaks as the cloud itself."""
    if not template:
        return named(default, NUMBER_CHARACTERS)
    try:
        name = Context(known_of(event, owner), read(event.data)).render(template).strip()
    except (TooMuch, TemplateBroken):
        name = ""
    if not name or name.startswith(RESERVED_PREFIXES) or not name.isprintable():
        name = default
    return named(name, NUMBER_CHARACTERS)


def named(name: str, room_characters: int = 0) -> str:
    """As much of it as a name can be, with room for what stands behind it."""
    return name[: CLOUDS_NAME_CHARACTERS_MAX - room_characters]


def text_of(settings: WebhookSettings, event: DeviceEventRow, owner: Owner, answer: Answer) -> str:
    """What is told of an answer. A table keeps no NUL."""
    body = answer.body[:RESPONSE_BYTES_MAX]
    if settings.data_url and body:
        kind = answer.content_type or OCTETS
        return f"data:{kind};base64,{base64.b64encode(body).decode()}"
    text = body.decode(errors="replace").replace("\0", "\ufffd")
    if settings.response_template is None:
        return text
    try:
        return templated(settings.response_template, Context(known_of(event, owner), read(text)))
    except (TooMuch, TemplateBroken) as error:
        return f"responseTemplate cannot be rendered: {error}"


def templated(template: JsonTemplate, context: Context) -> str:
    if isinstance(template, str):
        return context.render(template)
    made: Any = context.render_leaves(template)
    return msgspec.json.encode(made).decode()


def chunks(text: str) -> Iterator[str]:
    """The text in pieces of at most CHUNK_BYTES, no character in two of them."""
    left = text.encode()[:RESPONSE_BYTES_MAX]
    while left:
        piece = left[:CHUNK_BYTES].decode(errors="ignore")
        if not piece:
            return  # half a character, where the whole was cut off
        yield piece
        left = left[len(piece.encode()) :]
