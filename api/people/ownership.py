"""Whose a product or an organization is: offered to another, accepted, declined, handed over."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from api.actors import names_of
from api.call import Call
from api.database import Rows, Snapshot
from api.people.team_objects import Username
from api.people.team_rows import (
    MODELS,
    TeamPlace,
    account_named,
    is_member,
    place_of,
    team_place,
)
from api.people.teams import decide
from api.places import NAME_CHARACTERS_MAX
from api.problem import FieldInvalid, NotFound
from api.views import Done, stamp
from domain.model import Command
from domain.organization import (
    AcceptOrganization,
    DeclineOrganization,
    OfferOrganization,
    OrganizationTransferred,
    WithdrawOrganizationOffer,
)
from domain.product_ownership import (
    AcceptProduct,
    DeclineProduct,
    NewOwnerUnrelated,
    OfferProduct,
    OwnershipTransferred,
    TransferOwnership,
    WithdrawProductOffer,
)
from domain.roles import ORGANIZATION_PREFIX, allows, scopes_on
from domain.team import SeatOwner
from domain.team_events import PRODUCT_ID_DIGITS_MAX, MemberLeft, MemberRemoved, product_of

# Who may become the owner follows from these.
WATCHED = (MemberLeft, MemberRemoved, OwnershipTransferred, OrganizationTransferred)
GIVES_TO_ORGANIZATION = "organization:update"  # what one must be able to do there

OFFERS = """
    SELECT f.team, f.offered_by, f.offered_at, coalesce(p.slug, o.slug) AS slug,
           coalesce(p.name, o.name) AS name
    FROM access.ownership_offer f
    LEFT JOIN fleet.product p ON p.product_id::text = f.team
    LEFT JOIN access.organization o ON o.organization_id = f.team
    WHERE f.user_id = %s ORDER BY f.offered_at, f.team
