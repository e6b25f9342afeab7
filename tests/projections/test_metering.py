"""What was counted is said in the log, each unit once, and the read model adds up to the same."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from domain.allowance import SetAllowance
from domain.log.fleet import Fleet
from domain.meter import DataMetered, OutboundMessagesMetered, UsageLimitReached, UsageWarned
from domain.product import CreateProduct
from projections.fleet.model import FleetModel
from projections.metering.model import MeteredModel
from projections.metering.task import Metering
from projections.rebuilding.rebuild import rebuild
from tests.projections.following import follow, query, rows_of, run
from tests.projections.test_reactions import of_kind
from tests.projections.world import World

INTEGRATION = "5f1e0c0000000000000000ea"
OWNER = "5f1e0c0000000000000000ce"
METER = "product-7000"
START, END = date(2030, 1, 15), date(2030, 2, 15)
NOON = datetime(2030, 2, 1, 12, tzinfo=UTC)

DELIVERED = """
    INSERT INTO outbound.delivery (place, published_at, integration_id, device_id, meter, state,
                                   since, settled_at, period_start)
    SELECT place, %(at)s, %(integration)s, 'device' || place %% 3, %(meter)s, 'delivered',
           %(at)s, %(at)s, %(start)s
    FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS place
"""
METERS = """
    INSERT INTO usage.meter (meter, period_start, period_end, counted) VALUES (%s, %s, %s, 0)
    ON CONFLICT DO NOTHING
"""
STREAMED = """
    INSERT INTO usage.streamed (meter, period_start, messages, devices, first_place, last_place,
                                settled_at)
    VALUES (%s, %s, %s, %s, 1, 9, %s)
