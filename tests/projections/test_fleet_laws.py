"""Laws of the fleet model: however it is followed, it says what the events say."""

from random import Random
from typing import Any

import pytest
from msgspec.structs import asdict

from domain.log.history import device_history, product_history
from projections.fleet import DeviceRow, catalogue_as_of, device_as_of
from projections.fleet.model import FleetModel
from projections.fleet.rows import DEVICE_COLUMNS
from projections.history import HistoryModel
from projections.rebuilding.rebuild import rebuild
from tests.projections.following import follow, query, rows_of
from tests.projections.world import DEVICES, PRODUCTS, World, live_on

TURNS = 120


def columns_of(row: DeviceRow) -> dict[str, Any]:
    """As the database gives them."""
    found = {column: getattr(row, column) for column in DEVICE_COLUMNS}
    return found | {"removed_from": list(row.removed_from)}


RECOUNT = """
    SELECT product_id, cohort_id, running, online,
           CASE WHEN here THEN update_state END, CASE WHEN here THEN update_version END,
           CASE WHEN here THEN told END, CASE WHEN here THEN told_version END, count(*)
    FROM (SELECT *, told_product_id IS NOT DISTINCT FROM product_id AS here
          FROM fleet.device WHERE product_id IS NOT NULL) AS device
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
"""


@pytest.mark.parametrize("seed", range(3))
def test_however_long_the_pages_the_tables_are_what_the_events_lead_to(
    database: str, fleet_world: World, seed: int
) -> None:
    random = Random(seed)
    for _ in range(4):
        live_on(fleet_world, random, TURNS // 4)
        pages = random.choice([1, 2, 7, 5000])
        held = random.choice([0, 2, 5000])
        follow(database, FleetModel(page_events_max=pages, rows_held_max=held))

    assert rows_of(database, "fleet.device"), "nothing happened"
    for one in DEVICES:
        records = device_history(fleet_world.fleet, one)
        as_of = device_as_of(records)
        found = [row for row in rows_of(database, "fleet.device") if row["device_id"] == one]
        assert found == ([] if as_of is None else [columns_of(as_of)])
    for product_id in PRODUCTS:
        rows = catalogue_as_of(product_history(fleet_world.fleet, product_id))
        for table, kind in (
            ("product", rows.products),
            ("device_group", rows.groups),
            ("firmware", rows.firmware),
        ):
            stored = [
                row
                for row in rows_of(database, f"fleet.{table}")
                if row["product_id"] == product_id
            ]
            expected = [asdict(row) for row in kind.values()]
            assert sorted(stored, key=repr) == sorted(expected, key=repr)


@pytest.mark.parametrize("seed", range(3))
def test_the_tally_is_a_count_of_the_devices(database: str, fleet_world: World, seed: int) -> None:
    random = Random(100 + seed)
    for _ in range(3):
        live_on(fleet_world, random, TURNS // 3)
        follow(database, FleetModel(page_events_max=random.choice([1, 3, 5000])))
        tally = query(database, "SELECT * FROM fleet.tally")

        assert sorted(tally, key=repr) == sorted(query(database, RECOUNT), key=repr)


@pytest.mark.parametrize("seed", range(3))
def test_a_rebuilt_model_equals_the_live_one(
    database: str, fleet_world: World, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = Random(200 + seed)
    live_on(fleet_world, random, TURNS)
    follow(database, FleetModel(page_events_max=7), HistoryModel(page_events_max=11))
    before = {table: rows_of(database, table) for table in ("fleet.device", "history.entry")}
    monkeypatch.setattr("projections.rebuilding.building.PAGE_EVENTS", 13)
    monkeypatch.setattr(
        "projections.rebuilding.building.ROWS_HELD_MAX", random.choice([1, 3, 1000])
    )

    for model in ("fleet", "history"):
        rebuild(database, model, accept=False, say=print)  # raises Differs if it is not the same

    assert {table: rows_of(database, table) for table in before} == before
    live_on(fleet_world, random, 20)
    follow(database, FleetModel(), HistoryModel())
    rebuild(database, "fleet", accept=False, say=print)
