"""What an integration is set up with: everything of it that may hold a secret, sealed as JSON."""

from collections.abc import Iterator, Sequence
from re import compile as regex
from typing import Annotated, Any, Literal, TypeAlias
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct

from domain.integration import NATS, WEBHOOK
from projections.integrations.rendering import TAG, TemplateBroken, must_be_template

URL_CHARACTERS_MAX = 4_096
TOPIC_CHARACTERS_MAX = 256
LABEL_CHARACTERS_MAX = 128
CREDENTIAL_CHARACTERS_MAX = 1_024
HEADERS_MAX = 32
PARAMETERS_MAX = 64  # of a query, of a form
JSON_DEPTH_MAX = 32
SETTINGS_BYTES_MAX = 24_000  # of all of it: sealed, it must fit into an event

RESERVED_HEADERS = frozenset(
    {
        *("connection", "content-length", "expect", "host", "keep-alive", "proxy-authorization"),
        *("te", "trailer", "transfer-encoding", "upgrade"),
        *("webhook-id", "webhook-signature", "webhook-timestamp"),
    }
)
NATS_HEADERS = "nats-"  # what these say, NATS does
HEADER_NAME = regex(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
# What stands in a subject behind the owner's own part of it, templates aside.
SUBJECT = regex(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")
TEMPLATED = regex(r"\{\{\{.*?\}\}\}|\{\{.*?\}\}")
SUBJECT_IS = "words of letters, digits, _ and -, with dots between"
SCHEMES = ("http", "https")
CONTENTS = ("body", "json", "form")

Url = Annotated[str, Meta(min_length=1, max_length=URL_CHARACTERS_MAX)]
Topic = Annotated[str, Meta(max_length=TOPIC_CHARACTERS_MAX)]
Label = Annotated[str, Meta(max_length=LABEL_CHARACTERS_MAX)]
Credential = Annotated[str, Meta(max_length=CREDENTIAL_CHARACTERS_MAX)]
Headers = Annotated[dict[str, str], Meta(max_length=HEADERS_MAX)]
Parameters = Annotated[dict[str, str], Meta(max_length=PARAMETERS_MAX)]
JsonTemplate: TypeAlias = dict[str, Any] | list[Any] | str
Method = Literal["GET", "POST", "PUT", "DELETE"]


class SettingsWrong(Exception):
    """What somebody wants an integration to be set up with cannot be; `field` names what of it."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(field, reason)
        self.field = field
        self.reason = reason


class BasicAuth(Struct, frozen=True):
    username: Credential
    password: Credential = ""


class WebhookSettings(
    Struct, frozen=True, omit_defaults=True, tag_field="kind", tag=WEBHOOK, kw_only=True
):
    """An HTTP request for each device event. `body`, `json` and `form` exclude each other.

    Texts are templates, but for the credentials. Without topics, answers and errors come back under
    the names of old.
    """

    url: Url
    method: Method = "POST"
    body: str | None = None
    json: JsonTemplate | None = None
    form: Parameters | None = None
    query: Parameters = {}
    headers: Headers = {}
    auth: BasicAuth | None = None
    response_topic: Topic = ""
    error_topic: Topic = ""
    response_template: JsonTemplate | None = None
    no_defaults: bool = False
    verify_tls: bool = True
    unchunked: bool = False
    data_url: bool = False
    template: Label = ""  # from which they were made, for whoever asks


class NatsSettings(
    Struct, frozen=True, omit_defaults=True, tag_field="kind", tag=NATS, kw_only=True
):
    """A NATS message for each device event, below the owner's own part of the subjects.

    Without a `body` it is the whole event as JSON.
    """

    subject: Topic
    body: str | None = None
    headers: Headers = {}
    error_topic: Topic = ""
    template: Label = ""


Settings: TypeAlias = WebhookSettings | NatsSettings


def stored(settings: Settings) -> str:
    """The text to be sealed. Raises SettingsWrong if it is too long."""
    text = msgspec.json.encode(settings)
    if len(text) > SETTINGS_BYTES_MAX:
        reason = f"the integration is {len(text)} bytes, and {SETTINGS_BYTES_MAX} is the limit"
        raise SettingsWrong("body", reason)
    return text.decode()


def settings_of(text: str) -> Settings:
    """What was sealed."""
    return msgspec.json.decode(text, type=WebhookSettings | NatsSettings)


def must_be_right(settings: Settings) -> None:
    """Raises SettingsWrong for what no request could be made of, whatever the event."""
    if isinstance(settings, WebhookSettings):
        must_be_shallow("json", settings.json)
        must_be_shallow("responseTemplate", settings.response_template)
    for field, template in templates_in(settings):
        try:
            must_be_template(template)
        except TemplateBroken as error:
            raise SettingsWrong(field, str(error)) from None
    for name in settings.headers:
        must_be_header(name)
    match settings:
        case WebhookSettings():
            must_be_url(settings.url)
            given = [name for name in CONTENTS if getattr(settings, name) is not None]
            if len(given) > 1:
                raise SettingsWrong(given[1], f"cannot be sent together with {given[0]}")
        case NatsSettings():
            must_be_subject(settings.subject)


def must_be_shallow(field: str, value: Any) -> None:
    """Nobody who goes through it later has to fear for their stack. Raises SettingsWrong."""
    level = [value]
    for _ in range(JSON_DEPTH_MAX):
        level = [below for one in level for below in below_of(one)]
        if not level:
            return
    raise SettingsWrong(field, f"is nested deeper than {JSON_DEPTH_MAX}")


def below_of(value: Any) -> Sequence[Any]:
    match value:
        case dict():
            return list(value.values())
        case list():
            return value
    return ()


def must_be_url(url: str) -> None:
    if any(character <= " " or character == "\x7f" for character in TEMPLATED.sub("", url)):
        raise SettingsWrong("url", "must hold no blanks and no control characters")
    if url.startswith(TAG):
        return  # looked at when it is known
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise SettingsWrong("url", f"is no address: {error}") from None
    if parts.scheme.lower() not in SCHEMES or not parts.netloc:
        raise SettingsWrong("url", "must begin with https:// or http:// and name a server")


def must_be_header(name: str) -> None:
    if TAG not in name and not HEADER_NAME.fullmatch(name):
        raise SettingsWrong("headers", f"{name!r} is no name of a header")
    if is_reserved(name):
        raise SettingsWrong("headers", f"{name} is not for integrations to set")


def is_reserved(header: str) -> bool:
    """Whether the client makes it, or whoever receives must be able to trust it."""
    name = header.strip().lower()
    return name in RESERVED_HEADERS or name.startswith(NATS_HEADERS)


def must_be_subject(subject: str) -> None:
    if not SUBJECT.fullmatch(TEMPLATED.sub("x", subject)):
        raise SettingsWrong("subject", f"must be {SUBJECT_IS}")


def templates_in(settings: Settings) -> Iterator[tuple[str, str]]:
    """Every text that is a template, with the field that it is in."""
    match settings:
        case WebhookSettings():
            fields = {
                "url": settings.url,
                "body": settings.body,
                "json": settings.json,
                "form": settings.form,
                "query": settings.query,
                "headers": settings.headers,
                "responseTopic": settings.response_topic,
                "errorResponseTopic": settings.error_topic,
                "responseTemplate": settings.response_template,
            }
        case NatsSettings():
            fields = {
                "subject": settings.subject,
                "body": settings.body,
                "headers": settings.headers,
                "errorResponseTopic": settings.error_topic,
            }
    for field, value in fields.items():
        for text in texts_in(value):
            yield field, text


def texts_in(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for name, below in value.items():
                yield name
                yield from texts_in(below)
        case list():
            for below in value:
                yield from texts_in(below)
