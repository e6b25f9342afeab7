"""One version of a product's firmware: uploaded, proven on a device, released or deleted."""

from typing import TypeAlias, assert_never

from msgspec import Struct
from msgspec.structs import replace

from domain.model import Command, Decider, Event, Refused, Unknown
from domain.names import Description, DeviceId, Name, ProductId, Version


class FirmwareUploaded(Event):
    """The bytes are kept under their SHA-256; `file_name` is what the uploader called them."""

    product_id: int
    version: int
    sha256: str
    size_bytes: int
    title: str
    description: str = ""
    mandatory: bool = False
    file_name: str = "firmware.bin"


class FirmwareDescribed(Event):
    product_id: int
    version: int
    title: str
    description: str
    mandatory: bool


class FirmwareProven(Event):
    """A device of the product came back online running this version."""

    product_id: int
    version: int
    device_id: str


class FirmwareReleased(Event):
    """From here on exactly these groups, and the default if so said, point to this version."""

    product_id: int
    version: int
    product_default: bool
    groups: tuple[str, ...]
    intelligent: bool = False


class FirmwareDeleted(Event):
    product_id: int
    version: int


FirmwareEvent: TypeAlias = (
    FirmwareUploaded | FirmwareDescribed | FirmwareProven | FirmwareReleased | FirmwareDeleted
)


class AboutFirmware(Command):
    product_id: ProductId
    version: Version

    @property
    def stream(self) -> str:
        return f"firmware-{self.product_id}-{self.version}"


class UploadFirmware(AboutFirmware):
    """`highest_version` is the highest version the product has now, 0 if none."""

    sha256: str
    size_bytes: int
    title: Name
    description: Description = ""
    mandatory: bool = False
    file_name: str = "firmware.bin"
    highest_version: int = 0


class DescribeFirmware(AboutFirmware):
    title: Name | None = None
    description: Description | None = None
    mandatory: bool | None = None


class ProveFirmware(AboutFirmware):
    device_id: DeviceId


class ReleaseFirmware(AboutFirmware):
    """`groups` are keys; `groups_unknown` names what the caller asked for that is no group.

    `held` says what points to this version now, so that saying the same again changes nothing even
    after another version has taken a group or the default over.
    """

    product_default: bool
    groups: tuple[str, ...] = ()
    intelligent: bool = False
    groups_unknown: tuple[str, ...] = ()
    held_default: bool = False
    held_groups: tuple[str, ...] = ()


class DeleteFirmware(AboutFirmware):
    """`devices_locked` is how many devices are locked to this version now."""

    devices_locked: int = 0


FirmwareCommand: TypeAlias = (
    UploadFirmware | DescribeFirmware | ProveFirmware | ReleaseFirmware | DeleteFirmware
)


class FirmwareUnknown(Unknown):
    """Firmware version {version} not found."""

    field = "version"


class FirmwareExists(Refused):
    """Firmware version {version} exists already."""

    field = "version"


class VersionNotHigher(Refused):
    """version is {version}, but must be higher than {highest}, the product's highest version."""

    field = "version"


class FirmwareUnproven(Refused):
    """Version {version} has not run on a device of this product yet: lock a device to it, let it
    come back online running it, then release it to others."""

    field = "version"


class FirmwareWasReleased(Refused):
    """Version {version} was released, so it cannot be deleted."""

    field = "version"


class DevicesAreLocked(Refused):
    """{devices} devices are locked to version {version}: unlock them before deleting it."""

    field = "version"


class GroupsUnknown(Refused):
    """No such group: {groups}."""

    field = "groups"


class Firmware(Struct, frozen=True):
    exists: bool = False
    deleted: bool = False
    proven: bool = False
    released: bool = False
    intelligent: bool = False
    title: str = ""
    description: str = ""
    mandatory: bool = False
    sha256: str = ""


def decide(firmware: Firmware, command: FirmwareCommand) -> list[FirmwareEvent]:
    match command:
        case UploadFirmware():
            return upload(firmware, command)
        case DeleteFirmware() if firmware.deleted:
            return []
        case _ if not firmware.exists:
            raise FirmwareUnknown(version=command.version)
        case DescribeFirmware():
            return describe(firmware, command)
        case ProveFirmware(product_id=product_id, version=version, device_id=device_id):
            if firmware.proven:
                return []
            return [FirmwareProven(product_id=product_id, version=version, device_id=device_id)]
        case ReleaseFirmware():
            return release(firmware, command)
        case DeleteFirmware(product_id=product_id, version=version, devices_locked=devices):
            if firmware.released:
                raise FirmwareWasReleased(version=version)
            if devices:
                raise DevicesAreLocked(version=version, devices=devices)
            return [FirmwareDeleted(product_id=product_id, version=version)]
    assert_never(command)


def upload(firmware: Firmware, command: UploadFirmware) -> list[FirmwareEvent]:
    if firmware.exists and firmware.sha256 == command.sha256:
        return []
    if firmware.exists:
        raise FirmwareExists(version=command.version)
    if command.version <= command.highest_version:
        raise VersionNotHigher(version=command.version, highest=command.highest_version)
    return [
        FirmwareUploaded(
            product_id=command.product_id,
            version=command.version,
            sha256=command.sha256,
            size_bytes=command.size_bytes,
            title=command.title,
            description=command.description,
            mandatory=command.mandatory,
            file_name=command.file_name,
        )
    ]


def describe(firmware: Firmware, command: DescribeFirmware) -> list[FirmwareEvent]:
    title = firmware.title if command.title is None else command.title
    description = firmware.description if command.description is None else command.description
    mandatory = firmware.mandatory if command.mandatory is None else command.mandatory
    if (title, description, mandatory) == (
        firmware.title,
        firmware.description,
        firmware.mandatory,
    ):
        return []
    return [
        FirmwareDescribed(
            product_id=command.product_id,
            version=command.version,
            title=title,
            description=description,
            mandatory=mandatory,
        )
    ]


def release(firmware: Firmware, command: ReleaseFirmware) -> list[FirmwareEvent]:
    if command.groups_unknown:
        raise GroupsUnknown(groups=", ".join(command.groups_unknown))
    if not firmware.proven:
        raise FirmwareUnproven(version=command.version)
    wanted = (command.product_default, frozenset(command.groups), command.intelligent)
    held = (command.held_default, frozenset(command.held_groups), firmware.intelligent)
    if firmware.released and wanted == held:
        return []
    return [
        FirmwareReleased(
            product_id=command.product_id,
            version=command.version,
            product_default=command.product_default,
            groups=tuple(sorted(set(command.groups))),
            intelligent=command.intelligent,
        )
    ]


def evolve(firmware: Firmware, event: FirmwareEvent) -> Firmware:
    match event:
        case FirmwareUploaded():
            return Firmware(
                exists=True,
                title=event.title,
                description=event.description,
                mandatory=event.mandatory,
                sha256=event.sha256,
            )
        case FirmwareDescribed(title=title, description=description, mandatory=mandatory):
            return replace(firmware, title=title, description=description, mandatory=mandatory)
        case FirmwareProven():
            return replace(firmware, proven=True)
        case FirmwareReleased(intelligent=intelligent):
            return replace(firmware, released=True, intelligent=intelligent)
        case FirmwareDeleted():
            return Firmware(deleted=True)
    assert_never(event)


FIRMWARE = Decider(initial=Firmware(), decide=decide, evolve=evolve)
