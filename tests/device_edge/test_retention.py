"""How long device events are kept: days made ahead, dropped when nobody keeps them, and thinned."""

from collections.abc import AsyncIterator, Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import psycopg
import pytest
import pytest_asyncio
from psycopg import AsyncConnection

from device_edge.intake import retention
from device_edge.intake.days import DAYS_AHEAD, DROPPED_AT_ONCE_MAX, PARTITIONS, Days, day_of
from device_edge.intake.retention import Retention
from tests.device_edge.test_journal import rows

pytestmark = pytest.mark.asyncio
TODAY = date(2026, 12, 30)
NOON = time(12, tzinfo=UTC)
Connection = AsyncConnection[tuple[Any, ...]]


@pytest_asyncio.fixture
async def connection(database: str) -> AsyncIterator[Connection]:
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as opened:
        yield opened


def days_of(database: str) -> list[date]:
    return [day_of(name) for (name,) in rows(database, PARTITIONS)]


def days_back(*back: int) -> list[date]:
    return [TODAY - timedelta(days=one) for one in back]


async def make(connection: Connection, days: Iterable[date]) -> None:
    made = Days()
    for day in days:
        await made.make(connection, day)


async def put(connection: Connection, back: int, product_id: int | None, count: int = 1) -> None:
    await make(connection, days_back(back))
    await connection.execute(
        "INSERT INTO telemetry.device_event (device_id, product_id, name, ttl, published_at)"
        " SELECT 'd', %s, %s, 60, %s FROM generate_series(1, %s)",
        [product_id, f"{product_id} {back}", datetime.combine(days_back(back)[0], NOON), count],
    )


async def keeps(connection: Connection, product_id: int, days: int | None) -> None:
    await connection.execute(
        "INSERT INTO fleet.product VALUES (%s, 6, 'n', %s, '', '', false, 3, false, NULL, '{}',"
        " now(), now(), 0, false, %s)",
        [product_id, f"slug-{product_id}", days],
    )


async def settle(connection: Connection, kept: Retention) -> None:
    for _ in range(100):
        if not await kept.keep_up(connection, TODAY):
            return
    raise AssertionError("there is always more to delete")


def left(database: str) -> list[str]:
    found = rows(database, "SELECT DISTINCT name FROM telemetry.device_event ORDER BY name")
    return [name for (name,) in found]


async def test_days_are_made_ahead(database: str, connection: Connection) -> None:
    for _ in range(2):
        await Retention(Days()).keep_up(connection, TODAY)
    assert days_of(database) == days_back(*range(0, -DAYS_AHEAD - 1, -1))


async def test_days_past_their_keeping_are_dropped_a_few_at_once(
    database: str, connection: Connection
) -> None:
    await make(connection, days_back(*range(1, 31 + DROPPED_AT_ONCE_MAX + 5)))
    kept = Retention(Days(), 30)
    await kept.keep_up(connection, TODAY)
    assert len(days_of(database)) == 30 + 5 + DAYS_AHEAD + 1
    await kept.keep_up(connection, TODAY)
    assert days_of(database)[0] == TODAY - timedelta(days=30)


async def test_a_product_that_keeps_less_loses_its_rows_and_nobody_else_theirs(
    database: str, connection: Connection
) -> None:
    await keeps(connection, 94, 2)
    await keeps(connection, 95, None)
    for back in (1, 2, 3, 30):
        for product_id in (94, 95, None):
            await put(connection, back, product_id)
    await settle(connection, Retention(Days(), 30))
    others = sorted(f"{whose} {back}" for whose in (95, None) for back in (1, 2, 3, 30))
    assert left(database) == sorted(["94 1", "94 2", *others])


async def test_a_product_that_keeps_more_keeps_its_days_for_itself(
    database: str, connection: Connection
) -> None:
    await keeps(connection, 94, 10)
    for back in (3, 4, 10, 11):
        for product_id in (94, 95, None):
            await put(connection, back, product_id)
    await settle(connection, Retention(Days(), 3))
    assert left(database) == sorted(["94 10", "94 3", "94 4", "95 3", "None 3"])
    assert days_of(database)[0] == TODAY - timedelta(days=10)


async def test_rows_are_deleted_some_at_a_time(
    database: str, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "DELETED_AT_ONCE_MAX", 10)
    await keeps(connection, 94, 1)
    await put(connection, 2, 94, count=25)
    kept = Retention(Days(), 30)
    counts = []
    for _ in range(3):
        assert await kept.keep_up(connection, TODAY)
        counts.append(rows(database, "SELECT count(*) FROM telemetry.device_event")[0][0])
    assert counts == [15, 5, 0]
    assert not await kept.keep_up(connection, TODAY)


async def test_a_product_that_comes_to_keep_less_is_swept_again(
    database: str, connection: Connection
) -> None:
    await keeps(connection, 94, 5)
    await put(connection, 4, 94)
    kept = Retention(Days(), 30)
    await settle(connection, kept)
    assert left(database) == ["94 4"]
    await connection.execute("UPDATE fleet.product SET device_event_days = 1")
    await settle(connection, kept)
    assert left(database) == []
