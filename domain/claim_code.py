"""A claim code: given to a person, written into a device, shown by it once, and it is theirs.

The code itself is a secret that the log never sees: it stands there as its SHA-256.
"""

from hashlib import sha256
from typing import TypeAlias, assert_never

from msgspec import Struct
from msgspec.structs import replace

from domain.model import Command, Decider, Event, Refused, Unknown
from domain.names import DeviceId, Hash, Instant, ProductId

CODE_CHARACTERS = 63  # what devices have room for
CODE_BYTES = 47  # of randomness, which are 63 characters in base64
CODE_VALID_S = 3_600


def hash_of(code: str) -> str:
    """What a code is called in the log and on the way there: hexadecimal."""
    return sha256(code.encode("utf-8", "surrogatepass")).hexdigest()


class ClaimCodeIssued(Event):
    """`product_id` is the product whose devices alone the code claims, None if it claims any."""

    code_hash: str
    user_id: str
    product_id: int | None
    expires_at: str


class ClaimCodeShown(Event):
    """A device showed the code while it was good: the device is to be that person's."""

    code_hash: str
    user_id: str
    product_id: int | None
    device_id: str


class ClaimCodeRevoked(Event):
    """It is worth nothing from here on."""

    code_hash: str
    user_id: str
    product_id: int | None


ClaimCodeEvent: TypeAlias = ClaimCodeIssued | ClaimCodeShown | ClaimCodeRevoked


class AboutClaimCode(Command):
    code_hash: Hash

    @property
    def stream(self) -> str:
        return f"claim_code-{self.code_hash}"


class IssueClaimCode(AboutClaimCode):
    user_id: str
    expires_at: Instant
    product_id: ProductId | None = None


class ShowClaimCode(AboutClaimCode):
    """A device shows it; `at` is when it did."""

    device_id: DeviceId
    at: str


class RevokeClaimCode(AboutClaimCode):
    """Whoever it was issued to is gone."""


ClaimCodeCommand: TypeAlias = IssueClaimCode | ShowClaimCode | RevokeClaimCode


class ClaimCodeTaken(Refused):
    """There is such a claim code already."""


class ClaimCodeUnknown(Unknown):
    """There is no such claim code."""


class ClaimCodeUsed(Refused):
    """Another device has shown this claim code before."""


class ClaimCodeExpired(Refused):
    """The claim code was good until {expires_at}."""


class ClaimCode(Struct, frozen=True):
    user_id: str = ""
    product_id: int | None = None
    expires_at: str = ""
    shown_by: str = ""
    revoked: bool = False


def decide(code: ClaimCode, command: ClaimCodeCommand) -> list[ClaimCodeEvent]:
    match command:
        case IssueClaimCode(code_hash=code_hash, user_id=user_id):
            if code.user_id:
                raise ClaimCodeTaken
            return [
                ClaimCodeIssued(
                    code_hash=code_hash,
                    user_id=user_id,
                    product_id=command.product_id,
                    expires_at=command.expires_at,
                )
            ]
        case ShowClaimCode(code_hash=code_hash, device_id=device_id, at=at):
            if not code.user_id or code.revoked:
                raise ClaimCodeUnknown
            if code.shown_by == device_id:
                return []
            if code.shown_by:
                raise ClaimCodeUsed
            if at >= code.expires_at:  # both in UTC, so their texts sort as they do
                raise ClaimCodeExpired(expires_at=code.expires_at)
            return [
                ClaimCodeShown(
                    code_hash=code_hash,
                    user_id=code.user_id,
                    product_id=code.product_id,
                    device_id=device_id,
                )
            ]
        case RevokeClaimCode(code_hash=code_hash):
            if not code.user_id:
                raise ClaimCodeUnknown
            if code.shown_by or code.revoked:
                return []
            return [
                ClaimCodeRevoked(
                    code_hash=code_hash, user_id=code.user_id, product_id=code.product_id
                )
            ]
    assert_never(command)


def evolve(code: ClaimCode, event: ClaimCodeEvent) -> ClaimCode:
    match event:
        case ClaimCodeIssued(user_id=user_id, product_id=product_id, expires_at=expires_at):
            return ClaimCode(user_id=user_id, product_id=product_id, expires_at=expires_at)
        case ClaimCodeShown(device_id=device_id):
            return replace(code, shown_by=device_id)
        case ClaimCodeRevoked():
            return replace(code, revoked=True)
    assert_never(event)


CLAIM_CODE = Decider(initial=ClaimCode(), decide=decide, evolve=evolve)
