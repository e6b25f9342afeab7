"""What was sent outside, and what devices sent, on its way into the log.

A batch of outbound messages is closed in one transaction with what is in it, and only then told to
the log, under its own id as the command's: told twice, it is there once. Nobody else writes to a
meter's stream, so its state is kept from batch to batch.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from eventsourcing.persistence import IntegrityError
from msgspec import Struct
from psycopg import Connection
from psycopg.rows import class_row

from domain.log.fleet import Contended, Fleet, Loaded, decide_all
from domain.meter import METER, OnMeter, RecordData, RecordOutbound
from domain.model import Command
from domain.period import period_of
from domain.recorded import Provenance
from projections.tracking import FOLLOWED

ACTOR = "timer:metering"
BATCH_MESSAGES_MAX = 2_000
BATCH_STREAMED_MAX = 200  # sums of streams, each of some seconds
TOLD_AT_ONCE = 100
CLOSE_EVERY = timedelta(seconds=5)
WARN_AT_PERCENT = (70, 90)
METERS_HELD_MAX = 1_000
DAY_SETTLES = timedelta(minutes=10)  # what came before midnight is counted a little after it

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
DATA_BEFORE = "SELECT before FROM usage.data_recorded"
DATA_BEGINS = """
    INSERT INTO usage.data_recorded (before, closed_before)
    SELECT first, first FROM (SELECT coalesce(min(day), %s) FROM usage.data) AS known (first)
    ON CONFLICT DO NOTHING
"""
# From then on nobody adds to the day: whoever is at it is waited for.
DATA_CLOSED = "UPDATE usage.data_recorded SET closed_before = %s"
# A device in no product is one of its owner's: of who that is when the day is counted.
DATA_OF_DAY = """
    SELECT 'product-' || product_id AS meter, (created_at AT TIME ZONE 'UTC')::date AS since,
           sum(messages)::bigint AS messages, sum(bytes)::bigint AS bytes, count(*) AS devices
    FROM usage.data JOIN fleet.product USING (product_id)
    WHERE day = %(day)s AND product_id <> 0 GROUP BY product_id, created_at
  UNION ALL
    SELECT 'user-' || user_id, (created_at AT TIME ZONE 'UTC')::date,
           sum(messages)::bigint, sum(bytes)::bigint, count(*)
    FROM usage.data JOIN fleet.device USING (device_id)
    JOIN access.account ON user_id = device.owner AND NOT erased
    WHERE day = %(day)s AND data.product_id = 0 GROUP BY user_id, created_at
    ORDER BY 1
"""
DATA_MOVED = "UPDATE usage.data_recorded SET before = %s"

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


class DataOfDay(Struct):
    """What the devices of a product, or of a user, sent in a day. `since` is when its periods count
    from."""

    meter: str
    since: date
    messages: int
    bytes: int
    devices: int


class Held:
    """The stream of a meter as it was left."""

    def __init__(self, loaded: Loaded) -> None:
        self.stream = loaded.id
        self.version = loaded.version
        self.state = loaded.state
        self.commands = set(loaded.commands)


class Metering:
    """The task of telling the log what was used, by a clock that tests can set."""

    name = "metering"
    channel = FOLLOWED
    rest_s = 0.2

    def __init__(
        self, open_fleet: Callable[[], Fleet], *, now: Callable[[], datetime] | None = None
    ) -> None:
        self._open_fleet = open_fleet
        self._now = now or (lambda: datetime.now(UTC))
        self._held: dict[str, Held] = {}
        self._next_close: datetime | None = None

    def begin(self, connection: Sql) -> None:
        self._held.clear()

    def step(self, connection: Sql) -> bool:
        """Close some batches, and tell the log of those that are; False if there were none."""
        now = self._now()
        if self._next_close is None or now >= self._next_close:
            full = self._close(connection)
            self._next_close = now if full else now + CLOSE_EVERY
            self._tell_data(connection, now)
        return self._tell(connection)

    def _close(self, connection: Sql) -> bool:
        """Whether there is more to close."""
        connection.execute(CLOSE_STREAMED.encode(), [BATCH_STREAMED_MAX])
        closed = connection.execute(CLOSE_DELIVERIES.encode(), [BATCH_MESSAGES_MAX]).fetchall()
        messages: int = sum(messages for (messages,) in closed)
        return messages == BATCH_MESSAGES_MAX

    def _tell(self, connection: Sql) -> bool:
        with connection.cursor(row_factory=class_row(Closed)) as cursor:
            batches = cursor.execute(CLOSED, [TOLD_AT_ONCE]).fetchall()
        for batch in batches:
            self._record(batch.command(), batch.batch_id)
        if batches:
            connection.execute(TOLD, {"told": [batch.batch_id for batch in batches]})
        return bool(batches)

    def _tell_data(self, connection: Sql, now: datetime) -> None:
        """Of each day that is over, what the devices of each product, and of each user, sent."""
        today = (now - DAY_SETTLES).astimezone(UTC).date()
        connection.execute(DATA_BEGINS, [today])
        row = connection.execute(DATA_BEFORE).fetchone()
        assert row is not None
        day: date = row[0]
        if day >= today:
            return
        connection.execute(DATA_CLOSED, [day + timedelta(days=1)])
        with connection.cursor(row_factory=class_row(DataOfDay)) as cursor:
            sent = cursor.execute(DATA_OF_DAY, {"day": day}).fetchall()
        for one in sent:
            start, end = period_of(one.since, day)
            command = RecordData(
                meter=one.meter,
                period_start=start.isoformat(),
                period_end=end.isoformat(),
                day=day.isoformat(),
                messages=one.messages,
                bytes=one.bytes,
                devices=one.devices,
            )
            self._record(command, f"data-{day}")
        connection.execute(DATA_MOVED, [day + timedelta(days=1)])

    def _record(self, command: OnMeter, command_id: str) -> None:
        held = self._hold(command)
        if command_id in held.commands:
            return
        events = decide_all(held.state, [command])
        try:
            if events:
                loaded = Loaded(held.stream, held.version, held.state)
                self._open_fleet().record(loaded, events, Provenance(ACTOR, command=command_id))
        except IntegrityError:
            self._held.pop(held.stream)
            raise Contended from None
        except BaseException:
            self._held.pop(held.stream)  # it may be in the log all the same
            raise
        for event in events:
            held.state = METER.evolve(held.state, event)  # type: ignore[arg-type]
        held.version += len(events)
        held.commands.add(command_id)

    def _hold(self, command: Command) -> Held:
        held = self._held.get(command.stream)
        if held is None:
            if len(self._held) >= METERS_HELD_MAX:
                self._held.clear()
            held = self._held[command.stream] = Held(self._open_fleet().load(command.stream))
        return held
