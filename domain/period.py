"""A billing period: from one monthly anniversary of a day to the next.

It starts on the day of the month of the anniversary; where a month is too short for that, on its
last day, and in the next month on the anniversary's again.
"""

from calendar import monthrange
from datetime import date
from typing import NamedTuple

MONTHS = 12


class Period(NamedTuple):
    """`end` is the first day that is not in it."""

    start: date
    end: date


def period_of(anniversary: date, day: date) -> Period:
    """The period that a day is in. Days before the anniversary have periods too."""
    month = months_of(day)
    start = start_in(month, anniversary.day)
    if day < start:
        return Period(start_in(month - 1, anniversary.day), start)
    return Period(start, start_in(month + 1, anniversary.day))


def months_of(day: date) -> int:
    return day.year * MONTHS + day.month - 1


def start_in(month: int, wanted_day: int) -> date:
    """The day on which the period of a month starts."""
    year, index = divmod(month, MONTHS)
    _, last_day = monthrange(year, index + 1)
    return date(year, index + 1, min(wanted_day, last_day))
