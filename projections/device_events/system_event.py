"""What the cloud says of what has happened, as device events: the names that its clients know."""

from collections.abc import Iterator
from typing import Protocol

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from domain.device_events import BinaryFlashed, UpdatesForced, UpdatesUnforced
from domain.firmware import FirmwareReleased, FirmwareUploaded
from domain.hello import Told
from domain.model import Event
from domain.ownership import DeviceClaimed, DeviceUnclaimed
from domain.published import (
    BY_API,
    LAST_RESET,
    UPDATES_ENABLED,
    UPDATES_FORCED,
    DeviceEvent,
    PublishedByCloud,
)
from domain.session import (
    DeviceHandshook,
    FirmwareUpdateFailed,
    SessionEnded,
    UpdateDelivered,
    UpdateStarted,
)

STATUS = "spark/status"
FLASH_STATUS = "spark/flash/status"
APP_HASH = "spark/device/app-hash"
UPDATES_PENDING = "particle/device/updates/pending"
CLAIMED = "particle/device/claimed"
UNCLAIMED = "particle/device/unclaimed"
FIRMWARE_CREATE = "particle/firmware/create"
FIRMWARE_RELEASE = "particle/firmware/release"

ONLINE = DeviceEvent(STATUS, "online")
OFFLINE = DeviceEvent(STATUS, "offline")
AUTO_UPDATE = DeviceEvent(STATUS, "auto-update")
# Two of them have always been sent with a space behind, and are looked for so.
STARTED = DeviceEvent(FLASH_STATUS, "started ")
SUCCESS = DeviceEvent(FLASH_STATUS, "success ")
FAILED = DeviceEvent(FLASH_STATUS, "failed")

OF_SESSIONS = (DeviceHandshook, SessionEnded)
# Every event of which something may be said.
TOLD = (
    *OF_SESSIONS,
    UpdateStarted,
    UpdateDelivered,
    FirmwareUpdateFailed,
    UpdatesForced,
    UpdatesUnforced,
    BinaryFlashed,
    DeviceClaimed,
    DeviceUnclaimed,
    FirmwareUploaded,
    FirmwareReleased,
)

json = msgspec.json.Encoder().encode


class OfDevice(Protocol):
    @property
    def device_id(self) -> str: ...


class Before(Struct, frozen=True):
    """How a device was when it said hello last, and whether it has been online since."""

    online: bool = False
    connection: str = ""
    app_hash: str = ""
    updates_enabled: bool = True
    pending: bool = False


def evolve(before: Before, event: Event) -> Before:
    match event:
        case SessionEnded():
            return replace(before, online=False)
        case DeviceHandshook(said=said, told=told, connection=connection):
            return Before(
                online=True,
                connection=connection,
                app_hash=said.app_hash,
                updates_enabled=said.updates_enabled,
                pending=told.told == Told.PENDING,
            )
    return before


def told_of(position: int, event: Event, before: Before) -> PublishedByCloud | None:
    """What is said of the event at that position; None where that is nothing.

    `before` is its device before the event, where it is one of OF_SESSIONS.
    """
    match event:
        case FirmwareUploaded(product_id=product_id, version=version):
            created = json({"version": str(version)}).decode()
            return of_product(position, product_id, DeviceEvent(FIRMWARE_CREATE, created))
        case FirmwareReleased(product_id=product_id, version=version, intelligent=intelligent):
            released = json({"immediate": intelligent, "version": version}).decode()
            return of_product(position, product_id, DeviceEvent(FIRMWARE_RELEASE, released))
        case DeviceUnclaimed(device_id=device_id, user_id=user_id):
            # For whom it was taken from: among whose devices' events it would no longer be.
            said = [DeviceEvent(UNCLAIMED)]
            return PublishedByCloud(said, device_id, None, user_id, None, None, position)
        case DeviceHandshook():
            return of_device(position, event, *said_of_handshake(event, before))
        case SessionEnded():
            return of_device(position, event, OFFLINE)
        case UpdateStarted():
            return of_device(position, event, AUTO_UPDATE, STARTED)
        case BinaryFlashed():
            return of_device(position, event, STARTED)
        case UpdateDelivered():
            return of_device(position, event, SUCCESS)
        case FirmwareUpdateFailed():
            return of_device(position, event, FAILED)
        case UpdatesForced() | UpdatesUnforced():
            forced = truth(isinstance(event, UpdatesForced))
            return of_device(position, event, DeviceEvent(UPDATES_FORCED, forced))
        case DeviceClaimed():
            return of_device(position, event, DeviceEvent(CLAIMED))
    return None


def of_product(position: int, product_id: int, said: DeviceEvent) -> PublishedByCloud:
    return PublishedByCloud([said], product_id=product_id, publisher=BY_API, position=position)


def of_device(position: int, event: OfDevice, *said: DeviceEvent) -> PublishedByCloud | None:
    if not said:
        return None
    return PublishedByCloud(said, event.device_id, publisher=None, position=position)


def said_of_handshake(event: DeviceHandshook, before: Before) -> Iterator[DeviceEvent]:
    """A device may say hello several times in a connection: it came online with the first one."""
    if not before.online or event.connection != before.connection:
        if before.online:
            yield OFFLINE  # it came back before we missed it
        yield ONLINE
        if event.said.reset_reason:
            yield DeviceEvent(LAST_RESET, event.said.reset_reason)
    after = evolve(before, event)
    if after.app_hash not in {"", before.app_hash}:
        yield DeviceEvent(APP_HASH, after.app_hash)
    if after.pending != before.pending:
        yield DeviceEvent(UPDATES_PENDING, truth(after.pending))
    if after.updates_enabled != before.updates_enabled:
        yield DeviceEvent(UPDATES_ENABLED, truth(after.updates_enabled))


def truth(value: bool) -> str:
    return "true" if value else "false"
