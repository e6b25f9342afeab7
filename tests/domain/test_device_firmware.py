"""A device and its firmware, as people intend it: locks, development, forced and direct updates."""

import pytest

from domain.device import DEVICE
from domain.device_commands import (
    DeviceCommand,
    FlashBinary,
    FlashOwnBinary,
    ForceUpdates,
    LockFirmware,
    MarkForDevelopment,
    RetryUpdate,
    UnforceUpdates,
    UnlockFirmware,
    UnmarkForDevelopment,
)
from domain.device_events import (
    BinaryFlashed,
    DevelopmentMarked,
    DevelopmentUnmarked,
    DeviceImported,
    DeviceQuarantined,
    FirmwareLocked,
    FirmwareUnlocked,
    UpdateRetryAsked,
    UpdatesForced,
    UpdatesUnforced,
)
from domain.device_refusals import (
    DeviceNotApproved,
    DeviceNotYours,
    DeviceOffline,
    NotForDevelopment,
    VersionUnknown,
)
from domain.ownership import DeviceClaimed
from tests.given import Story

ID = "e00fce681234567890abcdef"
SHA256 = "5" * 64
ANN = "a" * 24
story = Story(DEVICE)

imported = DeviceImported(device_id=ID, product_id=7000)
quarantined = DeviceQuarantined(device_id=ID, product_id=7000)
marked = DevelopmentMarked(device_id=ID, product_id=7000)
unmarked = DevelopmentUnmarked(device_id=ID, product_id=7000)
forced = UpdatesForced(device_id=ID, product_id=7000)
unforced = UpdatesUnforced(device_id=ID, product_id=7000)
unlocked = FirmwareUnlocked(device_id=ID, product_id=7000)
mark = MarkForDevelopment(device_id=ID, product_id=7000)
unmark = UnmarkForDevelopment(device_id=ID, product_id=7000)
force = ForceUpdates(device_id=ID, product_id=7000)
unforce = UnforceUpdates(device_id=ID, product_id=7000)
unlock = UnlockFirmware(device_id=ID, product_id=7000)


def lock(version: int = 3, request: str = "", **more: bool) -> LockFirmware:
    return LockFirmware(device_id=ID, product_id=7000, version=version, request=request, **more)


def locked(version: int = 3, request: str = "", flash: bool = False) -> FirmwareLocked:
    return FirmwareLocked(
        device_id=ID, product_id=7000, version=version, flash=flash, request=request
    )


def retry(stuck_version: int | None, request: str = "") -> RetryUpdate:
    return RetryUpdate(device_id=ID, product_id=7000, stuck_version=stuck_version, request=request)


def retried(version: int, request: str = "") -> UpdateRetryAsked:
    return UpdateRetryAsked(device_id=ID, product_id=7000, version=version, request=request)


def flash(request: str = "", online: bool = True) -> FlashBinary:
    return FlashBinary(
        device_id=ID,
        product_id=7000,
        sha256=SHA256,
        size_bytes=512,
        online=online,
        request=request,
    )


def flash_own(request: str = "", online: bool = True) -> FlashOwnBinary:
    return FlashOwnBinary(
        device_id=ID, owner=ANN, sha256=SHA256, size_bytes=512, online=online, request=request
    )


def flashed(request: str = "") -> BinaryFlashed:
    return BinaryFlashed(
        device_id=ID, product_id=7000, sha256=SHA256, size_bytes=512, request=request
    )


def test_a_device_is_locked_to_a_version() -> None:
    story.given(imported).when(lock()).then(locked())
    story.given(imported, locked(3)).when(lock(2)).then(locked(2))


def test_a_device_that_is_locked_to_the_version_already_stays_so() -> None:
    story.given(imported, locked()).when(lock()).then_nothing()


def test_a_device_is_not_locked_to_a_version_the_product_does_not_have() -> None:
    story.given(imported).when(lock(version_known=False)).then_refused(
        VersionUnknown, "The product has no firmware version 3."
    )


