"""Whose a device is: claimed by one person, given up, and asked for by another.

A person is a user, or a customer of the product that the device is in: see domain/holders.py.
"""

from enum import StrEnum
from typing import TypeAlias, assert_never

from msgspec import Struct
from msgspec.structs import replace

from domain.holders import is_customer
from domain.model import Command, Event, Refused, Unknown
from domain.names import DeviceId, Instant, ProductId

TRANSFERS_PENDING_MAX = 16  # people who wait for one device at a time


class DeviceClaimed(Event):
    """The device is this person's from here on, whoever's it was."""

    device_id: str
    user_id: str


class DeviceUnclaimed(Event):
    """The device is nobody's any more; it was this person's."""

    device_id: str
    user_id: str


class TransferRequested(Event):
    """Somebody asks the owner for the device, who has until then to answer."""

    device_id: str
    transfer_id: str
    user_id: str
    owner: str
    expires_at: str


class TransferWithdrawn(Event):
    device_id: str
    transfer_id: str


class TransferDeclined(Event):
    device_id: str
    transfer_id: str


class TransferAccepted(Event):
    device_id: str
    transfer_id: str


OwnershipEvent: TypeAlias = (
    DeviceClaimed
    | DeviceUnclaimed
    | TransferRequested
    | TransferWithdrawn
    | TransferDeclined
    | TransferAccepted
)


class AboutOwnership(Command):
    """`user_id` is the person who asks for it."""

    device_id: DeviceId
    user_id: str

    @property
    def stream(self) -> str:
        return f"device-{self.device_id}"


class ClaimDevice(AboutOwnership, kw_only=True):
    """`reachable` says whether the device is online, or need not be to be claimed.

    With `product_id` it is claimed only as a device of that product, as a customer's always is.
    """

    reachable: bool
    product_id: ProductId | None = None


class UnclaimDevice(AboutOwnership):
    pass


class RequestTransfer(AboutOwnership, kw_only=True):
    """`at` is now."""

    transfer_id: str
    expires_at: Instant
    at: Instant


class WithdrawTransfer(AboutOwnership, kw_only=True):
    transfer_id: str


class DeclineTransfer(AboutOwnership, kw_only=True):
    transfer_id: str


class AcceptTransfer(AboutOwnership, kw_only=True):
    transfer_id: str
    at: Instant


OwnershipCommand: TypeAlias = (
    ClaimDevice
    | UnclaimDevice
    | RequestTransfer
    | WithdrawTransfer
    | DeclineTransfer
    | AcceptTransfer
)


class DeviceOfSomebodyElse(Refused):
    """That belongs to someone else."""

    field = "id"


class DeviceNotConnected(Refused):
    """device not connected: it must be online to be claimed."""

    field = "id"


class NobodyToAsk(Refused):
    """The device belongs to nobody: claim it."""

    field = "request_transfer"


class TooManyTransfers(Refused):
    """{limit} people wait for this device already."""

    field = "request_transfer"


class TransferUnknown(Unknown):
    """Transfer not found."""


class TransferExpired(Refused):
    """The transfer had to be accepted before {expires_at}: have it requested again."""


class Transfer(Struct, frozen=True):
    """A request that the owner has not answered."""

    transfer_id: str
    user_id: str
    expires_at: str

    def expired(self, at: str) -> bool:
        return at >= self.expires_at  # both in UTC, so their texts sort as they do


class Verdict(StrEnum):
    """How a transfer ended."""

    WITHDRAWN = "withdrawn"
    DECLINED = "declined"
    ACCEPTED = "accepted"


class Ownership(Struct, frozen=True):
    """`owner` is empty where the device is nobody's; `settled` is the transfer that ended last."""

    owner: str = ""
    transfers: tuple[Transfer, ...] = ()
    settled: tuple[str, Verdict] | None = None

    def waiting(self, user_id: str, at: str) -> Transfer | None:
        """The person's own request, unless it has expired."""
        for transfer in self.transfers:
            if transfer.user_id == user_id and not transfer.expired(at):
                return transfer
        return None


