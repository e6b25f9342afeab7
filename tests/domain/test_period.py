from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.period import Period, period_of

days = st.dates(min_value=date(1990, 1, 1), max_value=date(2090, 12, 31))


@pytest.mark.parametrize(
    ("anniversary", "day", "start", "end"),
    [
        ("2026-01-15", "2026-01-15", "2026-01-15", "2026-02-15"),
        ("2026-01-15", "2026-02-14", "2026-01-15", "2026-02-15"),
        ("2026-01-15", "2026-12-31", "2026-12-15", "2027-01-15"),
        ("2026-01-31", "2026-02-27", "2026-01-31", "2026-02-28"),
        ("2026-01-31", "2026-02-28", "2026-02-28", "2026-03-31"),
        ("2028-01-31", "2028-02-28", "2028-01-31", "2028-02-29"),
        ("2026-01-31", "2026-04-30", "2026-04-30", "2026-05-31"),
        ("2024-02-29", "2026-02-28", "2026-02-28", "2026-03-29"),
        ("2026-01-15", "2025-12-31", "2025-12-15", "2026-01-15"),
    ],
)
def test_a_period_begins_on_the_day_of_the_anniversary_or_on_the_months_last(
    anniversary: str, day: str, start: str, end: str
) -> None:
    found = period_of(date.fromisoformat(anniversary), date.fromisoformat(day))
    assert found == Period(date.fromisoformat(start), date.fromisoformat(end))


@given(days, days)
def test_each_day_is_in_its_period(anniversary: date, day: date) -> None:
    start, end = period_of(anniversary, day)
    assert start <= day < end


@given(days, days)
def test_periods_meet_without_a_gap(anniversary: date, day: date) -> None:
    start, end = period_of(anniversary, day)
    assert period_of(anniversary, end).start == end
    assert period_of(anniversary, start - timedelta(days=1)).end == start


@given(days, days)
def test_every_day_of_a_period_is_in_the_same_one(anniversary: date, day: date) -> None:
    start, end = period_of(anniversary, day)
    for number in range((end - start).days):
        assert period_of(anniversary, start + timedelta(days=number)) == Period(start, end)


@given(days, days)
def test_a_period_begins_on_the_anniversarys_day_wherever_the_month_has_it(
    anniversary: date, day: date
) -> None:
    start, _ = period_of(anniversary, day)
    is_last_of_month = (start + timedelta(days=1)).day == 1
    assert start.day == anniversary.day or (start.day < anniversary.day and is_last_of_month)
