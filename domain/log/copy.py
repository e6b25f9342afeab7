"""Rows of the log in PostgreSQL's binary COPY format.

Source of the format: the PostgreSQL manual, COPY, "Binary Format".
"""

from collections.abc import Iterable
from struct import Struct

from eventsourcing.persistence import StoredEvent

SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
COLUMNS = 4  # originator_id, originator_version, topic, state

ROW_START = Struct(">hi").pack  # number of columns, length of the stream's name
VERSION_AND_TOPIC_LENGTH = Struct(">iqi").pack
LENGTH = Struct(">i").pack


def to_copy(events: Iterable[StoredEvent]) -> bytes:
    """The events as one COPY body, in the order given."""
    topics: dict[str, bytes] = {}
    parts = [SIGNATURE]
    add = parts.append
    for event in events:
        stream = str(event.originator_id).encode()
        topic = topics.get(event.topic)
        if topic is None:
            topic = topics[event.topic] = event.topic.encode()
        add(ROW_START(COLUMNS, len(stream)))
        add(stream)
        add(VERSION_AND_TOPIC_LENGTH(8, event.originator_version, len(topic)))
        add(topic)
        add(LENGTH(len(event.state)))
        add(event.state)
    add(TRAILER)
    return b"".join(parts)
