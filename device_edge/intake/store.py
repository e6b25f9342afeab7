"""A page of device events into the tables: events, use, and the checkpoint, all or none."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import NamedTuple

from device_edge.checkpoints import BEGIN, MOVE, READ, Checkpoint, Superseded
from device_edge.credentials import is_device_id
from device_edge.intake.copying import COPY, to_copy
from device_edge.intake.days import Connection, Days
from device_edge.intake.published import Owner, Published
from device_edge.intake.retention import Retention
from domain.published import CHANNEL

READER = "intake"
SYSTEM_EVENTS = "system_events"  # up to which position of the log device events were made of it
DAY_NS = 86_400 * 10**9
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# A device that is only asking to get into a product does not speak for it yet.
OWNERS = """
    SELECT device_id,
           CASE WHEN standing = 'member' THEN device.product_id END,
           owner,
           CASE WHEN standing = 'member' THEN running END
    FROM fleet.device LEFT JOIN fleet.cohort USING (cohort_id) WHERE device_id = ANY (%s)
"""
READ_POSITION = "SELECT sequence FROM edge.checkpoint WHERE reader = %s FOR UPDATE"
MOVE_POSITION = "UPDATE edge.checkpoint SET sequence = %s WHERE reader = %s"
# Whoever closes a day waits until we are done; what was sent on a closed one counts for the next.
USED = """
    WITH closed AS (SELECT closed_before FROM usage.data_recorded FOR SHARE)
    INSERT INTO usage.data AS known (day, device_id, product_id, messages, bytes)
    SELECT greatest(sent, closed_before) AS day, device_id, product_id, sum(messages), sum(bytes)
    FROM unnest(%b::date[], %b::text[], %b::int4[], %b::int8[], %b::int8[])
        AS used (sent, device_id, product_id, messages, bytes) LEFT JOIN closed ON true
    GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    ON CONFLICT (day, device_id, product_id) DO UPDATE
    SET messages = known.messages + excluded.messages, bytes = known.bytes + excluded.bytes
"""
# The last id of this transaction, which is the only one that takes any.
SAY = "SELECT pg_notify(%s, last_value::text) FROM telemetry.device_event_id"
STORED = """
    SELECT count(*) FROM telemetry.device_event
    WHERE hashtextextended(device_id, 0) = hashtextextended(%(device)s, 0)
      AND device_id = %(device)s AND published_at = %(at)s
      AND publisher IS NULL AND "position" IS NULL
"""


class Used(NamedTuple):
    day: int  # since 1970
    device_id: str
    product_id: int  # 0: none


class Store:
    """The tables, as the one worker that writes them sees them. Raises what PostgreSQL raises."""

    def __init__(self, database: Connection, days_kept: int) -> None:
        self._database = database
        self._days = Days()
        self._retention = Retention(self._days, days_kept)

    async def begin(self, stream: str, last_sequence: int) -> Checkpoint:
        """Where we are in the stream that was made then, which ends at that sequence now."""
        begin = {"reader": READER, "stream": stream, "last": last_sequence}
        async with self._database.transaction():
            await self._database.execute(BEGIN, begin)
            row = await (await self._database.execute(READ, [READER])).fetchone()
        assert row is not None
        return Checkpoint(READER, *row)

    async def keep_up(self) -> bool:
        """Make the days ahead, and remove some of what nobody keeps any more; whether all of it."""
        return not await self._retention.keep_up(self._database, datetime.now(UTC).date())

    async def keep(self, messages: Sequence[Published], checkpoint: Checkpoint, to: int) -> None:
        """Store the messages, and that everything up to that sequence is. Raises Superseded."""
        for day in {one.stored_ns // DAY_NS for one in messages if one.events}:
            await self._days.make(self._database, date_of(day))
        async with self._database.transaction():
            # First of all: another worker waits here for us, or we for it.
            move = await self._database.execute(MOVE, checkpoint.move_parameters(to))
            if move.rowcount != 1:
                raise Superseded
            messages = await self._not_repeated(messages)
            owners = await self._owners({one.device_id for one in messages})
            some = any(one.events for one in messages)
            if some:
                await self._copy(to_copy(messages, owners))
            async with self._database.pipeline():
                if some:
                    await self._database.execute(SAY, [CHANNEL], prepare=True)
                await self._count(messages, owners)

    async def stored(self, message: Published) -> int:
        """How many events of a message that was taken before are in the table."""
        at = EPOCH + timedelta(microseconds=message.stored_ns // 1000)
        row = await (
            await self._database.execute(STORED, {"device": message.device_id, "at": at})
        ).fetchone()
        assert row is not None
        count: int = row[0]
        return count

    async def _not_repeated(self, messages: Sequence[Published]) -> Sequence[Published]:
        """Without what is made from pages of the log that do not come next."""
        if all(one.page is None for one in messages):
            return messages
        found = await self._database.execute(READ_POSITION, [SYSTEM_EVENTS])
        row = await found.fetchone()
        assert row is not None
        last: int = row[0]
        kept: list[Published] = []
        for _, of_one in groupby(messages, lambda one: one.sequence):
            published = [*of_one]
            if published[0].page is not None:
                after, until = published[0].page
                if after != last:
                    continue
                last = until
            kept += published
        await self._database.execute(MOVE_POSITION, [last, SYSTEM_EVENTS])
        return kept

    async def _owners(self, device_ids: Iterable[str]) -> dict[str, Owner]:
        asked = sorted(one for one in device_ids if is_device_id(one))
        if not asked:
            return {}
        found = await self._database.execute(OWNERS, [asked], prepare=True)
        return {device_id: Owner(*owner) for device_id, *owner in await found.fetchall()}

    async def _copy(self, parts: Iterable[bytes]) -> None:
        async with self._database.cursor() as cursor, cursor.copy(COPY) as copy:
            for part in parts:
                await copy.write(part)

    async def _count(self, messages: Sequence[Published], owners: dict[str, Owner]) -> None:
        """What devices sent, whatever became of it."""
        count, size = Counter[Used](), Counter[Used]()
        for message in messages:
            if message.read is not None:
                product_id = message.owner(owners).product_id or 0
                used = Used(message.stored_ns // DAY_NS, message.device_id, product_id)
                count[used] += 1
                size[used] += message.bytes
        if count:
            keys = sorted(count)
            days, device_ids, product_ids = zip(*keys, strict=True)
            columns = [map(date_of, days), device_ids, product_ids]
            columns += [(count[key] for key in keys), (size[key] for key in keys)]
            await self._database.execute(USED, [[*column] for column in columns], prepare=True)


def date_of(day: int) -> date:
    return (EPOCH + timedelta(days=day)).date()
