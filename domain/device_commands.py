"""What people want of a device: each a wish, named in the imperative, that may be refused."""

from typing import TypeAlias

from domain.model import Command
from domain.names import DeviceId, Name, Notes, ProductId, Version
from domain.ownership import OwnershipCommand


class AboutDevice(Command):
    device_id: DeviceId

    @property
    def stream(self) -> str:
        return f"device-{self.device_id}"


class OfProduct(AboutDevice):
    """A command from the product's side: it is refused unless the device is there."""

    product_id: ProductId


class ImportDevice(OfProduct):
    """Take a device into the product; also approves one that is quarantined or denied there.

    `owner_outside` is its owner, where that is somebody who is not of the product's team.
    """

    owner_outside: str = ""


class QuarantineDevice(OfProduct):
    """Record that the device asked for a product it is not in."""


class JoinDevice(OfProduct):
    """Record that the device asked for a product that takes whoever asks.

    Somebody's device is quarantined first: see AdmitDevice.
    """


class AdmitDevice(OfProduct):
    """Let in a quarantined device, which asked when the product took whoever asked.

    `owner` is its owner, who is on the product's team; empty where it is nobody's.
    """

    owner: str


class DenyDevice(OfProduct):
    pass


class RemoveDevice(OfProduct):
    pass


class ReleaseDevice(OfProduct):
    """Have the device be nobody's, whoever's it is. It stays in the product."""


class SayOfDevice(AboutDevice):
    """From the product's side; or, with `owner`, from its owner's, in a product or in none."""

    product_id: ProductId | None = None
    owner: str = ""


class NameDevice(SayOfDevice, kw_only=True):
    name: Name


class NoteDevice(SayOfDevice, kw_only=True):
    notes: Notes


class GroupDevice(OfProduct):
    """Put the device into exactly these groups, by key."""

    groups: tuple[str, ...]


class RegroupDevice(OfProduct):
    """Put the device into some groups and take it out of others, by key."""

    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()


class Requested(OfProduct):
    """A command whose repetition means something, unless it is the same request again."""

    request: str = ""


class LockFirmware(Requested, kw_only=True):
    """`version_known` says whether the product has that version now."""

    version: Version
    flash: bool = False
    version_known: bool = True


class UnlockFirmware(OfProduct):
    pass


class MarkForDevelopment(OfProduct):
    pass


class UnmarkForDevelopment(OfProduct):
    pass


class ForceUpdates(OfProduct):
    pass


class UnforceUpdates(OfProduct):
    pass


class RetryUpdate(Requested, kw_only=True):
    """`stuck_version` is the version the device is stuck at now, None if it is not stuck."""

    stuck_version: int | None


class FlashBinary(Requested, kw_only=True):
    """`online` says whether the device is connected now."""

    sha256: str
    size_bytes: int
    online: bool


class FlashOwnBinary(AboutDevice):
    """The same from its owner, of a device in no product."""

    owner: str
    sha256: str
    size_bytes: int
    online: bool
    request: str = ""


class StartBilling(OfProduct):
    pass


Enter: TypeAlias = ImportDevice | QuarantineDevice | JoinDevice | AdmitDevice
DirectFirmware: TypeAlias = LockFirmware | UnlockFirmware | RetryUpdate | FlashBinary
Mark: TypeAlias = MarkForDevelopment | UnmarkForDevelopment | ForceUpdates | UnforceUpdates
Say: TypeAlias = NameDevice | NoteDevice
DeviceCommand: TypeAlias = (
    OwnershipCommand
    | FlashOwnBinary
    | Enter
    | DenyDevice
    | RemoveDevice
    | ReleaseDevice
    | Say
    | GroupDevice
    | RegroupDevice
    | DirectFirmware
    | Mark
    | StartBilling
)
