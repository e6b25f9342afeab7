"""The life of a firmware version, as given/when/then."""

import pytest

from domain.firmware import (
    FIRMWARE,
    DeleteFirmware,
    DescribeFirmware,
    DevicesAreLocked,
    FirmwareCommand,
    FirmwareDeleted,
    FirmwareDescribed,
    FirmwareExists,
    FirmwareProven,
    FirmwareReleased,
    FirmwareUnknown,
    FirmwareUnproven,
    FirmwareUploaded,
    FirmwareWasReleased,
    GroupsUnknown,
    ProveFirmware,
    ReleaseFirmware,
    UploadFirmware,
    VersionNotHigher,
)
from tests.given import Story

DEVICE = "e00fce681234567890abcdef"
ONE, OTHER = "1" * 64, "2" * 64
story = Story(FIRMWARE)


def upload(sha256: str = ONE, version: int = 3, highest_version: int = 2) -> UploadFirmware:
    return UploadFirmware(
        product_id=7000,
        version=version,
        sha256=sha256,
        size_bytes=512,
        title="Third",
        description="Better light",
        mandatory=True,
        file_name="lamp.bin",
        highest_version=highest_version,
    )


def describe(
    title: str | None = None, description: str | None = None, mandatory: bool | None = None
) -> DescribeFirmware:
    return DescribeFirmware(
        product_id=7000, version=3, title=title, description=description, mandatory=mandatory
    )


def described(title: str, description: str, mandatory: bool) -> FirmwareDescribed:
    return FirmwareDescribed(
        product_id=7000, version=3, title=title, description=description, mandatory=mandatory
    )


def release(*groups: str, default: bool = False, **more: object) -> ReleaseFirmware:
    return ReleaseFirmware(
        product_id=7000,
        version=3,
        product_default=default,
        groups=groups,
        **more,  # type: ignore[arg-type]
    )


def released(*groups: str, default: bool = False, intelligent: bool = False) -> FirmwareReleased:
    return FirmwareReleased(
        product_id=7000,
        version=3,
        product_default=default,
        groups=groups,
        intelligent=intelligent,
    )


uploaded = FirmwareUploaded(
    product_id=7000,
    version=3,
    sha256=ONE,
    size_bytes=512,
    title="Third",
    description="Better light",
    mandatory=True,
    file_name="lamp.bin",
)
prove = ProveFirmware(product_id=7000, version=3, device_id=DEVICE)
proven = FirmwareProven(product_id=7000, version=3, device_id=DEVICE)
delete = DeleteFirmware(product_id=7000, version=3)
deleted = FirmwareDeleted(product_id=7000, version=3)


def test_firmware_is_uploaded_with_all_that_was_said_of_it() -> None:
    story.given().when(upload()).then(uploaded)


def test_the_first_version_may_be_any() -> None:
    assert story.given().when(upload(highest_version=0)).decide() == [uploaded]


@pytest.mark.parametrize("highest_version", [3, 4, 65_534])
def test_a_version_is_higher_than_every_version_the_product_has(highest_version: int) -> None:
    story.given().when(upload(highest_version=highest_version)).then_refused(
        VersionNotHigher,
        f"version is 3, but must be higher than {highest_version}, the product's highest version.",
    )


def test_the_same_bytes_again_change_nothing() -> None:
    story.given(uploaded).when(upload(highest_version=3)).then_nothing()


def test_other_bytes_do_not_replace_a_version() -> None:
    story.given(uploaded).when(upload(OTHER)).then_refused(
        FirmwareExists, "Firmware version 3 exists already."
    )


@pytest.mark.parametrize(
    "command",
    [describe("Fourth"), prove, release(default=True)],
    ids=lambda command: type(command).__name__,
)
def test_nothing_can_be_done_to_a_version_that_never_was_or_is_deleted(
    command: FirmwareCommand,
) -> None:
    story.given().when(command).then_refused(FirmwareUnknown, "Firmware version 3 not found.")
    story.given(uploaded, deleted).when(command).then_refused(FirmwareUnknown)


def test_deleting_is_said_once_and_of_something() -> None:
    story.given().when(delete).then_refused(FirmwareUnknown)
    story.given(uploaded, deleted).when(delete).then_nothing()


def test_firmware_is_described_in_part_or_whole() -> None:
    given = story.given(uploaded)
    given.when(describe(title="Bright")).then(described("Bright", "Better light", True))
    given.when(describe(description="")).then(described("Third", "", True))
    given.when(describe(mandatory=False)).then(described("Third", "Better light", False))


