"""Publishing from outside: the same way into the table as what devices publish."""

import asyncio
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
    is_reserved,
)
from domain.roles import ORGANIZATION_PREFIX, InOrganization
from domain.subjects import API, up

MEMBER = """
    SELECT count(*) FROM fleet.device JOIN fleet.cohort USING (cohort_id)
    WHERE device_id = %s AND device.product_id = %s AND standing = %s
"""

PRODUCTS_OF = """
    SELECT product_id FROM fleet.product WHERE owner = %s AND NOT retired ORDER BY product_id
"""
PUBLISHED_AT_ONCE_MAX = 64

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
    await store(call, PublishedForOthers(event=event_of(body), user_id=call.caller.holder))
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


async def publish_in_organization(call: Call, body: Publication) -> Done:
    """Publish an event in every product of an organization. Answered once all are stored: sent
    again under its key after it was not, it is stored where it is missing."""
    assert isinstance(call.place, InOrganization)
    event, owner = event_of(body), f"{ORGANIZATION_PREFIX}{call.place.organization_id}"
    async with call.cloud.database.reading() as rows:
        cursor = await rows.connection.execute(PRODUCTS_OF.encode(), [owner])
        product_ids = [product_id for (product_id,) in await cursor.fetchall()]
    user_id = call.caller.user_id
    for start in range(0, len(product_ids), PUBLISHED_AT_ONCE_MAX):
        some = product_ids[start : start + PUBLISHED_AT_ONCE_MAX]
        each = (PublishedForOthers(event=event, product_id=one, user_id=user_id) for one in some)
        await asyncio.gather(*(store(call, published) for published in each))
    return Done()


async def store(call: Call, published: PublishedForOthers) -> None:
    """Raises DevicesOutOfReach."""
    payload, message_id = msgspec.json.encode(published), call.command
    if published.product_id is not None:
        message_id = f"{message_id}-{published.product_id}"  # one call may publish in many
    await call.cloud.link.store(up(API, "events"), payload, message_id)


def event_of(body: Publication) -> DeviceEvent:
    """Raises FieldInvalid."""
    if is_reserved(body.name):
        reserved = " and ".join(RESERVED_PREFIXES)
        raise FieldInvalid(field="name", reason=f"names that start with {reserved} are the cloud's")
    size = len((body.data or "").encode())
    if size > data_bytes_max(body.name):
        reason = f"{size} bytes; {data_bytes_max(body.name)} is the limit"
        raise FieldInvalid(field="data", reason=reason)
    return DeviceEvent(name=body.name, data=body.data, ttl=body.ttl)
