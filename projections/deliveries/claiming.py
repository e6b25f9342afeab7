"""Taking work: lanes that are due, from one integration after the other, and what waits in them."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from psycopg import AsyncConnection

from projections.deliveries import leases
from projections.deliveries.meters import Grant, Meters, columns, must_be_held
from projections.device_events.telemetry import DeviceEventRow
from projections.integrations.stored import COLUMNS, Row

INTEGRATIONS_AT_ONCE = 200  # looked at for something due
DELIVERIES_PER_LANE = 16

# From one integration to the next: of each the lane that is due first, whatever else it has.
WALK = """
    WITH RECURSIVE walk AS (
        (SELECT integration_id, due_at, 1 AS step FROM outbound.lane
         WHERE lease_id IS NULL AND due_at IS NOT NULL AND integration_id > %(after)s
         ORDER BY integration_id, due_at LIMIT 1)
      UNION ALL
        SELECT next.* FROM walk, LATERAL (
            SELECT lane.integration_id, lane.due_at, walk.step + 1 FROM outbound.lane
            WHERE lease_id IS NULL AND lane.due_at IS NOT NULL
              AND lane.integration_id > walk.integration_id
            ORDER BY lane.integration_id, lane.due_at LIMIT 1
        ) next WHERE walk.step < %(steps)s
    )
    SELECT integration_id, due_at <= %(now)s FROM walk
"""
TAKE = """
    WITH due AS (
        SELECT lane.* FROM unnest(%(integrations)s::text[], %(rooms)s::int4[])
                            AS asked (integration_id, room), LATERAL (
            SELECT lane.integration_id, lane.device_id FROM outbound.lane
            WHERE lane.integration_id = asked.integration_id
              AND lease_id IS NULL AND due_at <= %(now)s
            ORDER BY due_at LIMIT asked.room FOR UPDATE SKIP LOCKED
        ) lane
    )
    UPDATE outbound.lane SET lease_id = %(lease)s FROM due
    WHERE lane.integration_id = due.integration_id AND lane.device_id = due.device_id
    RETURNING lane.integration_id, lane.device_id
"""
TOLD = 7  # columns of WAITING before those of the device event
EVENT: LiteralString = (
    "event.id, event.device_id, event.product_id, event.user_id, event.name, event.data,"
    " event.ttl, event.published_at, event.received_at, event.version, event.publisher,"
    ' event."position"'
)
WAITING: LiteralString = f"""
    SELECT waiting.delivery_id, waiting.integration_id, waiting.device_id, waiting.meter,
           waiting.attempts, waiting.since, waiting.place, {EVENT}
    FROM unnest(%s::text[], %s::text[]) AS lane (integration_id, device_id), LATERAL (
        SELECT * FROM outbound.delivery
        WHERE delivery.integration_id = lane.integration_id
          AND delivery.device_id = lane.device_id AND state = 'waiting'
        ORDER BY delivery_id LIMIT %s
    ) waiting
    LEFT JOIN telemetry.device_event event
      ON event.published_at = waiting.published_at AND event.id = waiting.place
    ORDER BY waiting.delivery_id
