"""Device events as rows, in PostgreSQL's binary COPY format.

Source of the format: the PostgreSQL manual, COPY, "Binary Format".
"""

from collections.abc import Iterable, Iterator, Mapping
from struct import Struct

from device_edge.intake.published import Owner, Published

COPY = (
    "COPY telemetry.device_event (published_at, device_id, product_id, user_id, version, publisher,"
    ' "position", name, data, ttl) FROM STDIN (FORMAT BINARY)'
)
COLUMNS = 10
SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)
PART_PIECES = 3_000  # six an event
TRAILER = b"\xff\xff"
NULL = b"\xff\xff\xff\xff"
EPOCH_US = 946_684_800_000_000  # PostgreSQL counts from the year 2000

ROW_START = Struct(">hiq").pack  # number of columns, length and value of published_at
LENGTH = Struct(">i").pack
INT4 = Struct(">ii").pack
INT8 = Struct(">iq").pack


def to_copy(messages: Iterable[Published], owners: Mapping[str, Owner]) -> Iterator[bytes]:
    """The events of the messages as a COPY body, in the order given, part by part: PostgreSQL
    stores one while we make the next."""
    parts = [SIGNATURE]
    add = parts.append
    for message in messages:
        if len(parts) > PART_PIECES:
            yield b"".join(parts)
            parts.clear()
        start = start_of(message, message.owner(owners))
        for event in message.events:
            add(start)
            name = event.name.encode()
            add(LENGTH(len(name)))
            add(name)
            if event.data is None:
                add(NULL)
            else:
                data = event.data.encode()
                add(LENGTH(len(data)))
                add(data)
            add(INT4(4, event.ttl))
    add(TRAILER)
    yield b"".join(parts)


def start_of(message: Published, owner: Owner) -> bytes:
    """The columns that all events of a message have in common."""
    product_id, user_id, version = owner
    position = message.position
    return b"".join(
        (
            ROW_START(COLUMNS, 8, message.stored_ns // 1000 - EPOCH_US),
            text(message.device_id),
            NULL if product_id is None else INT4(4, product_id),
            text(user_id),
            NULL if version is None else INT4(4, version),
            text(message.publisher),
            NULL if position is None else INT8(8, position),
        )
    )


def text(value: str | None) -> bytes:
    if value is None:
        return NULL
    encoded = value.encode()
    return LENGTH(len(encoded)) + encoded
