"""What nobody needs any more of what was sent and used is removed, and nothing else."""

import pytest

from projections.deliveries.tidying import tidy
from tests.projections.deliveries.world import DEVICE, World
from tests.projections.following import connected

NOWHERE = "http://nowhere.example/"


def tidied(world: World) -> None:
    with connected(world.database) as connection:
        assert tidy(connection, world.now)


def test_what_nobody_needs_any_more_is_removed(world: World) -> None:
    world.webhook(NOWHERE)
    world.say(*map(str, range(6)))
    world.dispatch()
    long_ago = "settled_at = now() - interval '91 days', state ="
    for place, change in {
        1: f"{long_ago} 'delivered', batch_id = 'in the log'",
        2: f"{long_ago} 'delivered'",
        3: f"{long_ago} 'not_sent'",
        4: f"{long_ago} 'parked'",
        5: "settled_at = now(), state = 'not_sent'",
    }.items():
        world.sql(f"UPDATE outbound.delivery SET {change} WHERE place = {place}")
    world.sql(
        "INSERT INTO outbound.attempt (delivery_id, integration_id, device_id, place, attempt, at,"
        " took_ms, delivered, method, host, request_bytes, error, response)"
        " SELECT 1, '', '', 1, 1, now() - days * interval '1 day', 0, true, '', '', 0, '', ''"
        " FROM unnest('{31, 29}'::int[]) days"
    )
    tidied(world)
    assert world.sql("SELECT place FROM outbound.delivery ORDER BY place") == [
        (2,), (4,), (5,), (6,)
    ]  # fmt: skip
    assert world.sql("SELECT at > now() - interval '30 days' FROM outbound.attempt") == [(True,)]


def test_what_is_parked_for_a_removed_integration_is_over(world: World) -> None:
    integration_id = world.webhook(NOWHERE)
    world.say("1")
    world.dispatch()
    world.sql("UPDATE outbound.delivery SET state = 'parked'")
    tidied(world)
    assert world.states() == {"parked": 1}
    world.remove(integration_id)
    tidied(world)
    assert world.states() == {"cancelled": 1}


def test_lanes_of_a_removed_integration_go_once_nothing_is_in_them(world: World) -> None:
    stays, goes = world.webhook(NOWHERE), world.webhook(NOWHERE)
    world.say("1")
    world.dispatch()
    world.remove(goes)
    tidied(world)
    lanes = "SELECT integration_id, device_id FROM outbound.lane ORDER BY 1"
    assert world.sql(lanes) == [(stays, DEVICE), (goes, DEVICE)]
    world.sql("UPDATE outbound.lane SET due_at = NULL")
    tidied(world)
    assert world.sql(lanes) == [(stays, DEVICE)]


@pytest.mark.parametrize(
    ("table", "columns", "stays", "goes"),
    [
        ("outbound.day", "'i', current_date - %s, 1, 1, 1", 30, 31),
        ("outbound.circuit", "'h' || {0}, 1, 0, NULL, now() - {0} * interval '1 hour'", 23, 25),
        ("usage.data", "'d', 1, current_date - %s, 1, 1", 100, 101),
    ],
)
def test_days_failures_and_data_are_kept_for_so_long(
    world: World, table: str, columns: str, stays: int, goes: int
) -> None:
    world.sql("INSERT INTO usage.data_recorded VALUES (true, current_date, current_date)")
    for age in (stays, goes):
        world.sql(f"INSERT INTO {table} SELECT {columns.replace('%s', str(age)).format(age)}")
    kept = world.sql(f"SELECT * FROM {table}")
    tidied(world)
    assert world.sql(f"SELECT * FROM {table}") == kept[:1]


def test_a_circuit_that_is_still_open_is_kept_however_old_its_failure(world: World) -> None:
    world.sql(
        "INSERT INTO outbound.circuit VALUES ('h', 10, 1, now() + interval '1 minute',"
        " now() - interval '2 days')"
    )
    tidied(world)
    assert len(world.sql("SELECT 1 FROM outbound.circuit")) == 1


def test_data_that_is_not_in_the_log_yet_is_kept(world: World) -> None:
    world.sql("INSERT INTO usage.data VALUES ('d', 1, current_date - 101, 1, 1)")
    world.sql("INSERT INTO usage.data_recorded SELECT true, current_date - 101, current_date - 101")
    tidied(world)
    assert len(world.sql("SELECT 1 FROM usage.data")) == 1


def test_of_old_replays_the_last_one_stays_whose_number_is_followed(world: World) -> None:
    world.sql(
        "INSERT INTO outbound.replay SELECT 'i', number, 'request ' || number, 1, 1,"
        " now() - interval '91 days' FROM generate_series(1, 3) number"
    )
    tidied(world)
    assert world.sql("SELECT replay FROM outbound.replay") == [(3,)]