"""
INTEGRATIONS: LiteralString = (
    f"SELECT {COLUMNS} FROM integrations.integration WHERE integration_id = ANY(%s)"
)

# What is sent carries the id of its delivery: a crash of the database must not give the same event
# another one. With this commit everything is on disk that was seen before it.
DURABLE: LiteralString = "SET LOCAL synchronous_commit = on"

Connection = AsyncConnection[tuple[Any, ...]]


class LaneName(NamedTuple):
    integration_id: str
    device_id: str


class Waiting(NamedTuple):
    """A delivery that waits. `event` is None where it is not kept any more."""

    delivery_id: int
    integration_id: str
    device_id: str
    meter: str
    attempts: int
    since: datetime
    place: int
    event: DeviceEventRow | None


class Lane(NamedTuple):
    """A lane of ours, and what waits first in it. `integration` is None where it was removed.

    Of `deliveries` the first so many are `paid` for: a unit of each one's meter was taken. Of what
    is `gone`, the device event is not kept any more.
    """

    name: LaneName
    integration: Row | None
    deliveries: Sequence[Waiting]
    gone: Sequence[Waiting]
    paid: int
    grants: Mapping[str, Grant]


class Claims:
    """Takes lanes under a lease, in turn from all integrations that have something due."""

    def __init__(self, lease_id: UUID, meters: Meters, *, lanes_per_integration: int) -> None:
        self._lease_id = lease_id
        self._meters = meters
        self._per_integration = lanes_per_integration
        self._after = ""
        self.is_round = True  # all integrations were looked at

    async def claim(
        self, connection: Connection, now: datetime, room: int, busy: Mapping[str, int]
    ) -> list[Lane]:
        """At most `room` lanes more; `busy` is how many of each integration we have already.

        Raises LeaseLost.
        """
        async with connection.pipeline(), connection.transaction():
            await connection.execute(DURABLE)
            standing = await leases.stand_on(connection, self._lease_id)
            rooms = await self._rooms(connection, now, room, busy)
            await leases.must_stand(standing)
            names = await self._take(connection, now, rooms) if rooms else []
            if not names:
                return []
            lanes = columns(names)
            asked = await connection.execute(WAITING, [*lanes, DELIVERIES_PER_LANE], prepare=True)
            whose = await connection.execute(INTEGRATIONS, [sorted(rooms)], prepare=True)
            waiting = [waiting_of(row) for row in await asked.fetchall()]
            integrations = {row[0]: Row(*row) for row in await whose.fetchall()}
            return await self._pay(connection, names, waiting, integrations, now.date())

    async def _rooms(
        self, connection: Connection, now: datetime, room: int, busy: Mapping[str, int]
    ) -> dict[str, int]:
        """How many lanes to take of which integrations, beginning behind where we were last."""
        asked = {"after": self._after, "steps": INTEGRATIONS_AT_ONCE, "now": now}
        cursor = await connection.execute(WALK, asked, prepare=True)
        walked = await cursor.fetchall()
        rooms: dict[str, int] = {}
        began = self._after
        self.is_round = False
        for integration_id, is_due in walked:
            self._after = integration_id
            free = min(room, self._per_integration - busy.get(integration_id, 0))
            if is_due and free > 0:
                rooms[integration_id] = free
                room -= free
            if not room:
                return rooms
        if len(walked) < INTEGRATIONS_AT_ONCE:
            self._after = ""
            self.is_round = began == ""
        return rooms

    async def _take(
        self, connection: Connection, now: datetime, rooms: Mapping[str, int]
    ) -> list[LaneName]:
        asked = {"integrations": list(rooms), "rooms": list(rooms.values())}
        cursor = await connection.execute(
            TAKE, {**asked, "now": now, "lease": self._lease_id}, prepare=True
        )
        return [LaneName(*row) for row in await cursor.fetchall()]

    async def _pay(
        self,
        connection: Connection,
        names: Sequence[LaneName],
        waiting: Sequence[Waiting],
        integrations: Mapping[str, Row],
        today: date,
    ) -> list[Lane]:
        """Units for what can be sent, for what came first first."""
        able = {key for key, row in integrations.items() if not row.disabled}
        wanted = Counter(one.meter for one in waiting if one.event and one.integration_id in able)
        grants = await self._meters.take(connection, wanted, today)
        left = Counter({meter: grant.granted for meter, grant in grants.items()})
        lanes: defaultdict[LaneName, list[Waiting]] = defaultdict(list)
        gone: defaultdict[LaneName, list[Waiting]] = defaultdict(list)
        paid = Counter[LaneName]()
        for one in waiting:
            name = LaneName(one.integration_id, one.device_id)
            if one.event is None:
                gone[name].append(one)
                continue
            # In order: behind one that is not paid for, none is.
            if paid[name] == len(lanes[name]) and left[one.meter] and name.integration_id in able:
                left[one.meter] -= 1
                paid[name] += 1
            lanes[name].append(one)
        unused = {meter: (grants[meter].period_start, count) for meter, count in left.items()}
        await must_be_held(await self._meters.give_back(connection, unused))
        return [
            Lane(
                name=name,
                integration=integrations.get(name.integration_id),
                deliveries=lanes[name],
                gone=gone[name],
                paid=paid[name],
                grants=grants,
            )
            for name in names
        ]


def waiting_of(row: Sequence[Any]) -> Waiting:
    event = None if row[TOLD] is None else DeviceEventRow(*row[TOLD:])
    return Waiting._make([*row[:TOLD], event])
