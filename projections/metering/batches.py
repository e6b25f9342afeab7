"""Outbound messages on their way into the log: closed into batches, each of them told once.

A batch is closed in one transaction with what is in it, and only then told to the log, under its
own id as the command's: told twice, it is there once.
"""

from typing import Any

from msgspec import Struct
from psycopg import Connection
from psycopg.rows import class_row

from domain.meter import RecordOutbound

BATCH_MESSAGES_MAX = 2_000
BATCH_STREAMED_MAX = 200  # sums of streams, each of some seconds
TOLD_AT_ONCE = 100
WARN_AT_PERCENT = (70, 90)

# The day of a message is one of the period that it was counted in, however late that was.
DAY = """least(greatest((settled_at AT TIME ZONE 'UTC')::date, meter.period_start),
               meter.period_end - 1)"""
# A batch is of one meter, period, integration and day; what is in it learns its id.
CLOSE = """
    WITH picked AS ({picked}), device AS ({device}), batch AS MATERIALIZED (
        SELECT gen_random_uuid()::text AS id, meter, period_start, integration_id, day,
               sum(said) AS messages, jsonb_object_agg(device_id, said) AS devices,
               min(first_place) AS first_place, max(last_place) AS last_place
        FROM device GROUP BY meter, period_start, integration_id, day
    ), closed AS (
        UPDATE {table} SET batch_id = batch.id
        FROM picked JOIN batch USING (meter, period_start, integration_id, day)
        WHERE {table}.{key} = picked.{key}
    )
    INSERT INTO usage.batch (batch_id, meter, period_start, integration_id, day, messages, devices,
                             first_place, last_place)
    SELECT id, meter, period_start, integration_id, day, messages, devices, first_place, last_place
    FROM batch RETURNING messages
"""
CLOSE_DELIVERIES = CLOSE.format(
    table="outbound.delivery",
    key="delivery_id",
    picked=f"""
        SELECT delivery_id, delivery.meter, delivery.period_start, integration_id, device_id, place,
               {DAY} AS day
        FROM outbound.delivery JOIN usage.meter USING (meter, period_start)
        WHERE state = 'delivered' AND batch_id IS NULL
        ORDER BY delivery_id LIMIT %s FOR UPDATE OF delivery SKIP LOCKED
    """,
    device="""
        SELECT meter, period_start, integration_id, day, device_id, count(*) AS said,
               min(place) AS first_place, max(place) AS last_place
        FROM picked GROUP BY meter, period_start, integration_id, day, device_id
    """,
)
CLOSE_STREAMED = CLOSE.format(
    table="usage.streamed",
    key="streamed_id",
    picked=f"""
        SELECT streamed_id, streamed.meter, streamed.period_start, '' AS integration_id, devices,
               first_place, last_place, {DAY} AS day
        FROM usage.streamed JOIN usage.meter USING (meter, period_start)
        WHERE batch_id IS NULL
        ORDER BY streamed_id LIMIT %s FOR UPDATE OF streamed SKIP LOCKED
    """,
    device="""
        SELECT meter, period_start, integration_id, day, one.key AS device_id,
               sum(one.value::bigint) AS said, min(first_place) AS first_place,
               max(last_place) AS last_place
        FROM picked, jsonb_each_text(picked.devices) AS one
        GROUP BY meter, period_start, integration_id, day, one.key
    """,
)
# Who pays: the owner of the product, or of the organization that it belongs to, or the user.
CLOSED = """
    SELECT batch.batch_id, batch.meter, batch.period_start::text, meter.period_end::text,
           batch.integration_id, batch.day::text, batch.messages, batch.devices, batch.first_place,
           batch.last_place, allowance.limit_messages AS "limit",
           coalesce(organization.owner, substring(product.owner FROM '^user:(.*)'),
                    substring(batch.meter FROM '^user-(.*)'), '') AS payer
    FROM (SELECT * FROM usage.batch ORDER BY closed_at, batch_id LIMIT %s) AS batch
    JOIN usage.meter USING (meter, period_start)
    LEFT JOIN metered.allowance USING (meter)
    LEFT JOIN fleet.product ON product_id = substring(batch.meter FROM '^product-([0-9]+)$')::int
    LEFT JOIN access.organization
           ON organization_id = substring(product.owner FROM '^organization:(.*)')
    ORDER BY batch.closed_at, batch.batch_id
"""
TOLD = """
    WITH streamed AS (DELETE FROM usage.streamed WHERE batch_id = ANY (%(told)s))
    DELETE FROM usage.batch WHERE batch_id = ANY (%(told)s)
"""

Sql = Connection[tuple[Any, ...]]


class Closed(Struct):
    """A batch that the log may not have yet."""

    batch_id: str
    meter: str
    period_start: str
    period_end: str
    integration_id: str
    day: str
    messages: int
    devices: dict[str, int]
    first_place: int
    last_place: int
    limit: int | None
    payer: str

    def command(self) -> RecordOutbound:
        fields = {name: getattr(self, name) for name in self.__struct_fields__}
        return RecordOutbound(**fields, warn_at=WARN_AT_PERCENT)


def close(connection: Sql) -> bool:
    """Close some batches; whether there is more to close."""
    connection.execute(CLOSE_STREAMED.encode(), [BATCH_STREAMED_MAX])
    closed = connection.execute(CLOSE_DELIVERIES.encode(), [BATCH_MESSAGES_MAX]).fetchall()
    messages: int = sum(messages for (messages,) in closed)
    return messages == BATCH_MESSAGES_MAX


def closed_batches(connection: Sql) -> list[Closed]:
    """The next ones to tell, the oldest first."""
    with connection.cursor(row_factory=class_row(Closed)) as cursor:
        return cursor.execute(CLOSED, [TOLD_AT_ONCE]).fetchall()


def forget(connection: Sql, told: list[Closed]) -> None:
    """They are in the log."""
    connection.execute(TOLD, {"told": [batch.batch_id for batch in told]})
