"""Device events on their way to the devices that want to hear them.

As well as it goes: a device hears what is published while it is connected, in order, and nothing is
kept for it. Whoever must miss nothing reads the stored events.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct
from psycopg import Connection

from domain.subjects import down
from projections.announcing.link import Link, Message
from projections.device_events.telemetry import CHANNEL, DeviceEventRow, last_place, page_after

PAGE_ROWS = 100
DEVICES_MAX = 1_000  # that hear one event: those with the lowest ids
AGE_MAX = timedelta(seconds=60)  # what is older nobody waits for any more
SENT_AT_ONCE = 1_000

# Most say nothing that anybody wants to hear: that is seen by a look at the audience.
HEARERS = f"""
    SELECT said.number, hearer.device_id
    FROM unnest(%s::int4[], %s::text[], %s::text[]) AS said (number, name, audience)
    CROSS JOIN LATERAL (
        SELECT device_id FROM generate_series(1, length(said.name)) AS characters
        JOIN follow.subscription ON audience = said.audience
         AND prefix = left(said.name, characters)
        JOIN fleet.device USING (device_id)
        WHERE online
        ORDER BY device_id LIMIT {DEVICES_MAX}
    ) AS hearer
    WHERE EXISTS (SELECT FROM follow.subscription WHERE audience = said.audience)
    ORDER BY said.number
"""


class Heard(Struct, frozen=True, omit_defaults=True):
    """A device event as a device hears it. `device_id` is who published it."""

    name: str
    data: str | None
    ttl: int
    published_at: datetime
    device_id: str


encode = msgspec.json.Encoder().encode


class Subscriptions:
    """The task of passing device events on, beginning with those that are stored from now on."""

    name = "subscriptions"
    channel = CHANNEL
    rest_s = 0.0

    def __init__(self, link: Link) -> None:
        self._link = link
        self._place: int | None = None

    def begin(self, connection: Connection[tuple[Any, ...]]) -> None:
        """Where we were, if we were anywhere."""
        if self._place is None:
            self._place = last_place(connection)

    def step(self, connection: Connection[tuple[Any, ...]]) -> bool:
        assert self._place is not None
        rows = page_after(connection, self._place, PAGE_ROWS)
        if not rows:
            return False
        oldest = datetime.now(UTC) - AGE_MAX
        self._send(hearers(connection, [row for row in rows if row.received_at > oldest]))
        self._place = rows[-1].id
        return True

    def _send(self, heard: Iterable[Message]) -> None:
        messages = [*heard]
        for start in range(0, len(messages), SENT_AT_ONCE):
            self._link.send(messages[start : start + SENT_AT_ONCE])


def hearers(
    connection: Connection[tuple[Any, ...]], rows: Sequence[DeviceEventRow]
) -> Iterable[Message]:
    """The messages to devices, in the order of the events; each device hears an event once."""
    said = [
        (number, row.name, audience)
        for number, row in enumerate(rows)
        for audience in audiences_of(row)
    ]
    if not said:
        return
    columns = [[*column] for column in zip(*said, strict=True)]
    found = connection.execute(HEARERS, columns, prepare=True).fetchall()
    told: set[tuple[int, str]] = set()
    for number, device_id in found:
        if (number, device_id) not in told:
            told.add((number, device_id))
            yield Message(down(device_id, "event"), encode(heard(rows[number])))


def audiences_of(row: DeviceEventRow) -> list[str]:
    """Who may hear it."""
    audiences = []
    if row.product_id is not None:
        audiences.append(f"product-{row.product_id}")
    if row.user_id is not None:
        audiences.append(f"user-{row.user_id}")
    return audiences


def heard(row: DeviceEventRow) -> Heard:
    who = row.publisher or row.device_id
    return Heard(row.name, row.data, row.ttl, row.published_at, who)
