"""The past, folded from the log: as of a time or a position, with the folds of the read models."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import Struct

from api.call import Call
from api.fleet.device_rows import ShownRow, shown_row
from api.problem import FieldInvalid
from domain.deciders import DECIDERS, category
from domain.description import DeviceDescribed
from domain.log.history import device_history, product_history, streams_history
from projections.fleet import catalogue_as_of, device_as_of
from projections.fleet.catalogue import Catalogue

POSITION_DIGITS_MAX = 18
POSITION_AT = "SELECT log.position_at(%s)"
BLANK_OFFSET = re.compile(r"^(.*T.*) (\d\d:?\d\d)$")
CLOCKS_APART = timedelta(seconds=5)  # a time ahead of ours by less is taken for now


class AsOfWanted(Struct, frozen=True):
    """`as_of` is a position of the log, or a time such as 2030-01-31T12:00:00Z."""

    as_of: str = ""


async def position_of(call: Call, as_of: str) -> int:
    """The position that `as_of` means. Raises FieldInvalid if it is none, or lies in the future."""
    head = await call.cloud.database.head()
    if as_of.isascii() and as_of.isdigit() and len(as_of) <= POSITION_DIGITS_MAX:
        position = int(as_of)
        if position > head:
            raise FieldInvalid(field="as_of", reason=f"the log ends at position {head}")
    else:
        instant = moment(as_of, "as_of")
        if instant - datetime.now(UTC) > CLOCKS_APART:
            raise FieldInvalid(field="as_of", reason="lies in the future")
        async with call.cloud.database.reading() as rows:
            position = await rows.value(POSITION_AT, [instant])
    call.position = position
    return position


def moment(given: str, field: str) -> datetime:
    """A time in ISO 8601, in UTC unless it says otherwise. Raises FieldInvalid."""
    try:
        # A plus that nobody escaped arrives as a blank.
        found = datetime.fromisoformat(BLANK_OFFSET.sub(r"\1+\2", given.strip()))
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        reason = "expected a position of the log, or a time such as 2030-01-31T12:00:00Z"
        raise FieldInvalid(field=field, reason=reason) from None


async def catalogue_at(call: Call, product_id: int, position: int) -> Catalogue:
    """The product, its groups and its firmware as of a position."""
    history = await call.in_thread(product_history, call.cloud.fleet, product_id, position)
    return catalogue_as_of(history)


async def device_at(call: Call, device_id: str, position: int) -> ShownRow | None:
    """The device as of a position, None if nothing was known of it."""
    history = await call.in_thread(device_history, call.cloud.fleet, device_id, position)
    row = device_as_of(history)
    if row is None:
        return None
    said = (one.event.has for one in reversed(history) if isinstance(one.event, DeviceDescribed))
    async with call.cloud.database.reading() as rows:
        return await shown_row(row, next(said, None), rows)


async def states_at(call: Call, streams: list[str], position: int) -> list[Any]:
    """The state of each stream as of a position."""
    history = await call.in_thread(streams_history, call.cloud.fleet, streams, position)
    found = {stream: DECIDERS[category(stream)].initial for stream in streams}
    for recorded in history:
        evolve = DECIDERS[category(recorded.stream)].evolve
        found[recorded.stream] = evolve(found[recorded.stream], recorded.event)
    return list(found.values())
