"""Device events as they are stored, for whoever follows them: a page at a time, by place.

A place is the id of a device event. There is one writer, and it takes ids inside the transaction
that makes them visible: whoever reads on from a place misses nothing and sees nothing twice.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, LiteralString

from msgspec import Struct
from psycopg import Connection

from domain.published import BY_API, CHANNEL

__all__ = [
    "AFTER",
    "CHANNEL",
    "COLUMNS",
    "LAST",
    "DeviceEventRow",
    "last_place",
    "page_after",
    "rows_of",
]

PAGE_ROWS_MAX = 2_000


class DeviceEventRow(Struct, frozen=True):
    """One row, as domain/published.py tells what is published.

    `device_id` is the device that it is about, 'api' where it is about none. `product_id` is of
    which product it speaks, `user_id` among whose devices' events it is: None for nobody's.
    `version` is of the product's firmware that the device ran then. `publisher` is None for the
    device itself, or the cloud that speaks for it: then `position` is that of the event in the log
    that it was made from.
    """

    id: int
    device_id: str
    product_id: int | None
    user_id: str | None
    name: str
    data: str | None
    ttl: int
    published_at: datetime
    received_at: datetime
    version: int | None
    publisher: str | None
    position: int | None

    @property
    def core_id(self) -> str:
        """Who said it, as it is told: the device, also where people said it as the device, or the
        cloud."""
        if self.publisher in (None, BY_API):
            return self.device_id
        return self.publisher


COLUMNS: LiteralString = (
    "id, device_id, product_id, user_id, name, data, ttl, published_at, received_at, version,"
    ' publisher, "position"'
)
# After a place, in order, at most so many.
AFTER: LiteralString = (
    f"SELECT {COLUMNS} FROM telemetry.device_event WHERE id > %s ORDER BY id LIMIT %s"
)
LAST: LiteralString = "SELECT coalesce(max(id), 0) FROM telemetry.device_event"

Row = tuple[Any, ...]


def rows_of(found: Sequence[Row]) -> list[DeviceEventRow]:
    """What AFTER gives, or anything else that gives COLUMNS in their order."""
    return [DeviceEventRow(*row) for row in found]


def page_after(
    connection: Connection[Row], place: int, rows_max: int = PAGE_ROWS_MAX
) -> list[DeviceEventRow]:
    """The next device events after a place, in order; empty at the end."""
    return rows_of(connection.execute(AFTER, [place, rows_max], prepare=True).fetchall())


def last_place(connection: Connection[Row]) -> int:
    """Where the table ends now; 0 where it is empty."""
    row = connection.execute(LAST).fetchone()
    assert row is not None
    place: int = row[0]
    return place
