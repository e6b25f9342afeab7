from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.deliveries.retrying import (
    GIVEN_UP_AFTER,
    WAIT_S_MAX,
    WAIT_S_MIN,
    due_after,
    is_servers_trouble,
    seconds_asked,
)

SINCE = datetime(2026, 11, 21, tzinfo=UTC)
fractions = st.floats(min_value=0.0, max_value=1.0)


def waits(jitter: float) -> list[float]:
    """How long each wait is, until it is given up."""
    now, found = SINCE, []
    while due := due_after(len(found) + 1, now, SINCE, jitter=jitter):
        found.append((due - now).total_seconds())
        now = due
    assert now == SINCE + GIVEN_UP_AFTER
    return found


def test_waits_double_up_to_an_hour_for_a_day() -> None:
    found = waits(jitter=0.0)
    assert found[:5] == [10, 20, 40, 80, 160]
    assert set(found[9:-1]) == {WAIT_S_MAX}
    assert len(found) == 32


@given(fractions)
def test_whatever_the_jitter_the_last_attempt_is_made_when_the_day_is_over(jitter: float) -> None:
    found = waits(jitter)
    assert all(WAIT_S_MIN / 2 <= wait <= WAIT_S_MAX for wait in found[:-1])
    assert len(found) < 70


@given(st.integers(min_value=1, max_value=10_000), fractions)
def test_nothing_is_tried_again_after_the_day(attempts: int, jitter: float) -> None:
    assert due_after(attempts, SINCE + GIVEN_UP_AFTER, SINCE, jitter=jitter) is None
    shortly = SINCE + GIVEN_UP_AFTER - timedelta(seconds=1)
    assert due_after(attempts, shortly, SINCE, jitter=jitter) == SINCE + GIVEN_UP_AFTER


def test_a_server_is_given_the_time_that_it_asks_for_within_bounds() -> None:
    for asked, waited in ((0.0, 10), (5.0, 10), (120.0, 120), (1e9, 3600)):
        due = due_after(1, SINCE, SINCE, jitter=0.0, asked_s=asked)
        assert due == SINCE + timedelta(seconds=waited)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("120", 120.0), ("", 0.0), ("-5", 0.0), ("Wed, 21 Oct 2026 07:28:00 GMT", 0.0), ("٣", 0.0)],
)
def test_what_a_server_asks_for_is_read_where_it_is_a_number(said: str, seconds: float) -> None:
    assert seconds_asked(said) == seconds


def test_which_answers_are_trouble_of_the_server() -> None:
    answers = (None, 200, 301, 400, 404, 429, 500, 503)
    troubled = [status for status in answers if is_servers_trouble(status)]
    assert troubled == [None, 429, 500, 503]
