"""A device event as integrations tell of it: the names by which templates speak of it."""

import base64
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from projections.device_events.telemetry import DeviceEventRow
from projections.integrations.rendering import Context


class Owner(Struct, frozen=True):
    """Whose an integration is: of one product, of one user's sandbox, or of an organization."""

    product_id: int | None = None
    user_id: str = ""
    organization_id: str = ""

    @property
    def name(self) -> str:
        """In one word, which nobody else has."""
        if self.product_id is not None:
            return f"product-{self.product_id}"
        if self.organization_id:
            return f"organization-{self.organization_id}"
        return f"user-{self.user_id}"


def instant(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def whole(event: DeviceEventRow) -> str:
    """The event as JSON."""
    return msgspec.json.encode(
        {
            "id": str(event.id),
            "name": event.name,
            "data": event.data,
            "ttl": event.ttl,
            "published_at": instant(event.published_at),
            "coreid": event.core_id,
            "device_id": event.device_id,
            "product_id": event.product_id,
            "version": event.version,
        }
    ).decode()


def defaults_of(event: DeviceEventRow) -> dict[str, str]:
    """What goes along with a request that says nothing else."""
    return {
        "event": event.name,
        "data": event.data or "",
        "coreid": event.core_id,
        "published_at": instant(event.published_at),
    }


def known_of(event: DeviceEventRow, owner: Owner) -> dict[str, Any]:
    """The predefined variables; those of old have two names."""
    text, published_at, json = event.data or "", instant(event.published_at), whole(event)
    known: dict[str, Any] = {
        "PARTICLE_DEVICE_ID": event.device_id,
        "PARTICLE_EVENT_NAME": event.name,
        "PARTICLE_EVENT_VALUE": text,
        "PARTICLE_PUBLISHED_AT": published_at,
        "PARTICLE_EVENT_ID": str(event.id),
        "PARTICLE_EVENT_JSON": json,
        "PARTICLE_EVENT_BASE64": base64.b64encode(json.encode()).decode(),
        "PRODUCT_ID": "" if event.product_id is None else event.product_id,
        "SPARK_CORE_ID": event.device_id,
        "SPARK_EVENT_NAME": event.name,
        "SPARK_EVENT_VALUE": text,
        "SPARK_PUBLISHED_AT": published_at,
    }
    if not owner.user_id:
        known["PRODUCT_USER_ID"] = event.user_id or ""
        known["PRODUCT_VERSION"] = "" if event.version is None else event.version
    return known


def context_of(event: DeviceEventRow, owner: Owner) -> Context:
    """What templates are rendered over: what the event says, if it is JSON, and what is known."""
    return Context(known_of(event, owner), read(event.data))


def read(text: str | None) -> Any:
    """What a text says if it is JSON; None if it is none."""
    if not text:
        return None
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None
