"""Streams of what is said: by one's own devices, in products, in organizations."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from msgspec import Meta, Struct
from msgspec.structs import replace

from api.call import Call
from api.database import Rows
from api.network import network_in
from api.problem import DeviceNotFound, EventPrefixMissing, FieldInvalid
from api.said.earshot import Earshot
from api.said.event_stream import LAST_EVENT_ID, EventStream, Streamed
from api.said.feed import Interest
from api.said.frames import Form
from api.said.open_streams import Wish
from api.said.stored import PLACE_DIGITS_MAX, PLACE_MAX
from domain.device_events import Standing
from domain.log_filter import EVERYTHING, LogFilter
from domain.roles import ORGANIZATION_PREFIX, AtDevice, InOrganization, allows, scopes_on

SCOPE = "events:get"
PRODUCTS_OF = """
    SELECT coalesce(array_agg(product_id), '{}') FROM fleet.product WHERE owner = %s AND NOT retired
"""
MEMBER = """
    SELECT EXISTS (SELECT FROM fleet.device JOIN fleet.cohort USING (cohort_id)
    WHERE device_id = %s AND cohort.product_id = ANY (%s) AND standing = %s)
"""

Place = Annotated[int, Meta(ge=0, le=PLACE_MAX)]
Hears = Callable[[Call], Awaitable[Earshot]]


class Resumed(Struct, frozen=True):
    """`after` is the place of the last event that the caller knows; without it a stream begins now.
    The header Last-Event-ID says the same, and goes before."""

    after: Place | None = None


async def stream_own_events(call: Call, query: Resumed) -> Streamed:
    """What the caller's devices say, and what the caller publishes, as it is said."""
    return await stream(call, query, of_oneself, Form.OWN)


async def stream_own_events_by_prefix(call: Call, query: Resumed) -> Streamed:
    """The same, for clients that name a prefix first."""
    if not prefix_in(call):
        raise EventPrefixMissing
    return await stream(call, query, of_oneself, Form.OWN)


async def refuse_without_prefix(call: Call) -> Streamed:
    """Never answered: once these were the events of all the world."""
    raise EventPrefixMissing


async def stream_device_events(call: Call, query: Resumed) -> Streamed:
    """What one device says."""
    return await stream(call, query, of_device, Form.OWN)


async def stream_product_events(call: Call, query: Resumed) -> Streamed:
    """What the devices of a product say, and what is published in it."""
    return await stream(call, query, of_product, Form.PRODUCT)


async def stream_product_device_events(call: Call, query: Resumed) -> Streamed:
    """What one device of a product says."""
    return await stream(call, query, of_product_device, Form.PRODUCT)


async def stream_organization_events(call: Call, query: Resumed) -> Streamed:
    """What the devices of all products of an organization say."""
    return await stream(call, query, of_organization, Form.PRODUCT)


async def stream_organization_device_events(call: Call, query: Resumed) -> Streamed:
    """What one device of an organization's products says."""
    return await stream(call, query, of_organization_device, Form.PRODUCT)


async def of_oneself(call: Call) -> Earshot:
    return Earshot(holder=call.caller.holder)


async def of_device(call: Call) -> Earshot:
    """Its owner hears what it says as theirs; its team, what it says as the product's. So nobody
    hears what it said as somebody else's."""
    device = call.place
    assert isinstance(device, AtDevice)
    product, own = device.product, device.owner and device.owner == call.caller.holder
    if product and not own and allows(scopes_on(call.caller.grants, product), SCOPE):
        return Earshot(frozenset({product.product_id}), device_id=device.device_id)
    return Earshot(holder=device.owner, device_id=device.device_id)


async def of_product(call: Call) -> Earshot:
    return Earshot(frozenset({call.product_id}))


async def of_product_device(call: Call) -> Earshot:
    return await of_member(call, await of_product(call))


async def of_organization(call: Call) -> Earshot:
    assert isinstance(call.place, InOrganization)
    async with call.cloud.database.reading() as rows:
        owner = f"{ORGANIZATION_PREFIX}{call.place.organization_id}"
        product_ids: list[int] = await rows.value(PRODUCTS_OF, [owner])
    return Earshot(frozenset(product_ids))


async def of_organization_device(call: Call) -> Earshot:
    return await of_member(call, await of_organization(call))


async def of_member(call: Call, earshot: Earshot) -> Earshot:
    """Raises DeviceNotFound for a device that is in none of the products."""
    device_id = call.part("device").lower()
    async with call.cloud.database.reading() as rows:
        if not await is_member(rows, device_id, earshot):
            raise DeviceNotFound
    return replace(earshot, device_id=device_id)


async def is_member(rows: Rows, device_id: str, earshot: Earshot) -> bool:
    wanted = [device_id, sorted(earshot.product_ids or ()), Standing.MEMBER]
    return bool(await rows.value(MEMBER, wanted))


async def stream(
    call: Call, query: Resumed, hears: Hears, form: Form, wanted: LogFilter = EVERYTHING
) -> Streamed:
    """Raises as `hears` does, TooManyStreams, and Contended."""

    async def earshot() -> Earshot:
        return replace(await hears(call), prefix=prefix_in(call))

    async def again() -> Earshot:
        await call.admit_again()
        return await earshot()

    url = call.request.url
    wish = Wish(
        interest=Interest(await earshot(), form, wanted),
        after=after_in(call, query),
        network=network_in(call.request),
        alike=(call.caller.token_hash, url.path),
        again=again,
    )
    return EventStream(await call.cloud.streams.open(wish))


def prefix_in(call: Call) -> str:
    return call.part("prefix") if "prefix" in call.request.path_params else ""


def after_in(call: Call, query: Resumed) -> int | None:
    """Where to go on. Raises FieldInvalid."""
    given = call.request.headers.get(LAST_EVENT_ID, "").strip()
    if not given:
        return query.after
    if not (given.isascii() and given.isdigit()) or len(given) > PLACE_DIGITS_MAX:
        raise FieldInvalid(field=LAST_EVENT_ID, reason="expected the place of a device event")
    return int(given)
