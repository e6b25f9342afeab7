"""What became of deliveries to an integration: how many wait now, and each day's outcome."""

from datetime import date

from msgspec import Struct

from api.database import Rows

DAYS_SHOWN = 30

UNDER_WAY = """
    SELECT count(*) FILTER (WHERE state = 'waiting') AS waiting,
           count(*) FILTER (WHERE state = 'parked') AS parked
    FROM outbound.delivery WHERE integration_id = %s AND state IN ('waiting', 'parked')
"""
DAYS = f"""
    SELECT day, delivered, failed, not_sent FROM outbound.day
    WHERE integration_id = %s ORDER BY day DESC LIMIT {DAYS_SHOWN}
"""


class UnderWay(Struct, frozen=True):
    waiting: int
    parked: int


class DayObject(Struct, frozen=True):
    """A day in UTC: how many attempts were taken and how many failed, and how many deliveries were
    not sent because the limit was reached."""

    day: date
    delivered: int
    failed: int
    not_sent: int


class Counters(Struct, frozen=True):
    """How many deliveries there are in each state that is not an end, and the last days on which
    something came of one, the latest first."""

    waiting: int
    parked: int
    days: list[DayObject]


async def counters_of(rows: Rows, integration_id: str) -> Counters:
    now = await rows.one(UnderWay, UNDER_WAY, [integration_id])
    assert now is not None
    days = await rows.all(DayObject, DAYS, [integration_id])
    return Counters(now.waiting, now.parked, days)
