"""Which devices want to hear which device events: made from the log and from whose the devices are.

It runs behind the fleet model, which knows that. A device hears what is said in the product it is a
member of, and among the devices of its owner.
"""

from typing import Any

from psycopg import Cursor

from domain.description import DeviceDescribed
from domain.device_events import (
    DeviceDenied,
    DeviceImported,
    DeviceJoined,
    DeviceQuarantined,
    DeviceRemoved,
)
from domain.ownership import DeviceClaimed, DeviceUnclaimed
from projections.following import PAGE_EVENTS_MAX, Page

# After these it may be that a device hears something else.
MOVED = [
    kind.TOPIC
    for kind in (
        DeviceDescribed,
        DeviceImported,
        DeviceJoined,
        DeviceQuarantined,
        DeviceDenied,
        DeviceRemoved,
        DeviceClaimed,
        DeviceUnclaimed,
    )
]

# Of several in one page the last one counts. Who never subscribed to anything has no row.
SUBSCRIBERS = """
    INSERT INTO follow.subscriber AS known
    SELECT device_id, prefixes FROM (
        SELECT DISTINCT ON (said.device_id) said.device_id,
               ARRAY (SELECT DISTINCT json_array_elements_text(
                          coalesce(said.has -> 'subscriptions', '[]'))) AS prefixes
        FROM log.fleet_events,
             json_to_record(convert_from(state, 'UTF8')::json -> 'event')
                 AS said (device_id text, has json)
        WHERE notification_id > %s AND notification_id <= %s AND topic = %s
        ORDER BY said.device_id, notification_id DESC
    ) AS described
    WHERE prefixes <> '{}' OR EXISTS (
        SELECT FROM follow.subscriber WHERE subscriber.device_id = described.device_id
    )
    ON CONFLICT (device_id) DO UPDATE SET prefixes = excluded.prefixes
"""
TOUCHED = """
    SELECT ARRAY (
        SELECT DISTINCT device_id FROM log.fleet_events
        JOIN follow.subscriber ON device_id = split_part(originator_id, '-', 2)
        WHERE notification_id > %s AND notification_id <= %s AND topic = ANY (%s)
    )
"""
FORGET = "DELETE FROM follow.subscription WHERE device_id = ANY (%s)"
SUBSCRIBE = """
    INSERT INTO follow.subscription
    SELECT audience, prefix, subscriber.device_id
    FROM follow.subscriber
    JOIN fleet.device USING (device_id)
    LEFT JOIN fleet.cohort USING (cohort_id)
    CROSS JOIN LATERAL (
        SELECT 'user-' || owner WHERE owner IS NOT NULL
        UNION ALL
        SELECT 'product-' || device.product_id WHERE standing = 'member'
    ) AS heard (audience)
    CROSS JOIN unnest(prefixes) AS wanted (prefix)
    WHERE subscriber.device_id = ANY (%s)
"""


class SubscriberModel:
    """Tables follow.subscriber and follow.subscription."""

    name = "subscribers"
    schema = "follow"
    page_events_max = PAGE_EVENTS_MAX

    def begin(self) -> None:
        """Nothing is remembered from page to page."""

    def apply(self, cursor: Cursor[tuple[Any, ...]], page: Page) -> None:
        cursor.execute(SUBSCRIBERS, [*page, DeviceDescribed.TOPIC], prepare=True)
        row = cursor.execute(TOUCHED, [*page, MOVED], prepare=True).fetchone()
        assert row is not None
        if row[0]:
            cursor.execute(FORGET, [row[0]])
            cursor.execute(SUBSCRIBE, [row[0]])
