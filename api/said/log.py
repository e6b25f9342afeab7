"""The log of device events: what was said, looked through with a filter, and what is being said,
with the same filter and in the same places."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from api.call import Call
from api.said.event_stream import Streamed
from api.said.frames import Form, LogEvent, log_event
from api.said.stored import LAST, PLACE_MAX, Wanted, find
from api.said.streams import (
    Hears,
    Place,
    Resumed,
    of_oneself,
    of_organization,
    of_product,
    of_product_device,
    stream,
)
from api.views import PER_PAGE_DEFAULT, PageRows
from domain.log_filter import QUERY_CHARACTERS_MAX, parse

Query = Annotated[str, Meta(max_length=QUERY_CHARACTERS_MAX)]


class LogWanted(Struct, frozen=True):
    """`q` is a filter. `after` and `before` are places, neither included. The order is `desc`
    unless only `after` is given."""

    q: Query = ""
    after: Place | None = None
    before: Place | None = None
    order: Literal["asc", "desc", ""] = ""
    per_page: PageRows = PER_PAGE_DEFAULT


class LogStreamed(Resumed, frozen=True):
    """`q` is a filter."""

    q: Query = ""


class LogPage(Struct, frozen=True):
    """What was found of the places after `after` and before `before`: go on with `before` to what
    is older, with `after` to what is newer or, in the stream, to what is said from now on.

    With `more`, there is more in this direction: a page may be short, or even empty, because only
    so much is looked through at a time.
    """

    events: list[LogEvent]
    before: int
    after: int
    more: bool


async def look_through_own_log(call: Call, query: LogWanted) -> LogPage:
    """What the caller's devices said, and what the caller published."""
    return await look_through(call, query, of_oneself)


async def stream_own_log(call: Call, query: LogStreamed) -> Streamed:
    """The same, as it is said."""
    return await stream(call, query, of_oneself, Form.LOG, parse(query.q))


async def look_through_product_log(call: Call, query: LogWanted) -> LogPage:
    """What the devices of a product said, and what was published in it."""
    return await look_through(call, query, of_product)


async def stream_product_log(call: Call, query: LogStreamed) -> Streamed:
    """The same, as it is said."""
    return await stream(call, query, of_product, Form.LOG, parse(query.q))


async def look_through_device_log(call: Call, query: LogWanted) -> LogPage:
    """What one device of a product said."""
    return await look_through(call, query, of_product_device)


async def stream_device_log(call: Call, query: LogStreamed) -> Streamed:
    """The same, as it is said."""
    return await stream(call, query, of_product_device, Form.LOG, parse(query.q))


async def look_through_organization_log(call: Call, query: LogWanted) -> LogPage:
    """What the devices of all products of an organization said."""
    return await look_through(call, query, of_organization)


async def stream_organization_log(call: Call, query: LogStreamed) -> Streamed:
    """The same, as it is said."""
    return await stream(call, query, of_organization, Form.LOG, parse(query.q))


async def look_through(call: Call, query: LogWanted, hears: Hears) -> LogPage:
    """Raises FilterUnreadable, and as `hears` does."""
    upwards = query.order == "asc" or (not query.order and not query.before and query.after)
    earshot, wanted = await hears(call), parse(query.q)
    after, before = query.after or 0, query.before or PLACE_MAX
    async with call.cloud.database.reading() as rows:
        last: int = await rows.value(LAST)
        until = min(before, last + 1)
        search = Wanted(earshot, wanted, after, until, newest_first=not upwards)
        found = await find(rows, search, query.per_page)
    events = [log_event(stored) for stored in found.said]
    if found.looked_to is None:
        return LogPage(events, before=after + 1, after=max(after, until - 1), more=False)
    if upwards:
        return LogPage(events, before=after + 1, after=found.looked_to, more=True)
    return LogPage(events, before=found.looked_to, after=until - 1, more=True)