"""


class Cloud:
    """What deliveries and streams leave behind, and the task that looks after it."""

    def __init__(self, database: str, world: World) -> None:
        self.database = database
        self.world = world
        self.now = NOON

    def deliver(self, first: int, last: int, **changes: Any) -> None:
        """Device events from one place to another were sent."""
        said = {"at": NOON, "integration": INTEGRATION, "meter": METER, "start": START, **changes}
        with psycopg.connect(self.database) as connection:
            connection.execute(METERS, [said["meter"], START, END])
            connection.execute(DELIVERED, {**said, "first": first, "last": last})

    def stream(self, devices: dict[str, int]) -> None:
        with psycopg.connect(self.database) as connection:
            connection.execute(METERS, [METER, START, END])
            total = sum(devices.values())
            connection.execute(STREAMED, [METER, START, total, Jsonb(devices), NOON])

    def meter(self) -> None:
        task = Metering(lambda: self.world.fleet, now=lambda: self.now)
        run(self.database, task)
        follow(self.database, MeteredModel())

    def of_kind(self, kind: Any) -> list[Any]:
        return [one.event for one in of_kind(self.world, kind)]


@pytest.fixture
def cloud(database: str, fleet_world: World) -> Cloud:
    fleet_world.do(
        CreateProduct(
            product_id=7000, platform_id=6, name="Lamp", slug="lamp", owner=f"user:{OWNER}"
        )
    )
    follow(database, FleetModel(), MeteredModel())
    return Cloud(database, fleet_world)


def test_what_was_delivered_is_said_in_the_log_once(cloud: Cloud) -> None:
    cloud.deliver(1, 7)
    cloud.meter()
    cloud.meter()

    (said,) = cloud.of_kind(OutboundMessagesMetered)
    assert (said.meter, said.product_id, said.integration_id) == (METER, 7000, INTEGRATION)
    assert (said.messages, said.first_place, said.last_place) == (7, 1, 7)
    assert said.devices == {"device0": 2, "device1": 3, "device2": 2}
    assert (said.day, said.period_start, said.period_end) == ("2030-02-01", f"{START}", f"{END}")
    found = query(cloud.database, "SELECT DISTINCT batch_id FROM outbound.delivery")
    assert found == [(said.batch_id,)]


def test_a_crash_between_log_and_table_says_nothing_twice(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.deliver(1, 7)
    record = Fleet.record

    def dies_after(self: Fleet, *arguments: Any) -> int:
        record(self, *arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Fleet, "record", dies_after)
        with pytest.raises(KeyboardInterrupt):
            cloud.meter()
    cloud.meter()

    assert [one.messages for one in cloud.of_kind(OutboundMessagesMetered)] == [7]
    assert query(cloud.database, "SELECT count(*) FROM usage.batch") == [(0,)]


def test_what_came_too_late_for_its_period_counts_on_its_last_day(cloud: Cloud) -> None:
    cloud.deliver(1, 1, at=datetime(2030, 2, 15, 0, 0, 1, tzinfo=UTC))
    cloud.meter()

    (said,) = cloud.of_kind(OutboundMessagesMetered)
    assert said.day == "2030-02-14"


def test_streams_count_beside_integrations(cloud: Cloud) -> None:
    cloud.stream({"device1": 2, "api": 1})
    cloud.stream({"device1": 1})
    cloud.deliver(1, 1)
    cloud.meter()

    said = {one.integration_id: one.messages for one in cloud.of_kind(OutboundMessagesMetered)}
    assert said == {"": 4, INTEGRATION: 1}
    rows = "SELECT device_id, messages FROM metered.device_day ORDER BY 1"
    assert query(cloud.database, rows) == [("api", 1), ("device1", 4)]


def test_whoever_pays_is_warned_and_told_of_the_limit(cloud: Cloud) -> None:
    cloud.world.do(SetAllowance(meter=METER, limit=10))
    follow(cloud.database, MeteredModel())
    cloud.deliver(1, 7)
    cloud.meter()
    cloud.deliver(8, 10)
    cloud.now += timedelta(minutes=1)
    cloud.meter()

    (warned,) = cloud.of_kind(UsageWarned)
    assert (warned.percent, warned.messages, warned.payer) == (70, 7, OWNER)
    (reached,) = cloud.of_kind(UsageLimitReached)
    assert (reached.limit, reached.messages, reached.payer) == (10, 10, OWNER)
    (period,) = rows_of(cloud.database, "metered.period")
    assert (period["messages"], period["warned_percent"]) == (10, 70)
    assert period["reached_at"] is not None


def test_the_parts_add_up_to_the_log(cloud: Cloud) -> None:
    for first in range(1, 5_000, 1_000):
        cloud.deliver(first, first + 999, integration=f"{first % 2:024x}")
    cloud.stream({f"device{number}": number + 1 for number in range(50)})
    cloud.meter()

    total = sum(one.messages for one in cloud.of_kind(OutboundMessagesMetered))
    assert total == 5_000 + sum(range(1, 51))
    for table in ("period", "integration_day", "device_day", "batch"):
        found = query(cloud.database, f"SELECT sum(messages) FROM metered.{table}")
        assert found == [(total,)], table


def test_data_of_a_day_is_said_once_it_is_over(cloud: Cloud) -> None:
    with psycopg.connect(cloud.database) as connection:
        for device, day, count in [("a", 1, 2), ("b", 1, 3), ("a", 2, 9)]:
            connection.execute(
                "INSERT INTO usage.data VALUES (%s, 7000, %s, %s, %s)",
                [device, date(2030, 2, day), count, 100 * count],
            )
    cloud.now = datetime(2030, 2, 2, 0, 9, tzinfo=UTC)
    cloud.meter()
    assert cloud.of_kind(DataMetered) == []
    cloud.now = datetime(2030, 2, 2, 0, 11, tzinfo=UTC)
    cloud.meter()
    cloud.meter()

    (said,) = cloud.of_kind(DataMetered)
    assert (said.day, said.messages, said.bytes, said.devices) == ("2030-02-01", 5, 500, 2)
    (row,) = rows_of(cloud.database, "metered.data_day")
    assert (row["bytes"], row["devices"]) == (500, 2)


def test_a_device_in_no_product_is_its_owners(cloud: Cloud) -> None:
    with psycopg.connect(cloud.database) as connection:
        connection.execute(
            "INSERT INTO access.account (user_id, email, profile, administrator, recovery, erased,"
            " created_at, updated_at) VALUES (%s, 'a@x.example', '{}', false, '{}', false, %s, %s)",
            [OWNER, START, START],
        )
        for device, owner in (("a", OWNER), ("b", None)):
            connection.execute(
                "INSERT INTO fleet.device (device_id, owner, facts_position, last_position)"
                " VALUES (%s, %s, 0, 0)",
                [device, owner],
            )
            connection.execute(
                "INSERT INTO usage.data VALUES (%s, 0, %s, 3, 300)", [device, date(2030, 2, 1)]
            )
    cloud.now = datetime(2030, 2, 2, 1, tzinfo=UTC)
    cloud.meter()

    (said,) = cloud.of_kind(DataMetered)
    assert (said.meter, said.product_id) == (f"user-{OWNER}", None)
    assert (said.messages, said.bytes, said.devices) == (3, 300, 1)
    assert (said.period_start, said.period_end) == (f"{START}", f"{END}")


def test_a_day_is_closed_before_it_is_counted(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever stores what devices send counts it for the first day that is not. A crash in between
    changes nothing: the day is counted once."""
    cloud.now = datetime(2030, 2, 2, 0, 11, tzinfo=UTC)
    day = date(2030, 2, 1)
    recorded = "SELECT before, closed_before FROM usage.data_recorded"
    with psycopg.connect(cloud.database) as connection:
        connection.execute("INSERT INTO usage.data VALUES ('a', 7000, %s, 1, 1)", [day])
    record = Fleet.record

    def dies_after(self: Fleet, *arguments: Any) -> int:
        assert query(cloud.database, recorded) == [(day, day + timedelta(days=1))]
        record(self, *arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Fleet, "record", dies_after)
        with pytest.raises(KeyboardInterrupt):
            cloud.meter()
    cloud.meter()

    assert [one.day for one in cloud.of_kind(DataMetered)] == [day.isoformat()]
    assert query(cloud.database, recorded) == [(day + timedelta(days=1),) * 2]


def test_a_rebuild_says_the_same(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    cloud.world.do(SetAllowance(meter=METER, limit=10))
    cloud.deliver(1, 12)
    cloud.stream({"device1": 2})
    cloud.meter()

    rebuild(cloud.database, "metered", accept=False, say=print)

    assert "DIFFERENT" not in capsys.readouterr().out
    assert query(cloud.database, "SELECT messages FROM metered.period") == [(14,)]
