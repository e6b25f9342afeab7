"""The read model `history`: a narrow row per event, made from the log by the server alone."""

from typing import Any

from psycopg import Cursor
from psycopg.sql import SQL, Identifier

from projections.following import PAGE_EVENTS_MAX, Page

# A device has a name, notes and an owner wherever it is: the product is the one it is in then.
NAMES_NO_PRODUCT = """ARRAY['DeviceNamed.', 'DeviceNoted.', 'DeviceClaimed.', 'DeviceUnclaimed.',
    'TransferRequested.', 'TransferWithdrawn.', 'TransferDeclined.', 'TransferAccepted.']
"""
ENTERED_LAST = """
    SELECT CASE WHEN NOT moved.topic ^@ 'DeviceRemoved.' THEN
        (convert_from(moved.state, 'UTF8')::json -> 'event' ->> 'product_id')::integer END
    FROM log.fleet_events AS moved
    WHERE moved.originator_id = log_entry.originator_id
      AND moved.originator_version < log_entry.originator_version
      AND moved.topic ^@ ANY (ARRAY['DeviceImported.', 'DeviceJoined.', 'DeviceQuarantined.',
                                    'DeviceDenied.', 'DeviceRemoved.'])
    ORDER BY moved.originator_version DESC LIMIT 1
"""

INSERT = """
    INSERT INTO {entry} ("position", recorded_at, stream, stream_version, category, name,
                         product_id, device_id, actor)
    SELECT notification_id, recorded_at, originator_id, originator_version,
           split_part(originator_id, '-', 1), split_part(topic, '.', 1),
           CASE WHEN topic ^@ ANY ({names_no_product}) THEN ({entered_last})
                ELSE (said.event ->> 'product_id')::integer END,
           said.event ->> 'device_id', coalesce(said.actor, '')
    FROM log.fleet_events AS log_entry,
         json_to_record(convert_from(state, 'UTF8')::json) AS said (event json, actor text)
    WHERE notification_id > %s AND notification_id <= %s
    ORDER BY notification_id
"""


class HistoryModel:
    """Model `history`, in the schema of that name or in one built beside it."""

    name = "history"

    def __init__(self, schema: str = "history", *, page_events_max: int = PAGE_EVENTS_MAX) -> None:
        self.schema = schema
        self.page_events_max = page_events_max
        self._insert = SQL(INSERT).format(
            entry=Identifier(schema, "entry"),
            names_no_product=SQL(NAMES_NO_PRODUCT),
            entered_last=SQL(ENTERED_LAST),
        )

    def begin(self) -> None:
        """Nothing is remembered from page to page."""

    def apply(self, cursor: Cursor[tuple[Any, ...]], page: Page) -> None:
        cursor.execute(self._insert, page, prepare=True)
