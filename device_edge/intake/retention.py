"""How long device events are kept: by product, and as the installation says for all others.

A day that nobody keeps is dropped whole. What only some keep is deleted from the days before, some
rows at a time, so that what devices say meanwhile does not wait.
"""

from collections.abc import Mapping, Sequence
from datetime import date

from msgspec import Struct
from psycopg.sql import SQL

from device_edge.intake.days import Connection, Days, table_of

DAYS_KEPT_DEFAULT = 30
DELETED_AT_ONCE_MAX = 5_000  # rows
PRODUCTS = """
    SELECT product_id, device_event_days FROM fleet.product
    WHERE device_event_days IS NOT NULL AND NOT retired
"""
DELETE = """
    DELETE FROM {} WHERE ctid = ANY (ARRAY (
        SELECT ctid FROM {} WHERE {} LIMIT %s
    ))
"""
OF_THESE = SQL("product_id = ANY (%s)")
OF_OTHERS = SQL("(product_id IS NULL OR product_id <> ALL (%s))")


class Swept(Struct, frozen=True):
    """Whose rows go: those of these products, or all but theirs."""

    products: tuple[int, ...]
    others: bool


class Retention:
    """What is still to be deleted, as this one worker knows it."""

    def __init__(self, days: Days, days_kept: int = DAYS_KEPT_DEFAULT) -> None:
        self._days = days
        self._days_kept = days_kept
        self._swept: dict[date, Swept] = {}

    async def keep_up(self, connection: Connection, today: date) -> bool:
        """Make days, drop days, delete some rows. Whether there may be more to delete."""
        found = await (await connection.execute(PRODUCTS)).fetchall()
        kept: dict[int, int] = dict(found)
        longest = max([self._days_kept, *kept.values()])
        left = await self._days.keep_up(connection, today, longest)
        self._swept = {day: swept for day, swept in self._swept.items() if day in left}
        return await self._sweep(connection, today, left, kept)

    async def _sweep(
        self, connection: Connection, today: date, left: Sequence[date], kept: Mapping[int, int]
    ) -> bool:
        for day in left:
            over = over_at((today - day).days, self._days_kept, kept)
            if self._swept.get(day, NOTHING) == over:
                continue
            table, whose = table_of(day), OF_OTHERS if over.others else OF_THESE
            delete = SQL(DELETE).format(table, table, whose)
            deleted = await connection.execute(delete, [list(over.products), DELETED_AT_ONCE_MAX])
            if deleted.rowcount < DELETED_AT_ONCE_MAX:
                self._swept[day] = over
            return True
        return False


NOTHING = Swept((), others=False)


def over_at(age_days: int, days_kept: int, kept: Mapping[int, int]) -> Swept:
    """Whose events of a day so long ago are past their keeping."""
    if age_days > days_kept:
        keepers = sorted(product_id for product_id, days in kept.items() if days >= age_days)
        return Swept(tuple(keepers), others=True)
    over = sorted(product_id for product_id, days in kept.items() if days < age_days)
    return Swept(tuple(over), others=False)