def test_flash_now_is_said_again_and_again_unless_it_is_the_same_request() -> None:
    story.given(imported).when(lock(flash=True, request="r1")).then(locked(3, "r1", True))
    given = story.given(imported, locked(3, "r1", True))
    given.when(lock(flash=True, request="r1")).then_nothing()
    given.when(lock(flash=True, request="r2")).then(locked(3, "r2", True))


def test_requests_without_a_name_are_never_taken_for_the_same() -> None:
    story.given(imported, locked(3, "", True)).when(lock(flash=True)).then(locked(3, "", True))


def test_a_device_is_unlocked_once() -> None:
    story.given(imported, locked()).when(unlock).then(unlocked)
    story.given(imported, locked(), unlocked).when(unlock).then_nothing()
    story.given(imported).when(unlock).then_nothing()


def test_a_device_is_marked_for_development_and_unmarked_once_each() -> None:
    story.given(imported).when(unmark).then_nothing()
    story.given(imported).when(mark).then(marked)
    story.given(imported, marked).when(mark).then_nothing()
    story.given(imported, marked).when(unmark).then(unmarked)
    story.given(imported, marked, unmarked).when(unmark).then_nothing()


def test_updates_are_forced_and_left_alone_again_once_each() -> None:
    story.given(imported).when(unforce).then_nothing()
    story.given(imported).when(force).then(forced)
    story.given(imported, forced).when(force).then_nothing()
    story.given(imported, forced).when(unforce).then(unforced)
    story.given(imported, forced, unforced).when(unforce).then_nothing()


def test_a_stuck_device_is_to_be_offered_the_version_again() -> None:
    story.given(imported).when(retry(3, "r1")).then(retried(3, "r1"))
    story.given(imported, retried(3, "r1")).when(retry(3, "r1")).then_nothing()
    story.given(imported, retried(3, "r1")).when(retry(3, "r2")).then(retried(3, "r2"))


def test_there_is_nothing_to_retry_on_a_device_that_is_not_stuck() -> None:
    story.given(imported).when(retry(None, "r1")).then_nothing()


def test_a_development_device_is_flashed_directly() -> None:
    story.given(imported, marked).when(flash("r1")).then(flashed("r1"))
    story.given(imported, marked, flashed("r1")).when(flash("r1")).then_nothing()
    story.given(imported, marked, flashed("r1")).when(flash("r2")).then(flashed("r2"))


def test_other_devices_are_not_flashed_directly() -> None:
    story.given(imported).when(flash()).then_refused(
        NotForDevelopment,
        "Only a development device is flashed directly: mark it as one first.",
    )
    story.given(imported, marked, unmarked).when(flash()).then_refused(NotForDevelopment)


def test_a_device_that_is_offline_is_not_flashed() -> None:
    story.given(imported, marked).when(flash(online=False)).then_refused(
        DeviceOffline, "The device is not online."
    )


@pytest.mark.parametrize(
    "command",
    [lock(), unlock, mark, unmark, force, unforce, retry(3), flash()],
    ids=lambda command: type(command).__name__,
)
def test_a_device_that_is_not_approved_is_left_alone(command: DeviceCommand) -> None:
    story.given(quarantined).when(command).then_refused(DeviceNotApproved)


def test_an_owner_flashes_a_device_in_no_product() -> None:
    claimed = DeviceClaimed(device_id=ID, user_id=ANN)
    own = BinaryFlashed(device_id=ID, product_id=None, sha256=SHA256, size_bytes=512, request="r1")
    story.given(claimed).when(flash_own("r1")).then(own)
    story.given(claimed, own).when(flash_own("r1")).then_nothing()
    story.given(claimed, quarantined).when(flash_own("r1")).then(own)
    story.given(claimed).when(flash_own(online=False)).then_refused(DeviceOffline)


def test_nobody_else_flashes_it_nor_its_owner_past_the_team_of_its_product() -> None:
    claimed = DeviceClaimed(device_id=ID, user_id=ANN)
    story.given().when(flash_own()).then_refused(DeviceNotYours)
    story.given(DeviceClaimed(device_id=ID, user_id="b" * 24)).when(flash_own()).then_refused(
        DeviceNotYours
    )
    story.given(claimed, imported).when(flash_own()).then_refused(NotForDevelopment)
