"""Whose a product is: a user's or an organization's, offered to another, accepted or declined."""

from typing import Annotated, TypeAlias, assert_never

from msgspec import Meta, Struct
from msgspec.structs import replace

from domain.model import Command, Event, Refused, Unknown
from domain.names import Id, ProductId
from domain.roles import ORGANIZATION_PREFIX, USER_PREFIX

OwnerString = Annotated[
    str, Meta(pattern=rf"^({USER_PREFIX}|{ORGANIZATION_PREFIX})[0-9a-f]{{24}}$(?!\n)")
]


class ProductOffered(Event):
    """The owner would have this user be the owner; they are asked."""

    product_id: int
    user_id: str


class ProductOfferWithdrawn(Event):
    product_id: int
    user_id: str


class ProductDeclined(Event):
    product_id: int
    user_id: str


class OwnershipTransferred(Event):
    """`owner` is `user:<id>` or `organization:<id>`, `before` who it was until now."""

    product_id: int
    owner: str
    before: str = ""


OwnershipEvent: TypeAlias = (
    ProductOffered | ProductOfferWithdrawn | ProductDeclined | OwnershipTransferred
)


class AboutOwnership(Command):
    product_id: ProductId

    @property
    def stream(self) -> str:
        return f"product-{self.product_id}"


class OfferProduct(AboutOwnership):
    """`is_member` says whether the user works on the product now."""

    user_id: Id
    is_member: bool


class WithdrawProductOffer(AboutOwnership):
    pass


class DeclineProduct(AboutOwnership):
    user_id: Id


class AcceptProduct(AboutOwnership):
    user_id: Id
    is_member: bool


class TransferOwnership(AboutOwnership):
    """Somebody who speaks for both sides hands it over at once."""

    owner: OwnerString


OwnershipCommand: TypeAlias = (
    OfferProduct | WithdrawProductOffer | DeclineProduct | AcceptProduct | TransferOwnership
)


class ProductNotOffered(Unknown):
    """There is no such offer."""


class NewOwnerUnrelated(Refused):
    """Only a member of the team can become the owner. Invite them first."""

    field = "username"


class Ownership(Struct, frozen=True):
    """`offered_to` is the user who is asked, `declined_by` the one who last said no."""

    owner: str = ""
    offered_to: str = ""
    declined_by: str = ""


def decide_ownership(ownership: Ownership, command: OwnershipCommand) -> list[OwnershipEvent]:
    key, offered_to = command.product_id, ownership.offered_to
    match command:
        case OfferProduct(user_id=user_id, is_member=is_member):
            if user_id == offered_to or is_owner(ownership, user_id):
                return []
            if not is_member:
                raise NewOwnerUnrelated
            return [ProductOffered(product_id=key, user_id=user_id)]
        case WithdrawProductOffer():
            if not offered_to:
                return []
            return [ProductOfferWithdrawn(product_id=key, user_id=offered_to)]
        case DeclineProduct(user_id=user_id):
            if user_id == ownership.declined_by:
                return []
            if user_id != offered_to:
                raise ProductNotOffered
            return [ProductDeclined(product_id=key, user_id=user_id)]
        case AcceptProduct(user_id=user_id, is_member=is_member):
            if is_owner(ownership, user_id):
                return []
            if user_id != offered_to:
                raise ProductNotOffered
            if not is_member:
                raise NewOwnerUnrelated
            return [transferred(key, ownership, f"{USER_PREFIX}{user_id}")]
        case TransferOwnership(owner=owner):
            return [] if owner == ownership.owner else [transferred(key, ownership, owner)]
    assert_never(command)


def is_owner(ownership: Ownership, user_id: str) -> bool:
    return ownership.owner == f"{USER_PREFIX}{user_id}"


def transferred(product_id: int, ownership: Ownership, owner: str) -> OwnershipTransferred:
    return OwnershipTransferred(product_id=product_id, owner=owner, before=ownership.owner)


def evolve_ownership(ownership: Ownership, event: OwnershipEvent) -> Ownership:
    match event:
        case ProductOffered(user_id=user_id):
            return replace(ownership, offered_to=user_id, declined_by="")
        case ProductOfferWithdrawn():
            return replace(ownership, offered_to="")
        case ProductDeclined(user_id=user_id):
            return replace(ownership, offered_to="", declined_by=user_id)
        case OwnershipTransferred(owner=owner):
            return Ownership(owner)
    assert_never(event)
