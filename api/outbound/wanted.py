"""How an integration is described by whoever sets it up, in the words of the API."""

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias
from urllib.parse import urlsplit

from msgspec import Meta, Struct

from api.problem import FieldInvalid, NotSupported
from domain.integration import NATS, WEBHOOK, Kind
from domain.names import NAME_CHARACTERS_MAX, Name
from domain.published import EventName
from projections.integrations.rendering import spelled
from projections.integrations.settings import (
    HEADERS_MAX,
    PARAMETERS_MAX,
    BasicAuth,
    JsonTemplate,
    Label,
    Method,
    NatsSettings,
    Settings,
    SettingsWrong,
    Topic,
    Url,
    WebhookSettings,
    must_be_right,
)

KINDS: Mapping[str, Kind] = {"Webhook": WEBHOOK, "Nats": NATS}
NAMES: Mapping[str, str] = {kind: name for name, kind in KINDS.items()}
LATER = ("AzureIotHub", "GoogleCloudPubSub", "GoogleMaps")
KIND_CHARACTERS_MAX = 64

# Templates that are handed around spell them so.
Flag: TypeAlias = bool | Literal["true", "false"]
Scalar: TypeAlias = str | int | float | bool | None
SomeHeaders = Annotated[dict[str, Scalar], Meta(max_length=HEADERS_MAX)]
SomeParameters = Annotated[dict[str, Scalar], Meta(max_length=PARAMETERS_MAX)]
OneDevice = Annotated[str, Meta(pattern=r"^([0-9A-Fa-f]{24})?$(?!\n)")]

SPELLED = {
    "request_type": "requestType",
    "response_topic": "responseTopic",
    "error_topic": "errorResponseTopic",
    "response_template": "responseTemplate",
    "no_defaults": "noDefaults",
    "reject_unauthorized": "rejectUnauthorized",
    "data_url": "dataUrlResponseEvent",
}


class WantedIntegration(Struct, frozen=True, rename=SPELLED):
    """All of an integration: what is not sent has its default.

    `integration_type` is Webhook or Nats; of a new one it must be sent, of an old one it stays.
    `event` is how the names of its events begin. A Webhook needs a `url`, a Nats a `subject`; at
    most one of `body`, `json` and `form` is sent. `device_id` is for one's own devices alone.
    Texts are templates: see docs/webhooks.md.
    """

    event: EventName
    integration_type: Annotated[str, Meta(max_length=KIND_CHARACTERS_MAX)] | None = None
    name: Name | None = None
    disabled: Flag | None = None
    device_id: OneDevice | None = None
    deviceid: OneDevice | None = None
    template: Label | None = None
    url: Url | None = None
    subject: Topic | None = None
    request_type: Method | None = None
    body: str | None = None
    json: JsonTemplate | None = None
    form: SomeParameters | None = None
    query: SomeParameters | None = None
    headers: SomeHeaders | None = None
    auth: BasicAuth | None = None
    response_topic: Topic | None = None
    error_topic: Topic | None = None
    response_template: JsonTemplate | None = None
    no_defaults: Flag | None = None
    reject_unauthorized: Flag | None = None
    unchunked: Flag | None = None
    data_url: Flag | None = None

    @property
    def device(self) -> str:
        """The one device that it is for, empty for all."""
        return (self.device_id or self.deviceid or "").lower()


def kind_wanted(name: str | None) -> Kind:
    """Raises NotSupported for one that is yet to come, else FieldInvalid."""
    if name is None:
        raise FieldInvalid(field="integration_type", reason="is missing")
    if name in LATER:
        raise NotSupported(f"Rollcall has no integrations of type {name} yet.")
    if name not in KINDS:
        raise FieldInvalid(field="integration_type", reason=f"there are only {', '.join(KINDS)}")
    return KINDS[name]


def settings_wanted(kind: str, wanted: WantedIntegration) -> Settings:
    """Raises FieldInvalid for settings of which no request could be made."""
    settings = webhook_wanted(wanted) if kind == WEBHOOK else publication_wanted(wanted)
    try:
        must_be_right(settings)
    except SettingsWrong as error:
        raise FieldInvalid(field=error.field, reason=error.reason) from None
    return settings


def webhook_wanted(wanted: WantedIntegration) -> WebhookSettings:
    if wanted.url is None:
        raise FieldInvalid(field="url", reason="is missing")
    return WebhookSettings(
        url=wanted.url.strip(),
        method=wanted.request_type or "POST",
        body=wanted.body,
        json=wanted.json,
        form=None if wanted.form is None else texts(wanted.form),
        query=texts(wanted.query),
        headers=texts(wanted.headers),
        auth=wanted.auth,
        response_topic=wanted.response_topic or "",
        error_topic=wanted.error_topic or "",
        response_template=wanted.response_template,
        no_defaults=is_set(wanted.no_defaults),
        verify_tls=is_set(wanted.reject_unauthorized, default=True),
        unchunked=is_set(wanted.unchunked),
        data_url=is_set(wanted.data_url),
        template=wanted.template or "",
    )


def publication_wanted(wanted: WantedIntegration) -> NatsSettings:
    if wanted.subject is None:
        raise FieldInvalid(field="subject", reason="is missing")
    return NatsSettings(
        subject=wanted.subject,
        body=wanted.body,
        headers=texts(wanted.headers),
        error_topic=wanted.error_topic or "",
        template=wanted.template or "",
    )


def is_set(flag: Flag | None, *, default: bool = False) -> bool:
    return default if flag is None else flag in (True, "true")


def texts(found: Mapping[str, Scalar] | None) -> dict[str, str]:
    return {name: spelled(value) for name, value in (found or {}).items()}


def name_of(wanted: WantedIntegration, settings: Settings) -> str:
    """What it is called: as somebody wants it, or by what it takes and where it sends that."""
    if wanted.name is not None:
        return wanted.name
    return f"{wanted.event} for {server_of(settings)}"[:NAME_CHARACTERS_MAX]


def server_of(settings: Settings) -> str:
    """Where it sends, without anything secret."""
    match settings:
        case NatsSettings(subject=subject):
            return subject
        case WebhookSettings(url=url):
            return urlsplit(url).netloc.rpartition("@")[2] or "a templated address"
