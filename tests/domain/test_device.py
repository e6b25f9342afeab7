"""The life of a device as people intend it: where it is, and what is said of it there."""

import pytest

from domain.device import DEVICE
from domain.device_commands import (
    AdmitDevice,
    DenyDevice,
    DeviceCommand,
    GroupDevice,
    ImportDevice,
    JoinDevice,
    NameDevice,
    NoteDevice,
    QuarantineDevice,
    RegroupDevice,
    RemoveDevice,
    StartBilling,
    UnlockFirmware,
)
from domain.device_events import (
    BillingStarted,
    DeviceDenied,
    DeviceGrouped,
    DeviceImported,
    DeviceJoined,
    DeviceNamed,
    DeviceNoted,
    DeviceQuarantined,
    DeviceRemoved,
    FirmwareLocked,
)
from domain.device_refusals import (
    DeviceInAnotherProduct,
    DeviceNotApproved,
    DeviceUnknown,
    TooManyGroupsForDevice,
)
from domain.names import GROUPS_PER_DEVICE_MAX
from domain.ownership import DeviceClaimed, DeviceUnclaimed
from tests.given import Story

ID = "e00fce681234567890abcdef"
HERE, THERE = 7000, 7001
story = Story(DEVICE)

imported = DeviceImported(device_id=ID, product_id=HERE)
imported_there = DeviceImported(device_id=ID, product_id=THERE)
quarantined = DeviceQuarantined(device_id=ID, product_id=HERE)
quarantined_there = DeviceQuarantined(device_id=ID, product_id=THERE)
joined = DeviceJoined(device_id=ID, product_id=HERE)
joined_there = DeviceJoined(device_id=ID, product_id=THERE)
denied = DeviceDenied(device_id=ID, product_id=HERE)
removed = DeviceRemoved(device_id=ID, product_id=HERE)
named = DeviceNamed(device_id=ID, name="Kitchen")
noted = DeviceNoted(device_id=ID, notes="Flickers")

take = ImportDevice(device_id=ID, product_id=HERE)
quarantine = QuarantineDevice(device_id=ID, product_id=HERE)
join = JoinDevice(device_id=ID, product_id=HERE)
admit = AdmitDevice(device_id=ID, product_id=HERE, owner="ada")
claimed = DeviceClaimed(device_id=ID, user_id="ada")
unclaimed = DeviceUnclaimed(device_id=ID, user_id="ada")
deny = DenyDevice(device_id=ID, product_id=HERE)
remove = RemoveDevice(device_id=ID, product_id=HERE)
name = NameDevice(device_id=ID, product_id=HERE, name="Kitchen")
note = NoteDevice(device_id=ID, product_id=HERE, notes="Flickers")
bill = StartBilling(device_id=ID, product_id=HERE)
billed = BillingStarted(device_id=ID, product_id=HERE)


def group(*groups: str) -> GroupDevice:
    return GroupDevice(device_id=ID, product_id=HERE, groups=groups)


def grouped(*groups: str) -> DeviceGrouped:
    return DeviceGrouped(device_id=ID, product_id=HERE, groups=groups)


def regroup(add: tuple[str, ...] = (), remove: tuple[str, ...] = ()) -> RegroupDevice:
    return RegroupDevice(device_id=ID, product_id=HERE, add=add, remove=remove)


def test_the_team_imports_a_device() -> None:
    story.given().when(take).then(imported)


def test_a_member_is_not_imported_again() -> None:
    story.given(imported).when(take).then_nothing()
    story.given(joined).when(take).then_nothing()


def test_the_team_approves_a_device_that_is_quarantined_or_denied_or_was_removed() -> None:
    story.given(quarantined).when(take).then(imported)
    story.given(quarantined, denied).when(take).then(imported)
    story.given(imported, removed).when(take).then(imported)


@pytest.mark.parametrize("command", [take, quarantine, join], ids=["import", "quarantine", "join"])
def test_a_member_of_another_product_does_not_come_over(command: DeviceCommand) -> None:
    refused = (DeviceInAnotherProduct, "The device belongs to another product.")
    story.given(imported_there).when(command).then_refused(*refused)
    story.given(joined_there).when(command).then_refused(*refused)


def test_a_device_that_only_waits_elsewhere_is_free_to_come() -> None:
    story.given(quarantined_there).when(take).then(imported)
    story.given(quarantined_there).when(quarantine).then(quarantined)
    story.given(quarantined_there).when(join).then(joined)


def test_a_device_that_asks_is_quarantined_or_joins_as_the_product_wants() -> None:
    story.given().when(quarantine).then(quarantined)
    story.given().when(join).then(joined)


def test_a_device_that_is_somebodys_waits_until_its_owner_is_looked_up() -> None:
    story.given(claimed).when(join).then(quarantined)
    story.given(claimed, unclaimed).when(join).then(joined)
    story.given(claimed, quarantined).when(admit).then(joined)


def test_only_a_device_that_waits_and_is_still_that_persons_is_let_in() -> None:
    for history in (
        [claimed],
        [quarantined],
        [claimed, quarantined, unclaimed],
        [claimed, quarantined, denied],
        [claimed, quarantined_there],
        [claimed, imported],
        [claimed, imported, removed],
    ):
        story.given(*history).when(admit).then_nothing()
    story.given(claimed, imported_there).when(admit).then_refused(DeviceInAnotherProduct)


def test_asking_again_changes_nothing() -> None:
    for standing in (quarantined, joined, imported, denied):
        story.given(standing).when(quarantine).then_nothing()
        story.given(standing).when(join).then_nothing()


