"""The read model `described`: what each device says it has. The server makes it from the log."""

from typing import Any

from psycopg import Cursor
from psycopg.sql import SQL, Identifier

from domain.description import DeviceDescribed
from projections.following import PAGE_EVENTS_MAX, Page

# Of several in one page the last one counts.
UPSERT = """
    INSERT INTO {device} AS known (device_id, functions, variables, serial_number, imei, iccid,
                                   subscriptions, described_at, "position")
    SELECT DISTINCT ON (said.device_id)
           said.device_id,
           ARRAY (SELECT json_array_elements_text(coalesce(said.has -> 'functions', '[]'))),
           coalesce(said.has ->> 'variables', '{{}}')::jsonb,
           coalesce(said.has ->> 'serial_number', ''), coalesce(said.has ->> 'imei', ''),
           coalesce(said.has ->> 'iccid', ''),
           ARRAY (SELECT json_array_elements_text(coalesce(said.has -> 'subscriptions', '[]'))),
           said.at, notification_id
    FROM log.fleet_events,
         json_to_record(convert_from(state, 'UTF8')::json -> 'event')
             AS said (device_id text, has json, at timestamptz)
    WHERE notification_id > %s AND notification_id <= %s AND topic = %s
    ORDER BY said.device_id, notification_id DESC
    ON CONFLICT (device_id) DO UPDATE
    SET (functions, variables, serial_number, imei, iccid, subscriptions, described_at, "position")
      = ROW (excluded.functions, excluded.variables, excluded.serial_number, excluded.imei,
             excluded.iccid, excluded.subscriptions, excluded.described_at, excluded."position")
"""


class DescribedModel:
    """Model `described`, in the schema of that name or in one built beside it."""

    name = "described"

    def __init__(
        self, schema: str = "described", *, page_events_max: int = PAGE_EVENTS_MAX
    ) -> None:
        self.schema = schema
        self.page_events_max = page_events_max
        self._upsert = SQL(UPSERT).format(device=Identifier(schema, "device"))

    def begin(self) -> None:
        """Nothing is remembered from page to page."""

    def apply(self, cursor: Cursor[tuple[Any, ...]], page: Page) -> None:
        cursor.execute(self._upsert, [*page, DeviceDescribed.TOPIC], prepare=True)