def test_the_description_firmware_has_already_changes_nothing() -> None:
    story.given(uploaded).when(describe()).then_nothing()
    story.given(uploaded).when(describe("Third", "Better light", True)).then_nothing()
    after = described("Bright", "Best light", False)
    story.given(uploaded, after).when(describe("Bright", "Best light", False)).then_nothing()


def test_firmware_is_proven_by_the_first_device_that_runs_it() -> None:
    story.given(uploaded).when(prove).then(proven)


def test_firmware_is_proven_once() -> None:
    again = ProveFirmware(product_id=7000, version=3, device_id="f" * 24)
    story.given(uploaded, proven).when(prove).then_nothing()
    story.given(uploaded, proven).when(again).then_nothing()


@pytest.mark.parametrize("command", [release(default=True), release("beta")])
def test_unproven_firmware_is_released_to_nobody(command: ReleaseFirmware) -> None:
    story.given(uploaded).when(command).then_refused(
        FirmwareUnproven,
        "Version 3 has not run on a device of this product yet: lock a device to it, let it come"
        " back online running it, then release it to others.",
    )


def test_proven_firmware_is_released_to_the_default_and_to_groups() -> None:
    given = story.given(uploaded, proven)
    given.when(release(default=True)).then(released(default=True))
    given.when(release("gamma", "beta", "beta")).then(released("beta", "gamma"))
    given.when(release("beta", default=True, intelligent=True)).then(
        released("beta", default=True, intelligent=True)
    )


def test_a_release_to_groups_that_are_not_there_is_refused_whole() -> None:
    command = release("beta", groups_unknown=("delta", "gamma"))
    story.given(uploaded, proven).when(command).then_refused(
        GroupsUnknown, "No such group: delta, gamma."
    )


def test_the_same_release_again_changes_nothing() -> None:
    again = release("beta", default=True, held_default=True, held_groups=("beta",))
    story.given(uploaded, proven, released("beta", default=True)).when(again).then_nothing()


def test_the_same_release_takes_back_what_another_version_took_over() -> None:
    lost_group = release("beta", default=True, held_default=True)
    lost_default = release("beta", default=True, held_groups=("beta",))
    given = story.given(uploaded, proven, released("beta", default=True))
    given.when(lost_group).then(released("beta", default=True))
    given.when(lost_default).then(released("beta", default=True))


def test_an_intelligent_release_is_not_the_same_as_a_plain_one() -> None:
    given = story.given(uploaded, proven, released("beta"))
    offered = release("beta", intelligent=True, held_groups=("beta",))
    given.when(offered).then(released("beta", intelligent=True))


def test_a_release_to_nothing_withdraws_the_version() -> None:
    given = story.given(uploaded, proven, released("beta", default=True))
    given.when(release(held_default=True, held_groups=("beta",))).then(released())


def test_firmware_that_was_never_released_is_deleted() -> None:
    story.given(uploaded).when(delete).then(deleted)
    story.given(uploaded, proven).when(delete).then(deleted)


def test_firmware_that_was_ever_released_is_not_deleted() -> None:
    refused = (FirmwareWasReleased, "Version 3 was released, so it cannot be deleted.")
    story.given(uploaded, proven, released("beta")).when(delete).then_refused(*refused)
    withdrawn = (uploaded, proven, released("beta"), released())
    story.given(*withdrawn).when(delete).then_refused(*refused)


def test_firmware_that_devices_are_locked_to_is_not_deleted() -> None:
    command = DeleteFirmware(product_id=7000, version=3, devices_locked=2)
    story.given(uploaded).when(command).then_refused(
        DevicesAreLocked, "2 devices are locked to version 3: unlock them before deleting it."
    )


def test_the_number_of_a_deleted_version_is_used_again_from_the_start() -> None:
    again = FirmwareUploaded(
        product_id=7000,
        version=3,
        sha256=OTHER,
        size_bytes=512,
        title="Third",
        description="Better light",
        mandatory=True,
        file_name="lamp.bin",
    )
    story.given(uploaded, proven, deleted).when(upload(OTHER)).then(again)
    # Other bytes: what the deleted ones proved does not count.
    story.given(uploaded, proven, deleted, again).when(release(default=True)).then_refused(
        FirmwareUnproven
    )
