"""What is found in the table is what the filter finds: one rule, written in Python and in SQL."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.database import Database
from api.said.earshot import Earshot
from api.said.feed import Interest
from api.said.frames import Form
from api.said.stored import Found, Stored, Wanted, find
from domain.log_filter import LogFilter, Range
from projections.device_events.telemetry import AFTER, DeviceEventRow
from tests.api.said.saying import make_day, say

HOLDER, DEVICE, OTHER = "f" * 24, "a" * 24, "b" * 24
DAY = datetime(2026, 11, 21, tzinfo=UTC)
# Little enough that what is looked for is often found, with what may be taken for something else.
LETTERS = "aAbB0159.-+eE _%\\\"'äÄ°İ\n\t"
TEXT = st.text(LETTERS, max_size=6)
PART = st.text(LETTERS, min_size=1, max_size=2).map(lambda text: text.encode().lower().decode())
NUMBERS = st.one_of(
    st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-99, max_value=99),
    st.integers(-99, 99),
)
SPELLED = st.one_of(
    NUMBERS.map(str),
    st.sampled_from(["1e3", "-.5", "5.", "+7", " 8 ", "1e999", "-1E-999"]),
    st.sampled_from(["1_0", "٣", "0x1", "9\n", "NaN", "1e1000"]),
)
EVENTS = st.lists(
    st.fixed_dictionaries(
        {
            "name": TEXT.filter(bool),
            "data": st.one_of(st.none(), TEXT, SPELLED),
            "device_id": st.sampled_from([DEVICE, OTHER, "api"]),
            "user_id": st.sampled_from([HOLDER, OTHER, None]),
            "product_id": st.sampled_from([101, 102, None]),
            "publisher": st.sampled_from([None, "api", "particle-internal"]),
            "published_at": st.integers(0, 86_399_999_999).map(
                lambda microseconds: DAY + timedelta(microseconds=microseconds)
            ),
        }
    ),
    min_size=1,
    max_size=12,
)


@st.composite
def ranges(draw: st.DrawFn) -> Range:
    least, most = sorted(draw(st.tuples(NUMBERS, NUMBERS)))
    return Range(
        draw(st.sampled_from([None, Decimal(least)])), draw(st.sampled_from([None, Decimal(most)]))
    )


FILTERS = st.builds(
    LogFilter,
    words=st.lists(st.one_of(PART, st.just("2026-11-21t1")), max_size=2).map(tuple),
    devices=st.lists(st.sampled_from([DEVICE, "cellar", "api"]), max_size=2).map(tuple),
    events=st.lists(PART, max_size=2).map(tuple),
    data=st.lists(PART, max_size=2).map(tuple),
    ranges=st.lists(ranges(), max_size=2).map(tuple),
)
EARSHOTS = st.builds(
    Earshot,
    product_ids=st.sampled_from([None, frozenset(), frozenset({101}), frozenset({101, 102})]),
    holder=st.just(HOLDER),
    device_id=st.sampled_from(["", DEVICE]),
    prefix=st.one_of(st.just(""), st.text(LETTERS, max_size=1)),
)
NAMED = """
    INSERT INTO fleet.device (device_id, name, owner, facts_position, last_position)
    VALUES (%s, 'Cellar', %s, 0, 0)
"""


@pytest.fixture
def table(database: str) -> str:
    """A device of the holder's with a name, which no product's team may know."""
    with psycopg.connect(database) as connection:
        make_day(connection, DAY.date())
        connection.execute(NAMED, [DEVICE, HOLDER])
    return database


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(events=EVENTS, earshot=EARSHOTS, wanted=FILTERS)
def test_what_is_found_is_what_would_be_told(
    table: str, events: list[dict[str, Any]], earshot: Earshot, wanted: LogFilter
) -> None:
    with psycopg.connect(table) as connection:
        connection.execute("TRUNCATE telemetry.device_event")
    last = say(table, *events)
    interest = Interest(earshot, Form.LOG, wanted)
    told = [stored.row.id for stored in rows_of(table, earshot) if interest.takes(stored)]
    found = asyncio.run(found_in(table, Wanted(earshot, wanted)))
    assert [stored.row.id for stored in found.said] == told
    assert found.looked_to is None
    assert max(told, default=0) <= last


def rows_of(table: str, earshot: Earshot) -> list[Stored]:
    """Every row, as the feed has it."""
    with psycopg.connect(table) as connection:
        connection.execute("SET timezone = 'UTC'")
        rows = [DeviceEventRow(*row) for row in connection.execute(AFTER, [0, 1_000])]
    known = "Cellar" if earshot.may_name(HOLDER, None) else None
    return [Stored(row, known if row.device_id == DEVICE else None) for row in rows]


async def found_in(table: str, wanted: Wanted, limit: int = 100) -> Found:
    database = Database(table)
    await database.open()
    try:
        async with database.reading() as rows:
            return await find(rows, wanted, limit)
    finally:
        await database.close()


MANY = """
    INSERT INTO telemetry.device_event
        (device_id, product_id, user_id, name, data, ttl, published_at)
    SELECT lpad(to_hex(n %% 50), 24, '0'), 101 + n %% 3, NULL, 'said', 'x', 60, %s
    FROM generate_series(1, 30000) n
"""


def test_however_much_is_stored_little_is_read(table: str) -> None:
    """Each product by its index, in order, one merged with the other; and no further than asked."""
    with psycopg.connect(table) as connection:
        connection.execute(MANY, [DAY])
        connection.execute("ANALYZE telemetry.device_event")
    wanted = Wanted(Earshot(frozenset({101, 102})), after=10)
    found = asyncio.run(found_in(table, wanted, limit=20))
    assert len(found.said) == 20
    assert {stored.row.product_id for stored in found.said} == {101, 102}
    rare = Wanted(Earshot(frozenset({101, 102})), LogFilter(words=("never",)))
    assert asyncio.run(found_in(table, rare)).looked_to == 30_000
