"""What follows from what happened: an event comes in, commands go out. All reactions, on one page.

They run at least once for each event; the deciders shrug at what is already so.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from domain.claim_code import (
    ClaimCodeExpired,
    ClaimCodeShown,
    ClaimCodeUnknown,
    ClaimCodeUsed,
    ShowClaimCode,
)
from domain.device_commands import JoinDevice, QuarantineDevice, StartBilling
from domain.device_refusals import DeviceInAnotherProduct, DeviceNotApproved, DeviceUnknown
from domain.firmware import FirmwareUnknown, ProveFirmware
from domain.hello import Told
from domain.model import Command, Event, Refused
from domain.ownership import ClaimDevice, DeviceOfSomebodyElse
from domain.session import DeviceHandshook, FirmwareSeenRunning

TURNED_AWAY = frozenset({Told.QUARANTINED, Told.DENIED, Told.UNKNOWN})


class Reaction(NamedTuple):
    """`expected` are the refusals that mean that there is nothing to do. Any other one is a bug."""

    name: str
    react: Callable[[Event], Sequence[Command]]
    expected: tuple[type[Refused], ...]


def take_in_stranger(event: Event) -> Sequence[Command]:
    """A device that asked for a product it is not in is on record there from then on."""
    if not isinstance(event, DeviceHandshook) or event.told.product_id is None:
        return []
    device_id, product_id = event.device_id, event.told.product_id
    if event.told.joins:
        return [JoinDevice(device_id=device_id, product_id=product_id)]
    if event.told.told in {Told.QUARANTINED, Told.DENIED}:
        # Of a device that was removed from the product the decider makes a denied one.
        return [QuarantineDevice(device_id=device_id, product_id=product_id)]
    return []


def start_billing(event: Event) -> Sequence[Command]:
    """A member came online: billing starts, if this is the first time."""
    match event:
        case DeviceHandshook(device_id=device_id, told=told) if told.told not in TURNED_AWAY:
            if told.product_id is None:
                return []
            return [StartBilling(device_id=device_id, product_id=told.product_id)]
        case FirmwareSeenRunning(device_id=device_id, product_id=int(product_id)):
            return [StartBilling(device_id=device_id, product_id=product_id)]
        case _:
            return []


def prove_firmware(event: Event) -> Sequence[Command]:
    """A member came online running a version: so that version can run. Only members prove."""
    match event:
        case DeviceHandshook(product_id=int(product_id), running=int(version), told=told):
            if told.told in TURNED_AWAY:
                return []
        case FirmwareSeenRunning(product_id=int(product_id), version=int(version)):
            pass
        case _:
            return []
    return [ProveFirmware(product_id=product_id, version=version, device_id=event.device_id)]


def show_claim_code(event: Event) -> Sequence[Command]:
    """A device came online with a claim code, good or not."""
    if not isinstance(event, DeviceHandshook) or not event.said.claim_code:
        return []
    code_hash, device_id = event.said.claim_code, event.device_id
    return [ShowClaimCode(code_hash=code_hash, device_id=device_id, at=event.at)]


def claim_device(event: Event) -> Sequence[Command]:
    """A good claim code was shown: the device is its holder's, unless it is somebody's already."""
    if not isinstance(event, ClaimCodeShown):
        return []
    return [
        ClaimDevice(
            device_id=event.device_id,
            user_id=event.user_id,
            reachable=True,
            product_id=event.product_id,
        )
    ]


REACTIONS = (
    Reaction("take_in_stranger", take_in_stranger, (DeviceInAnotherProduct,)),
    Reaction("start_billing", start_billing, (DeviceUnknown, DeviceNotApproved)),
    Reaction("prove_firmware", prove_firmware, (FirmwareUnknown,)),
    Reaction(
        "show_claim_code", show_claim_code, (ClaimCodeUnknown, ClaimCodeUsed, ClaimCodeExpired)
    ),
    Reaction(
        "claim_device", claim_device, (DeviceOfSomebodyElse, DeviceUnknown, DeviceNotApproved)
    ),
)