"""
OFFERED = "SELECT EXISTS (SELECT FROM access.ownership_offer WHERE team = %s AND user_id = %s)"


class OfferRow(Struct, frozen=True):
    team: str
    offered_by: str
    offered_at: datetime
    slug: str
    name: str


class OfferObject(Struct, frozen=True):
    """`team` is what it is answered by: the product's number or the organization's id."""

    team: str
    slug: str
    name: str
    product_id: int | None
    organization_id: str | None
    offered_by: str
    offered_at: str


class Offers(Struct, frozen=True):
    transfers: list[OfferObject]
    ok: bool = True


class NewOwner(Struct, frozen=True):
    """The `username` of a member, who is asked; or an `organization`, by id or slug, of which the
    caller is an administrator, and whose the product is at once."""

    username: Username | UnsetType = UNSET
    organization: Annotated[str, Meta(min_length=1, max_length=NAME_CHARACTERS_MAX)] | UnsetType = (
        UNSET
    )


class Transfer(Struct, frozen=True):
    """`pending`: until the new owner has accepted, nothing changes."""

    pending: bool
    ok: bool = True


async def offer_product(call: Call, body: NewOwner) -> Transfer:
    """Offer a product to a member of its team, or give it to an organization."""
    if body.organization is not UNSET:
        return await give_to_organization(call, body.organization)
    return await offer(call, body.username)


async def offer_organization(call: Call, body: NewOwner) -> Transfer:
    """Offer an organization to a member of its team."""
    return await offer(call, body.username)


async def offer(call: Call, username: str | UnsetType) -> Transfer:
    if username is UNSET:
        raise FieldInvalid(field="username", reason="is missing")

    async def look(snapshot: Snapshot) -> Sequence[Command]:
        place = await team_place(call, snapshot)
        account = await account_named(call, snapshot, username)
        if account is None:
            raise NewOwnerUnrelated  # as for an account elsewhere: nobody learns who has one
        user_id, member = account.user_id, await is_member(snapshot, place, account.user_id)
        if place.product_id is None:
            key = place.organization
            return [OfferOrganization(organization_id=key, user_id=user_id, is_member=member)]
        return [OfferProduct(product_id=place.product_id, user_id=user_id, is_member=member)]

    await call.decide(None, WATCHED, look, models=MODELS)
    return Transfer(pending=True)


async def give_to_organization(call: Call, named: str) -> Transfer:
    """Raises NotFound for an organization in which the caller may not do as much."""
    organization = await call.cloud.places.organization(named)
    if organization is None or not allows(
        scopes_on(call.caller.grants, organization), GIVES_TO_ORGANIZATION
    ):
        raise NotFound(what="Organization")
    owner = f"{ORGANIZATION_PREFIX}{organization.organization_id}"
    await call.carry_out(TransferOwnership(product_id=call.product_id, owner=owner))
    return Transfer(pending=False)


async def withdraw_offer(call: Call) -> Done:
    """Withdraw the offer of a product or of an organization, if there is one."""

    async def look(snapshot: Snapshot) -> Sequence[Command]:
        place = await team_place(call, snapshot)
        if place.product_id is None:
            return [WithdrawOrganizationOffer(organization_id=place.organization)]
        return [WithdrawProductOffer(product_id=place.product_id)]

    await decide(call, look)
    return Done()


async def list_offers(call: Call) -> Offers:
    """What the caller is asked to be the owner of."""
    async with call.snapshot() as snapshot:
        offers = await snapshot.all(OfferRow, OFFERS, [call.caller.user_id])
        names = await names_of(snapshot, (offer.offered_by for offer in offers))
    return Offers([shown_offer(offer, names) for offer in offers])


async def accept_offer(call: Call) -> Done:
    """Become the owner. Who was it before stays, as an administrator of the team."""
    if await accepted_before(call):
        return Done()
    user_id = call.caller.user_id
    async with call.snapshot() as snapshot:
        place = await offered_place(call, snapshot)
        accept = await acceptance(snapshot, place, user_id)
    await call.must_be_allowed(accept)
    if place.owner and place.owner != user_id:
        # Before they own it no longer: there is no moment in which they are shut out.
        await call.carry_out(SeatOwner(team=place.key, user_id=place.owner))

    async def look(snapshot: Snapshot) -> Sequence[Command]:
        return [await acceptance(snapshot, place, user_id)]

    await call.decide(None, WATCHED, look, models=MODELS)
    return Done()


async def accepted_before(call: Call) -> bool:
    """Whether an earlier try of this same call came to its end, and nothing is offered any more."""
    team = call.part("team")
    kind = "product" if len(team) <= PRODUCT_ID_DIGITS_MAX else "organization"
    return await call.was_carried_out(f"{kind}-{team}")


async def decline_offer(call: Call) -> Done:
    """Leave things as they are."""
    user_id = call.caller.user_id
    async with call.snapshot() as snapshot:
        place = await offered_place(call, snapshot)
    if place.product_id is None:
        command: Command = DeclineOrganization(organization_id=place.organization, user_id=user_id)
    else:
        command = DeclineProduct(product_id=place.product_id, user_id=user_id)
    await call.carry_out(command)
    return Done()


async def offered_place(call: Call, rows: Rows) -> TeamPlace:
    """What the path names, if it is offered to the caller. Raises NotFound."""
    team = call.part("team")
    if not await rows.value(OFFERED, [team, call.caller.user_id]):
        raise NotFound(what="Offer")
    return await place_of(rows, team)


async def acceptance(rows: Rows, place: TeamPlace, user_id: str) -> Command:
    member = await is_member(rows, place, user_id)
    if place.product_id is None:
        key = place.organization
        return AcceptOrganization(organization_id=key, user_id=user_id, is_member=member)
    return AcceptProduct(product_id=place.product_id, user_id=user_id, is_member=member)


def shown_offer(offer: OfferRow, names: dict[str, str]) -> OfferObject:
    product_id = product_of(offer.team)
    return OfferObject(
        team=offer.team,
        slug=offer.slug,
        name=offer.name,
        product_id=product_id,
        organization_id=offer.team if product_id is None else None,
        offered_by=names.get(offer.offered_by, offer.offered_by),
        offered_at=stamp(offer.offered_at),
    )
