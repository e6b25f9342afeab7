"""A device is in one product at most, and nobody who was turned away gets in by asking."""

from collections.abc import Sequence

from hypothesis import event, given

from domain.device import DEVICE
from domain.device_commands import (
    DenyDevice,
    DeviceCommand,
    ImportDevice,
    JoinDevice,
    QuarantineDevice,
    RemoveDevice,
)
from domain.device_events import (
    DeviceDenied,
    DeviceEvent,
    DeviceImported,
    DeviceJoined,
    DeviceQuarantined,
    DeviceRemoved,
    Standing,
)
from domain.model import Refused, fold
from tests.laws.pools import law, some_of

COMINGS_AND_GOINGS = (ImportDevice, QuarantineDevice, JoinDevice, DenyDevice, RemoveDevice)
ENTERED = (DeviceImported, DeviceJoined)
TURNED_AWAY = (DeviceRemoved, DeviceDenied)


def history_of(commands: Sequence[DeviceCommand]) -> list[DeviceEvent]:
    history: list[DeviceEvent] = []
    for command in commands:
        try:
            history += DEVICE.decide(fold(DEVICE, history), command)
        except Refused:
            continue
    return history


@law
@given(some_of(COMINGS_AND_GOINGS, size_max=20))
def test_a_device_is_in_one_product_at_most(commands: list[DeviceCommand]) -> None:
    member_of: set[int] = set()
    for happened in history_of(commands):
        match happened:
            case DeviceImported(product_id=product_id) | DeviceJoined(product_id=product_id):
                member_of.add(product_id)
            case DeviceQuarantined(product_id=product_id):
                assert product_id not in member_of  # nobody is put back to waiting
            case DeviceRemoved(product_id=product_id) | DeviceDenied(product_id=product_id):
                member_of.discard(product_id)
        assert len(member_of) <= 1


@law
@given(some_of(COMINGS_AND_GOINGS, size_max=20))
def test_a_device_that_was_turned_away_comes_in_only_by_import(
    commands: list[DeviceCommand],
) -> None:
    turned_away: set[int] = set()
    for happened in history_of(commands):
        match happened:
            case DeviceImported(product_id=product_id):
                turned_away.discard(product_id)
            case DeviceJoined(product_id=product_id) | DeviceQuarantined(product_id=product_id):
                assert product_id not in turned_away
            case DeviceRemoved(product_id=product_id) | DeviceDenied(product_id=product_id):
                turned_away.add(product_id)
    event(f"turned away from {len(turned_away)}")


@law
@given(some_of(COMINGS_AND_GOINGS, size_max=20), some_of((QuarantineDevice, JoinDevice)))
def test_asking_makes_no_member_of_another_product(
    commands: list[DeviceCommand], asking: list[DeviceCommand]
) -> None:
    history = history_of(commands)
    before = fold(DEVICE, history)
    after = fold(DEVICE, history_of([*commands, *asking]))
    if before.standing == Standing.MEMBER:
        assert after == before
