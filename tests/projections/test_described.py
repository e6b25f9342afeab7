"""What devices say they have, as it can be asked for: the last word of each, and no other."""

from typing import Any

from domain.description import Description, VariableType
from domain.session import RecordDescription
from projections.described import DescribedModel
from projections.fleet.model import FleetModel
from projections.rebuilding.rebuild import rebuild
from tests.projections.following import follow, query, rows_of
from tests.projections.world import World, device_id

ONE, TWO = device_id(1), device_id(2)


def describe(world: World, one: str, **has: Any) -> int:
    command = RecordDescription(device_id=one, at=world.at(), has=Description(**has))
    position = world.do(command).position
    assert position is not None
    return position


def test_the_last_description_of_a_device_counts(database: str, fleet_world: World) -> None:
    describe(fleet_world, ONE, functions=("old",), serial_number="S1")
    describe(fleet_world, TWO)
    variables = {"on": VariableType.BOOL, "name": VariableType.STRING}
    last = describe(
        fleet_world,
        ONE,
        functions=("b", "a"),
        variables=variables,
        imei="49",
        iccid="89",
        subscriptions=("weather/",),
    )

    follow(database, DescribedModel())

    one, two = rows_of(database, "described.device")
    assert one.pop("described_at").isoformat() == fleet_world.now.isoformat()
    assert one == {
        "device_id": ONE,
        "functions": ["b", "a"],
        "variables": {"on": "bool", "name": "string"},
        "serial_number": "",
        "imei": "49",
        "iccid": "89",
        "subscriptions": ["weather/"],
        "position": last,
    }
    assert (two["device_id"], two["functions"], two["variables"]) == (TWO, [], {})


def test_it_does_not_matter_where_pages_end(database: str, fleet_world: World) -> None:
    for number in range(9):
        describe(fleet_world, device_id(1 + number % 3), serial_number=f"S{number}")

    follow(database, DescribedModel(page_events_max=2))

    found = query(database, "SELECT serial_number FROM described.device ORDER BY device_id")
    assert found == [("S6",), ("S7",), ("S8",)]


def test_rebuilt_it_is_the_same(database: str, fleet_world: World) -> None:
    for number in range(20):
        fleet_world.hello(ONE)
        describe(fleet_world, device_id(1 + number % 3), functions=(f"f{number % 5}",))
    follow(database, DescribedModel())
    before = rows_of(database, "described.device")

    rebuild(database, "described", accept=False, say=print)  # raises Differs if it is not the same

    assert rows_of(database, "described.device") == before
    describe(fleet_world, ONE, functions=("afterwards",))
    follow(database, DescribedModel())
    said = "SELECT functions FROM described.device WHERE device_id = %s"
    assert query(database, said, ONE) == [(["afterwards"],)]


def test_the_fleet_takes_a_description_in_its_stride(database: str, fleet_world: World) -> None:
    fleet_world.product()
    fleet_world.member(ONE)
    fleet_world.hello(ONE)
    last = describe(fleet_world, ONE, functions=("f",))

    follow(database, FleetModel())

    assert query(database, "SELECT last_position, online FROM fleet.device") == [(last, True)]
