"""What is sent for a device event: pure, from the settings of an integration and the event.

An integration is of a kind, and a kind has a builder: one more kind is one more line in BUILDERS.
"""

import base64
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias
from urllib.parse import quote, unquote, urlencode, urlsplit, urlunsplit

import msgspec
from msgspec import Struct

from domain.subjects import out_of
from projections.device_events.telemetry import DeviceEventRow
from projections.integrations.event import Owner, context_of, defaults_of, whole
from projections.integrations.rendering import Context, TemplateBroken, TooMuch
from projections.integrations.settings import (
    HEADER_NAME,
    SCHEMES,
    SUBJECT,
    SUBJECT_IS,
    NatsSettings,
    Settings,
    WebhookSettings,
    is_reserved,
)

USER_AGENT = "Rollcall-Webhook/1"
URL_BYTES_MAX = 8 * 1024
HEADERS_BYTES_MAX = 16 * 1024
SUBJECT_CHARACTERS_MAX = 256
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
# What an address is made of; all else is written in percent.
URL_CHARACTERS = ":/?#[]@!$&'()*+,;=%~"
WITHOUT_CONTENT = ("GET", "DELETE")

Pairs: TypeAlias = tuple[tuple[str, str], ...]


class RequestImpossible(Exception):
    """Of this event no request can be made, and to try again changes nothing; why says `reason`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class Request(Struct, frozen=True):
    """An HTTP request. `url` is whole, with its query; header values may be any text without
    control characters. To be signed and sent by whoever delivers."""

    method: str
    url: str
    headers: Pairs = ()
    body: bytes = b""
    verify_tls: bool = True


class Publication(Struct, frozen=True):
    """A NATS message."""

    subject: str
    headers: Pairs = ()
    body: bytes = b""


Outgoing: TypeAlias = Request | Publication


def build(settings: Settings, event: DeviceEventRow, owner: Owner) -> Outgoing:
    """What is to be sent. Raises RequestImpossible."""
    try:
        return BUILDERS[type(settings)](settings, event, owner)
    except (TooMuch, TemplateBroken) as error:
        raise RequestImpossible(f"a template cannot be rendered: {error}") from None


def build_webhook(settings: WebhookSettings, event: DeviceEventRow, owner: Owner) -> Request:
    context = context_of(event, owner)
    defaults = {} if settings.no_defaults else defaults_of(event)
    query = {name: context.render(text) for name, text in rendered_names(context, settings.query)}
    kind, body = content_of(settings, context, defaults)
    if settings.method in WITHOUT_CONTENT:
        query = {**defaults, **query, **form_of(settings, context)}
    headers = {"User-Agent": USER_AGENT, "Accept": JSON if kind == JSON else "*/*"}
    if kind:
        headers["Content-Type"] = kind
    url, credentials = address_of(context.render(settings.url), query)
    if settings.auth is not None:
        credentials = f"{settings.auth.username}:{settings.auth.password}"
    if credentials:
        headers["Authorization"] = "Basic " + base64.b64encode(credentials.encode()).decode()
    return Request(
        method=settings.method,
        url=url,
        headers=headers_of(settings.headers, context, headers),
        body=body,
        verify_tls=settings.verify_tls,
    )


def rendered_names(context: Context, templates: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(context.render(name), text) for name, text in templates.items()]


def form_of(settings: WebhookSettings, context: Context) -> dict[str, str]:
    return {
        name: context.render(text) for name, text in rendered_names(context, settings.form or {})
    }


def content_of(
    settings: WebhookSettings, context: Context, defaults: Mapping[str, str]
) -> tuple[str, bytes]:
    """What stands in the request, and what it is called; neither where there is nothing."""
    if settings.body is not None:
        return "", context.render(settings.body).encode()
    if settings.json is not None:
        merged = {} if settings.method in WITHOUT_CONTENT else defaults
        return JSON, json_of(settings.json, context, merged)
    if settings.method in WITHOUT_CONTENT:
        return "", b""
    fields = {**defaults, **form_of(settings, context)}
    return (FORM, urlencode(fields).encode()) if fields else ("", b"")


def json_of(template: Any, context: Context, defaults: Mapping[str, str]) -> bytes:
    """A text is rendered as one, and then must be JSON; of anything else, every text in it is."""
    if isinstance(template, str):
        text = context.render(template)
        try:
            value = msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError) as error:
            raise RequestImpossible(f"json is no JSON once it is rendered: {error}") from None
        if not isinstance(value, dict) or not defaults:
            return text.encode()  # as it was written, numbers and all
    else:
        value = context.render_leaves(template)
    if isinstance(value, dict):
        value = {**defaults, **value}
    return msgspec.json.encode(value)


def address_of(url: str, query: Mapping[str, str]) -> tuple[str, str]:
    """The whole address, and the credentials that stood in it. Raises RequestImpossible."""
    refuse_control_characters("the url", url)
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise RequestImpossible(f"the url is no address: {error}") from None
    if parts.scheme.lower() not in SCHEMES or not host:
        raise RequestImpossible("the url must begin with https:// or http:// and name a server")
    credentials, at, server = parts.netloc.rpartition("@")
    asked = "&".join(filter(None, [parts.query, urlencode(query)]))
    whole_url = urlunsplit((parts.scheme.lower(), server, parts.path or "/", asked, ""))
    written = quote(whole_url, safe=URL_CHARACTERS)
    if len(written) > URL_BYTES_MAX:
        raise RequestImpossible(f"the url is longer than {URL_BYTES_MAX} bytes")
    return written, unquote(credentials) if at else ""


def headers_of(templates: Mapping[str, str], context: Context, ours: Mapping[str, str]) -> Pairs:
    """Those of the integration, before ours of the same names. Raises RequestImpossible."""
    found: dict[str, tuple[str, str]] = {name.lower(): (name, text) for name, text in ours.items()}
    for name, text in rendered_names(context, templates):
        value = context.render(text).strip()
        refuse_control_characters(f"header {name!r}", value)
        if not HEADER_NAME.fullmatch(name) or is_reserved(name):
            raise RequestImpossible(f"{name!r} is no header that can be set")
        found[name.lower()] = (name, value)
    pairs = tuple(found.values())
    if sum(len(name) + len(text.encode()) for name, text in pairs) > HEADERS_BYTES_MAX:
        raise RequestImpossible(f"the headers are longer than {HEADERS_BYTES_MAX} bytes")
    return pairs


def refuse_control_characters(what: str, text: str) -> None:
    """A line feed would begin another header, or another request. Raises RequestImpossible."""
    if any(character < " " or "\x7f" <= character < "\xa0" for character in text):
        raise RequestImpossible(f"{what} holds a control character")


def build_publication(settings: NatsSettings, event: DeviceEventRow, owner: Owner) -> Publication:
    """On a subject of the owner's: whatever the event says, it reaches nobody else's."""
    context = context_of(event, owner)
    below = context.render(settings.subject)
    if not SUBJECT.fullmatch(below) or len(below) > SUBJECT_CHARACTERS_MAX:
        raise RequestImpossible(f"the subject must be {SUBJECT_IS}")
    body = whole(event) if settings.body is None else context.render(settings.body)
    return Publication(
        subject=out_of(owner.name, below),
        headers=headers_of(settings.headers, context, {}),
        body=body.encode(),
    )


BUILDERS: Mapping[type[Any], Callable[[Any, DeviceEventRow, Owner], Outgoing]] = {
    WebhookSettings: build_webhook,
    NatsSettings: build_publication,
}
