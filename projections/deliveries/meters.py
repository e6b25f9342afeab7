"""What deliveries count for: units are taken before an attempt, and settled with its outcome."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import AsyncConnection, AsyncCursor

from domain.meter_names import product_of, user_of
from domain.period import Period, period_of

NO_ANNIVERSARY = date(2000, 1, 1)
ANNIVERSARIES_MAX = 10_000  # remembered

# Periods count from the day on which a product, or an account, came into being.
ANNIVERSARIES = """
    SELECT asked.meter, (coalesce(product.created_at, account.created_at) AT TIME ZONE 'UTC')::date
    FROM unnest(%b::text[], %b::int4[], %b::text[]) AS asked (meter, product_id, user_id)
    LEFT JOIN fleet.product USING (product_id)
    LEFT JOIN access.account USING (user_id)
"""
# One after the other: everybody locks meters in the same order.
TAKE = """
    SELECT meter, usage.take_for(%b, NULL, meter, starts, ends, limit_messages, wanted)
    FROM (SELECT asked.*, allowance.limit_messages
          FROM unnest(%b::text[], %b::date[], %b::date[], %b::int8[])
              AS asked (meter, starts, ends, wanted)
          LEFT JOIN metered.allowance USING (meter) ORDER BY meter) asked
"""
USED_UP = """
    SELECT meter FROM usage.meter JOIN unnest(%b::text[], %b::date[]) AS asked (meter, period_start)
    USING (meter, period_start) WHERE counted >= limit_messages
"""
SETTLE = """
    SELECT usage.settle_for(%b, meter, starts, settled, delivered)
    FROM (SELECT * FROM unnest(%b::text[], %b::date[], %b::int8[], %b::int8[])
              AS asked (meter, starts, settled, delivered) ORDER BY meter, starts) asked
"""

Connection = AsyncConnection[tuple[Any, ...]]
Held = AsyncCursor[tuple[Any, ...]] | None  # what was asked of what is held, if anything was


class Grant(NamedTuple):
    """How many units of a meter were taken, in which period of it. `is_used_up` says that there is
    nothing left in it, come what may; otherwise something may still be given back."""

    period_start: date
    granted: int
    is_used_up: bool


class Settled(NamedTuple):
    """One unit that was taken, and whether it was delivered."""

    meter: str
    period_start: date
    delivered: bool


class NotHeld(Exception):
    """More is settled than was taken."""


class Meters:
    """The meters as the holder of one lease takes from them, in transactions that stand on it."""

    def __init__(self, lease_id: UUID) -> None:
        self._lease_id = lease_id
        self._anniversaries: dict[str, date] = {}

    async def take(
        self, connection: Connection, wanted: Mapping[str, int], today: date
    ) -> dict[str, Grant]:
        """What there is, in today's periods."""
        if not wanted:
            return {}
        periods = await self._periods(connection, wanted, today)
        asked = columns([(meter, *periods[meter], wanted[meter]) for meter in wanted])
        cursor = await connection.execute(TAKE, [self._lease_id, *asked], prepare=True)
        granted: dict[str, int] = dict(await cursor.fetchall())
        short = [meter for meter, count in granted.items() if count < wanted[meter]]
        used_up = set()
        if short:
            starts = [periods[meter].start for meter in short]
            cursor = await connection.execute(USED_UP, [short, starts], prepare=True)
            used_up = {meter for (meter,) in await cursor.fetchall()}
        return {
            meter: Grant(periods[meter].start, count, meter in used_up)
            for meter, count in granted.items()
        }

    async def settle(self, connection: Connection, units: Sequence[Settled]) -> Held:
        """Whether they were held is known once the answer is."""
        taken = Counter((unit.meter, unit.period_start) for unit in units)
        delivered = Counter((unit.meter, unit.period_start) for unit in units if unit.delivered)
        rows = [(*key, count, delivered[key]) for key, count in taken.items()]
        return await self._settle(connection, rows)

    async def give_back(
        self, connection: Connection, units: Mapping[str, tuple[date, int]]
    ) -> Held:
        """So many of each meter's period."""
        rows = [(meter, start, count, 0) for meter, (start, count) in units.items() if count]
        return await self._settle(connection, rows)

    async def _settle(
        self, connection: Connection, rows: Sequence[tuple[str, date, int, int]]
    ) -> Held:
        if not rows:
            return None
        return await connection.execute(SETTLE, [self._lease_id, *columns(rows)], prepare=True)

    async def _periods(
        self, connection: Connection, meters: Iterable[str], today: date
    ) -> dict[str, Period]:
        unknown = [meter for meter in meters if meter not in self._anniversaries]
        if unknown:
            if len(self._anniversaries) > ANNIVERSARIES_MAX:
                self._anniversaries.clear()
            asked = columns([(meter, product_of(meter), user_of(meter)) for meter in unknown])
            cursor = await connection.execute(ANNIVERSARIES, asked, prepare=True)
            found = await cursor.fetchall()
            self._anniversaries |= {meter: since for meter, since in found if since}
        return {
            meter: period_of(self._anniversaries.get(meter, NO_ANNIVERSARY), today)
            for meter in meters
        }


async def must_be_held(held: Held) -> None:
    """Raises NotHeld."""
    if held is not None and not all(is_held for (is_held,) in await held.fetchall()):
        raise NotHeld


def columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]
