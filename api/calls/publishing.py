"""Publishing from outside: the same way into the table as what devices publish."""

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from api.call import Call
from api.problem import DeviceNotFound, FieldInvalid
from api.views import Done
from domain.device_events import Standing
from domain.published import (
    RESERVED_PREFIXES,
    TTL_S_DEFAULT,
    DeviceEvent,
    EventData,
    EventName,
    EventTtl,
    PublishedForOthers,
    data_bytes_max,
)
from domain.subjects import API, up

MEMBER = """
    SELECT count(*) FROM fleet.device JOIN fleet.cohort USING (cohort_id)
    WHERE device_id = %s AND device.product_id = %s AND standing = %s
"""

AnyCaseDeviceId = Annotated[str, Meta(pattern=r"^[0-9a-fA-F]{24}$(?!\n)")]


class Publication(Struct, frozen=True):
    """Every event is private: seen by those who may see its product, or its owner's devices."""

    name: EventName
    data: EventData | None = None
    ttl: EventTtl = TTL_S_DEFAULT


class ProductPublication(Publication, frozen=True):
    """With `as_device_id`, the event counts as that device's."""

    as_device_id: AnyCaseDeviceId | None = None


async def publish(call: Call, body: Publication) -> Done:
    """Publish an event among one's own devices. Answered once it is stored."""
    await store(call, PublishedForOthers(event=event_of(body), user_id=call.caller.user_id))
    return Done()


async def publish_in_product(call: Call, body: ProductPublication) -> Done:
    """Publish an event in a product, maybe as one of its devices. Answered once it is stored."""
    event, device_id = event_of(body), (body.as_device_id or "").lower()
    if device_id:
        async with call.cloud.database.reading() as rows:
            if not await rows.value(MEMBER, [device_id, call.product_id, Standing.MEMBER]):
                raise DeviceNotFound
    published = PublishedForOthers(
        event=event,
        product_id=call.product_id,
        device_id=device_id,
        user_id=call.caller.user_id,
    )
    await store(call, published)
    return Done()


async def store(call: Call, published: PublishedForOthers) -> None:
    """Raises DevicesOutOfReach."""
    payload = msgspec.json.encode(published)
    await call.cloud.link.store(up(API, "events"), payload, call.command)


def event_of(body: Publication) -> DeviceEvent:
    """Raises FieldInvalid."""
    if body.name.lower().startswith(RESERVED_PREFIXES):
        reserved = " and ".join(RESERVED_PREFIXES)
        raise FieldInvalid(field="name", reason=f"names that start with {reserved} are the cloud's")
    size = len((body.data or "").encode())
    if size > data_bytes_max(body.name):
        reason = f"{size} bytes; {data_bytes_max(body.name)} is the limit"
        raise FieldInvalid(field="data", reason=reason)
    return DeviceEvent(name=body.name, data=body.data, ttl=body.ttl)
