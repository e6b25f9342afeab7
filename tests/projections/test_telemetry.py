"""Reading device events by place costs what is read, however much is stored."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import Connection

from projections.device_events.telemetry import AFTER, LAST, last_place, page_after

EVENTS, DAYS = 20_000, 4


@pytest.fixture
def full(database: str) -> Iterator[Connection[tuple[Any, ...]]]:
    """Some days of events of 100 devices in two products."""
    with psycopg.connect(database, autocommit=True) as connection:
        for day in range(1, DAYS + 1):
            connection.execute(
                f"CREATE TABLE telemetry.device_event_2030010{day} PARTITION OF"
                f" telemetry.device_event FOR VALUES FROM ('2030-01-0{day}')"
                f" TO ('2030-01-0{day + 1}')".encode()
            )
        connection.execute(
            "INSERT INTO telemetry.device_event (device_id, product_id, user_id, name, data, ttl,"
            " published_at) SELECT 'device ' || number %% 100, 1 + number %% 2,"
            " CASE WHEN number %% 10 = 0 THEN 'ada' END, 'temperature', number::text, 60,"
            " timestamptz '2030-01-01' + number * interval '1 day' * %s / %s"
            " FROM generate_series(0, %s - 1) AS number",
            [DAYS, EVENTS, EVENTS],
        )
        connection.execute("ANALYZE telemetry.device_event")
        yield connection


def plan(connection: Connection[tuple[Any, ...]], query: str, *parameters: object) -> str:
    """As it is made once for whatever parameters, which is what a follower ends up with."""
    connection.execute("SET plan_cache_mode = force_generic_plan")
    types = ", ".join("bigint" if isinstance(one, int) else "text" for one in parameters)
    for number in range(1, len(parameters) + 1):
        query = query.replace("%s", f"${number}", 1)
    connection.execute(f"PREPARE asked ({types}) AS {query}".encode())
    given = ", ".join(repr(one) for one in parameters)
    lines = connection.execute(f"EXPLAIN EXECUTE asked ({given})".encode()).fetchall()
    connection.execute("DEALLOCATE asked")
    return "\n".join(line for (line,) in lines)


def test_pages_follow_one_another_without_a_gap(full: Connection[tuple[Any, ...]]) -> None:
    place, read = 0, []
    while page := page_after(full, place, 3_000):
        read += page
        place = page[-1].id
    assert [row.data for row in read] == [str(number) for number in range(EVENTS)]
    assert place == last_place(full)


@pytest.mark.parametrize(
    ("where", "parameters"),
    [
        ("", ()),
        ("product_id = 1 AND ", ()),
        ("device_id = %s AND ", ("device 7",)),
        ("user_id = %s AND ", ("ada",)),
    ],
)
def test_a_page_is_found_by_an_index_and_comes_in_order(
    full: Connection[tuple[Any, ...]], where: str, parameters: tuple[object, ...]
) -> None:
    found = plan(full, AFTER.replace("WHERE ", f"WHERE {where}"), *parameters, 5, 100)
    assert "Seq Scan" not in found
    assert "Sort\n" not in found


def test_the_last_place_is_found_without_reading(full: Connection[tuple[Any, ...]]) -> None:
    lines = full.execute(f"EXPLAIN {LAST}".encode()).fetchall()
    found = "\n".join(line for (line,) in lines)
    assert "Index Only Scan Backward" in found
    assert "Seq Scan" not in found


def test_an_empty_table_ends_at_place_0(database: str) -> None:
    with psycopg.connect(database) as connection:
        assert last_place(connection) == 0
        assert page_after(connection, 0) == []
