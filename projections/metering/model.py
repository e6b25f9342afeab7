"""The read model `metered`: what was used, as the log says it. The server makes it by itself."""

from typing import Any

from psycopg import Cursor
from psycopg.sql import SQL, Identifier

from domain.allowance import AllowanceSet
from domain.meter import DataMetered, OutboundMessagesMetered, UsageLimitReached, UsageWarned
from projections.following import PAGE_EVENTS_MAX, Page

OF_PAGE = """
    FROM log.fleet_events, json_to_record(convert_from(state, 'UTF8')::json -> 'event') AS said ({})
    WHERE notification_id > %(after)s AND notification_id <= %(until)s AND topic = '{}'
"""
OUTBOUND = OF_PAGE.format(
    "meter text, period_start date, period_end date, day date, integration_id text,"
    " messages bigint, devices json, first_place bigint, last_place bigint, batch_id text",
    OutboundMessagesMetered.TOPIC,
)

# Of an allowance the last word counts.
ALLOWANCE = f"""
    INSERT INTO {{allowance}} AS known (meter, limit_messages)
    SELECT DISTINCT ON (said.meter) said.meter, said."limit"
    {OF_PAGE.format('meter text, "limit" bigint', AllowanceSet.TOPIC)}
    ORDER BY said.meter, notification_id DESC
    ON CONFLICT (meter) DO UPDATE SET limit_messages = excluded.limit_messages
"""
PERIOD = f"""
    INSERT INTO {{period}} AS known (meter, period_start, period_end, messages, "position")
    SELECT said.meter, said.period_start, said.period_end, sum(said.messages),
           max(notification_id)
    {OUTBOUND}
    GROUP BY 1, 2, 3
    ON CONFLICT (meter, period_start) DO UPDATE
    SET messages = known.messages + excluded.messages, "position" = excluded."position"
"""
INTEGRATION_DAY = f"""
    INSERT INTO {{integration_day}} AS known
        (meter, period_start, day, integration_id, messages)
    SELECT said.meter, said.period_start, said.day, said.integration_id, sum(said.messages)
    {OUTBOUND}
    GROUP BY 1, 2, 3, 4
    ON CONFLICT (meter, day, integration_id) DO UPDATE
    SET messages = known.messages + excluded.messages
"""
DEVICE_DAY = f"""
    INSERT INTO {{device_day}} AS known (meter, period_start, day, device_id, messages)
    SELECT batch.meter, batch.period_start, batch.day, one.key, sum(one.value::bigint)
    FROM (SELECT said.* {OUTBOUND}) AS batch, json_each_text(batch.devices) AS one
    GROUP BY 1, 2, 3, 4
    ON CONFLICT (meter, day, device_id) DO UPDATE
    SET messages = known.messages + excluded.messages
"""
BATCH = f"""
    INSERT INTO {{batch}} ("position", batch_id, meter, period_start, day, integration_id, messages,
                           first_place, last_place)
    SELECT notification_id, said.batch_id, said.meter, said.period_start, said.day,
           said.integration_id, said.messages, said.first_place, said.last_place
    {OUTBOUND}
"""
DATA_DAY = f"""
    INSERT INTO {{data_day}} (meter, period_start, day, messages, bytes, devices)
    SELECT said.meter, said.period_start, said.day, said.messages, said.bytes, said.devices
    {
    OF_PAGE.format(
        "meter text, period_start date, day date, messages bigint, bytes bigint, devices integer",
        DataMetered.TOPIC,
    )
}
"""
WARNED = f"""
    UPDATE {{period}} AS known
    SET warned_percent = greatest(known.warned_percent, told.percent),
        "position" = greatest(known."position", told."position")
    FROM (
        SELECT said.meter, said.period_start, max(said.percent) AS percent,
               max(notification_id) AS "position"
        {OF_PAGE.format("meter text, period_start date, percent integer", UsageWarned.TOPIC)}
        GROUP BY 1, 2
    ) AS told
    WHERE known.meter = told.meter AND known.period_start = told.period_start
"""
REACHED = f"""
    UPDATE {{period}} AS known
    SET reached_at = told.at, "position" = greatest(known."position", told."position")
    FROM (
        SELECT said.meter, said.period_start, max(recorded_at) AS at,
               max(notification_id) AS "position"
        {OF_PAGE.format("meter text, period_start date", UsageLimitReached.TOPIC)}
        GROUP BY 1, 2
    ) AS told
    WHERE known.meter = told.meter AND known.period_start = told.period_start
"""
ANY_OF_PAGE = """
    SELECT DISTINCT topic FROM log.fleet_events
    WHERE notification_id > %s AND notification_id <= %s AND topic = ANY (%s)
"""

# By what they are about, in the order in which they are run.
STATEMENTS = (
    (AllowanceSet, (ALLOWANCE,)),
    (OutboundMessagesMetered, (PERIOD, INTEGRATION_DAY, DEVICE_DAY, BATCH)),
    (UsageWarned, (WARNED,)),
    (UsageLimitReached, (REACHED,)),
    (DataMetered, (DATA_DAY,)),
)
TABLES = ("allowance", "period", "integration_day", "device_day", "batch", "data_day")


class MeteredModel:
    """Model `metered`, in the schema of that name or in one built beside it."""

    name = "metered"

    def __init__(self, schema: str = "metered", *, page_events_max: int = PAGE_EVENTS_MAX) -> None:
        self.schema = schema
        self.page_events_max = page_events_max
        tables = {table: Identifier(schema, table) for table in TABLES}
        self._statements = {
            kind.TOPIC: [SQL(text).format(**tables) for text in texts] for kind, texts in STATEMENTS
        }

    def begin(self) -> None:
        """Nothing is remembered from page to page."""

    def apply(self, cursor: Cursor[tuple[Any, ...]], page: Page) -> None:
        # Most pages have nothing of it.
        cursor.execute(ANY_OF_PAGE, [*page, list(self._statements)], prepare=True)
        found = {topic for (topic,) in cursor.fetchall()}
        for topic, statements in self._statements.items():
            if topic in found:
                for statement in statements:
                    cursor.execute(statement, page._asdict(), prepare=True)
