"""The JetStream streams that we announce into, and which log it is that fills them."""

from typing import Any

from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig
from psycopg import Cursor

from domain.subjects import FACTS_STREAM, FACTS_SUBJECTS, FLEET_STREAM, FLEET_SUBJECTS

FLEET_EVENTS_BYTES_MAX = 2 << 30  # the oldest are dropped; the log keeps them all

FACTS = StreamConfig(
    name=FACTS_STREAM,
    subjects=[FACTS_SUBJECTS],
    retention=RetentionPolicy.LIMITS,
    storage=StorageType.FILE,
    max_msgs_per_subject=1,
)
# Without a limit on age: the last message is what we know our place by.
FLEET_EVENTS = StreamConfig(
    name=FLEET_STREAM,
    subjects=[FLEET_SUBJECTS],
    retention=RetentionPolicy.LIMITS,
    storage=StorageType.FILE,
    discard=DiscardPolicy.OLD,
    max_bytes=FLEET_EVENTS_BYTES_MAX,
)

FIRST_EVENT = """
    SELECT (extract(epoch FROM recorded_at) * 1000000)::bigint::text
    FROM log.fleet_events ORDER BY notification_id LIMIT 1
"""


def identity_of_log(cursor: Cursor[tuple[Any, ...]]) -> str:
    """Tells one log from another, also across a restored backup; empty while the log is."""
    row = cursor.execute(FIRST_EVENT).fetchone()
    return "" if row is None else row[0]
