"""What can happen to a device on its people's side: each a fact, named in the past tense."""

from enum import StrEnum
from typing import TypeAlias

from domain.model import Event
from domain.ownership import OwnershipEvent


class Standing(StrEnum):
    """What a device is to its product."""

    MEMBER = "member"
    QUARANTINED = "quarantined"
    DENIED = "denied"


class DeviceImported(Event):
    """The team took the device into the product, whatever stood in the way before."""

    device_id: str
    product_id: int


class DeviceQuarantined(Event):
    """The device's firmware asked for the product; the team has not said yes."""

    device_id: str
    product_id: int


class DeviceJoined(Event):
    """The device's firmware asked for the product, which takes whoever asks: a device that is
    nobody's, or that of somebody on its team."""

    device_id: str
    product_id: int


class DeviceDenied(Event):
    device_id: str
    product_id: int


class DeviceRemoved(Event):
    device_id: str
    product_id: int


class DeviceNamed(Event):
    device_id: str
    name: str


class DeviceNoted(Event):
    device_id: str
    notes: str


class DeviceGrouped(Event):
    """From here on the device is in exactly these groups, by key."""

    device_id: str
    product_id: int
    groups: tuple[str, ...]


class FirmwareLocked(Event):
    """`flash` asks to offer the version at once, if the device is online."""

    device_id: str
    product_id: int
    version: int
    flash: bool = False
    request: str = ""


class FirmwareUnlocked(Event):
    device_id: str
    product_id: int


class DevelopmentMarked(Event):
    device_id: str
    product_id: int


class DevelopmentUnmarked(Event):
    device_id: str
    product_id: int


class UpdatesForced(Event):
    """Updates are offered even while the device says that it wants none."""

    device_id: str
    product_id: int


class UpdatesUnforced(Event):
    device_id: str
    product_id: int


class UpdateRetryAsked(Event):
    """A stuck device is to be offered the version again."""

    device_id: str
    product_id: int
    version: int
    request: str = ""


class BinaryFlashed(Event):
    """Somebody sent a binary straight to the device, past every release; its owner, if it is in no
    product."""

    device_id: str
    product_id: int | None
    sha256: str
    size_bytes: int
    request: str = ""


class BillingStarted(Event):
    """The device came online for the first time in this product."""

    device_id: str
    product_id: int


DeviceEvent: TypeAlias = (
    OwnershipEvent
    | DeviceImported
    | DeviceQuarantined
    | DeviceJoined
    | DeviceDenied
    | DeviceRemoved
    | DeviceNamed
    | DeviceNoted
    | DeviceGrouped
    | FirmwareLocked
    | FirmwareUnlocked
    | DevelopmentMarked
    | DevelopmentUnmarked
    | UpdatesForced
    | UpdatesUnforced
    | UpdateRetryAsked
    | BinaryFlashed
    | BillingStarted
)