def test_a_removed_device_that_asks_again_is_denied() -> None:
    story.given(imported, removed).when(quarantine).then(denied)
    story.given(imported, removed).when(join).then(denied)


def test_a_denied_device_that_asked_elsewhere_in_between_is_denied_again() -> None:
    story.given(quarantined, denied, quarantined_there).when(join).then(denied)
    story.given(quarantined, denied, quarantined_there).when(quarantine).then(denied)


def test_a_removed_device_may_ask_elsewhere() -> None:
    there = QuarantineDevice(device_id=ID, product_id=THERE)
    story.given(imported, removed).when(there).then(quarantined_there)


def test_a_device_taken_back_after_removal_is_no_longer_turned_away() -> None:
    history = (imported, removed, imported)
    story.given(*history).when(quarantine).then_nothing()
    story.given(*history).when(name).then(named)


def test_the_team_denies_a_device_once() -> None:
    story.given(quarantined).when(deny).then(denied)
    story.given(imported).when(deny).then(denied)
    story.given(quarantined, denied).when(deny).then_nothing()


def test_the_team_removes_a_device_once_whatever_its_standing() -> None:
    for standing in (imported, joined, quarantined, denied):
        story.given(standing).when(remove).then(removed)
        story.given(standing, removed).when(remove).then_nothing()


@pytest.mark.parametrize(
    "command",
    [deny, remove, name, note, group("beta"), bill, UnlockFirmware(device_id=ID, product_id=HERE)],
    ids=lambda command: type(command).__name__,
)
def test_a_device_that_is_not_in_the_product_is_unknown_there(command: DeviceCommand) -> None:
    refused = (DeviceUnknown, "Device not found for this product.")
    story.given().when(command).then_refused(*refused)
    story.given(imported_there).when(command).then_refused(*refused)


@pytest.mark.parametrize(
    ("standing", "word"), [(quarantined, "quarantined"), (denied, "denied")], ids=str
)
@pytest.mark.parametrize(
    "command",
    [group("beta"), regroup(("beta",)), bill, UnlockFirmware(device_id=ID, product_id=HERE)],
    ids=lambda command: type(command).__name__,
)
def test_only_a_member_is_directed(
    standing: DeviceQuarantined | DeviceDenied, word: str, command: DeviceCommand
) -> None:
    story.given(standing).when(command).then_refused(
        DeviceNotApproved, f"The device is {word} in this product: approve it first."
    )


def test_a_device_is_named_and_noted_even_while_it_waits() -> None:
    for standing in (imported, quarantined, denied):
        story.given(standing).when(name).then(named)
        story.given(standing, named).when(name).then_nothing()
        story.given(standing).when(note).then(noted)
        story.given(standing, noted).when(note).then_nothing()


def test_a_name_and_notes_outlive_approval_but_not_removal() -> None:
    story.given(quarantined, named, noted, imported).when(name).then_nothing()
    story.given(quarantined, named, noted, imported).when(note).then_nothing()
    story.given(imported, named, noted, removed, imported).when(name).then(named)
    story.given(imported, named, noted, removed, imported).when(note).then(noted)


def test_a_device_is_put_into_exactly_the_groups_said() -> None:
    story.given(imported).when(group("gamma", "beta", "beta")).then(grouped("beta", "gamma"))
    story.given(imported, grouped("beta")).when(group("gamma")).then(grouped("gamma"))
    story.given(imported, grouped("beta")).when(group()).then(grouped())


def test_the_groups_a_device_is_in_already_change_nothing() -> None:
    story.given(imported).when(group()).then_nothing()
    story.given(imported, grouped("beta", "gamma")).when(group("gamma", "beta")).then_nothing()


def test_a_device_is_put_into_some_groups_and_taken_out_of_others() -> None:
    given = story.given(imported, grouped("beta", "gamma"))
    given.when(regroup(add=("alpha",), remove=("gamma",))).then(grouped("alpha", "beta"))
    given.when(regroup(add=("beta",))).then_nothing()
    given.when(regroup(remove=("delta",))).then_nothing()
    given.when(regroup(add=("alpha",), remove=("alpha",))).then_nothing()


def test_a_device_is_in_a_bounded_number_of_groups() -> None:
    most = [f"group-{number:03}" for number in range(GROUPS_PER_DEVICE_MAX)]
    story.given(imported).when(group(*most)).then(grouped(*most))
    refused = (TooManyGroupsForDevice, "The device would be in 65 groups; 64 is the limit.")
    story.given(imported).when(group(*most, "more")).then_refused(*refused)
    story.given(imported, grouped(*most)).when(regroup(add=("more",))).then_refused(*refused)


def test_entering_a_product_starts_without_groups_or_lock() -> None:
    locked = FirmwareLocked(device_id=ID, product_id=HERE, version=3)
    history = (imported, grouped("beta"), locked, removed, imported)
    story.given(*history).when(group()).then_nothing()
    story.given(*history).when(UnlockFirmware(device_id=ID, product_id=HERE)).then_nothing()


def test_billing_starts_once_for_each_product() -> None:
    story.given(imported).when(bill).then(billed)
    story.given(imported, billed).when(bill).then_nothing()
    story.given(imported, billed, removed, imported).when(bill).then_nothing()
    there = StartBilling(device_id=ID, product_id=THERE)
    story.given(imported, billed, removed, imported_there).when(there).then(
        BillingStarted(device_id=ID, product_id=THERE)
    )
