"""An integration as the API shows it: whole to whoever may change it, without secrets to others."""

from typing import Any

from msgspec import Struct

from api.outbound.wanted import NAMES, SPELLED
from api.views import stamp
from domain.subjects import out_of
from projections.integrations.settings import NatsSettings, Settings, WebhookSettings
from projections.integrations.stored import Opened, Row

MASK = "•••"

SHOWN = SPELLED | {
    "device_id": "deviceID",
    "hook_url": "hookUrl",
    "integration_url": "integrationUrl",
}


class IntegrationObject(Struct, frozen=True, kw_only=True, omit_defaults=True, rename=SHOWN):
    """The Particle API's integration. To who may not change it, what may be secret is shown as •••.

    `signing_secret` is shown when it is new, and never again; `url` of a Nats is its subject.
    """

    id: str
    event: str
    name: str
    integration_type: str
    url: str
    created_at: str
    updated_at: str
    disabled: bool = False
    device_id: str = ""
    template: str = ""
    subject: str = ""
    request_type: str = ""
    body: str | None = None
    json: Any = None
    form: dict[str, str] | None = None
    query: dict[str, str] = {}
    headers: dict[str, str] = {}
    auth: dict[str, str] | None = None
    response_topic: str = ""
    error_topic: str = ""
    response_template: Any = None
    no_defaults: bool = False
    reject_unauthorized: bool = True
    unchunked: bool = False
    data_url: bool = False


def shown(opened: Opened, *, whole: bool) -> IntegrationObject:
    return IntegrationObject(**parts_of(opened.row, opened.settings, whole=whole))


def parts_of(row: Row, settings: Settings, *, whole: bool) -> dict[str, Any]:
    """The fields of the object, those of its kind included."""
    parts: dict[str, Any] = {
        "id": row.integration_id,
        "event": row.event_prefix,
        "name": row.name,
        "integration_type": NAMES[row.kind],
        "created_at": stamp(row.created_at),
        "updated_at": stamp(row.updated_at),
        "disabled": row.disabled,
        "device_id": row.device_id or "",
        "template": settings.template,
        "error_topic": settings.error_topic,
        "body": settings.body if whole else masked(settings.body),
        "headers": settings.headers if whole else masked(settings.headers),
    }
    match settings:
        case WebhookSettings():
            return {**parts, **parts_of_webhook(settings, whole=whole)}
        case NatsSettings(subject=subject):
            return {**parts, "subject": subject, "url": "nats:" + out_of(row.owner.name, subject)}


def parts_of_webhook(settings: WebhookSettings, *, whole: bool) -> dict[str, Any]:
    auth = None
    if settings.auth is not None:
        auth = {"username": settings.auth.username, "password": settings.auth.password}
    secret = {
        "json": settings.json,
        "form": settings.form,
        "query": settings.query,
        "auth": auth,
        "response_template": settings.response_template,
    }
    if not whole:
        secret = {name: masked(value) for name, value in secret.items()}
    return {
        **secret,
        "url": settings.url if whole else without_secrets(settings.url),
        "request_type": settings.method,
        "response_topic": settings.response_topic,
        "no_defaults": settings.no_defaults,
        "reject_unauthorized": settings.verify_tls,
        "unchunked": settings.unchunked,
        "data_url": settings.data_url,
    }


def masked(value: Any) -> Any:
    """The same names, and nothing of what they stand for."""
    match value:
        case None:
            return None
        case dict():
            return {name: masked(below) for name, below in value.items()}
    return MASK


def without_secrets(url: str) -> str:
    """The server alone: keys stand in paths as well as in queries."""
    scheme, separator, rest = url.partition("://")
    server = rest.partition("/")[0].partition("?")[0].rpartition("@")[2]
    return f"{scheme}{separator}{server}/{MASK}" if separator else MASK