def decide(ownership: Ownership, command: OwnershipCommand) -> list[OwnershipEvent]:
    device_id, user_id = command.device_id, command.user_id
    match command:
        case ClaimDevice(reachable=reachable):
            if ownership.owner == user_id:
                return []
            if ownership.owner:
                raise DeviceOfSomebodyElse
            if not reachable:
                raise DeviceNotConnected
            return [DeviceClaimed(device_id=device_id, user_id=user_id)]
        case UnclaimDevice():
            if not ownership.owner or ownership.owner != user_id:
                return []
            return [DeviceUnclaimed(device_id=device_id, user_id=user_id)]
        case RequestTransfer():
            return request(ownership, command)
        case _ if ownership.settled == (command.transfer_id, VERDICTS[type(command)]):
            return []
        case WithdrawTransfer(transfer_id=transfer_id):
            pending(ownership, transfer_id, requester=user_id)
            return [TransferWithdrawn(device_id=device_id, transfer_id=transfer_id)]
        case DeclineTransfer(transfer_id=transfer_id):
            pending(ownership, transfer_id, owner=user_id)
            return [TransferDeclined(device_id=device_id, transfer_id=transfer_id)]
        case AcceptTransfer(transfer_id=transfer_id, at=at):
            transfer = pending(ownership, transfer_id, owner=user_id)
            if transfer.expired(at):
                raise TransferExpired(expires_at=transfer.expires_at)
            return [
                TransferAccepted(device_id=device_id, transfer_id=transfer_id),
                DeviceClaimed(device_id=device_id, user_id=transfer.user_id),
            ]
    assert_never(command)


VERDICTS: dict[type[Command], Verdict] = {
    WithdrawTransfer: Verdict.WITHDRAWN,
    DeclineTransfer: Verdict.DECLINED,
    AcceptTransfer: Verdict.ACCEPTED,
}


def request(ownership: Ownership, command: RequestTransfer) -> list[OwnershipEvent]:
    """Whoever waits already goes on waiting; so does whoever has it already, for nothing.

    Customers neither ask nor are asked: theirs are the devices that they set up.
    """
    if not ownership.owner:
        raise NobodyToAsk
    if ownership.owner != command.user_id and (
        is_customer(ownership.owner) or is_customer(command.user_id)
    ):
        raise DeviceOfSomebodyElse
    if ownership.owner == command.user_id or ownership.waiting(command.user_id, command.at):
        return []
    if any(transfer.transfer_id == command.transfer_id for transfer in ownership.transfers):
        return []
    others = [transfer for transfer in ownership.transfers if not transfer.expired(command.at)]
    if len(others) >= TRANSFERS_PENDING_MAX:
        raise TooManyTransfers(limit=TRANSFERS_PENDING_MAX)
    return [
        TransferRequested(
            device_id=command.device_id,
            transfer_id=command.transfer_id,
            user_id=command.user_id,
            owner=ownership.owner,
            expires_at=command.expires_at,
        )
    ]


def without_customer(ownership: Ownership, device_id: str) -> list[DeviceUnclaimed]:
    """A customer's device that their product has no more is nobody's; a user's stays theirs."""
    if not is_customer(ownership.owner):
        return []
    return [DeviceUnclaimed(device_id=device_id, user_id=ownership.owner)]


def pending(
    ownership: Ownership, transfer_id: str, *, owner: str = "", requester: str = ""
) -> Transfer:
    """The transfer, if it is this person's to answer, or to take back. Raises TransferUnknown."""
    if not owner or owner == ownership.owner:
        for transfer in ownership.transfers:
            if transfer.transfer_id == transfer_id and requester in ("", transfer.user_id):
                return transfer
    raise TransferUnknown


def evolve(ownership: Ownership, event: OwnershipEvent) -> Ownership:
    match event:
        case DeviceClaimed(user_id=user_id):
            return replace(ownership, owner=user_id, transfers=())
        case DeviceUnclaimed():
            return replace(ownership, owner="", transfers=())
        case TransferRequested(user_id=user_id):
            # One for each person: a new request takes the place of one that has expired.
            others = [transfer for transfer in ownership.transfers if transfer.user_id != user_id]
            asked = Transfer(event.transfer_id, user_id, event.expires_at)
            return replace(ownership, transfers=(*others, asked))
        case TransferWithdrawn(transfer_id=transfer_id):
            return settle(ownership, transfer_id, Verdict.WITHDRAWN)
        case TransferDeclined(transfer_id=transfer_id):
            return settle(ownership, transfer_id, Verdict.DECLINED)
        case TransferAccepted(transfer_id=transfer_id):
            return settle(ownership, transfer_id, Verdict.ACCEPTED)
    assert_never(event)


def settle(ownership: Ownership, transfer_id: str, verdict: Verdict) -> Ownership:
    others = tuple(one for one in ownership.transfers if one.transfer_id != transfer_id)
    return replace(ownership, transfers=others, settled=(transfer_id, verdict))
