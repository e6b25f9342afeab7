"""Who may do what: roles, the scopes that each of them has, and one pure rule that joins the two.

The API asks it at every call, the page of permissions asks it about the past, the tests ask it what
to expect. Nothing is allowed that is not written here.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeAlias, assert_never

from msgspec import Struct

from domain.holders import customer_holder
from domain.scopes import (
    ADMINISTERED,
    API_USER_SCOPES,
    CUSTOMER_SCOPES,
    DEVELOPED,
    DEVICE_CUSTOMER_SCOPES,
    DEVICE_OWNER_SCOPES,
    EVERY_SCOPE,
    EVERY_SCOPE_SPELLINGS,
    EVERYTHING,
    OWN_SCOPES,
    OWN_SCOPES_OF_API_USERS,
    OWN_SCOPES_OF_CUSTOMERS,
    OWN_SCOPES_OF_PRODUCT_TOKENS,
    OWNED,
    PRODUCT_TOKEN_SCOPES,
    SUPPORTED,
    VIEWED,
)

USER_PREFIX = "user:"
ORGANIZATION_PREFIX = "organization:"


class Role(StrEnum):
    """What a member of a team is, as the API spells it. The highest comes first."""

    OWNER = "Owner"
    ADMINISTRATOR = "Administrator"
    DEVELOPER = "Developer"
    SUPPORT = "Support"
    VIEW_ONLY = "View-only"


SCOPES_OF: dict[Role, frozenset[str]] = {
    Role.OWNER: VIEWED | SUPPORTED | DEVELOPED | ADMINISTERED | OWNED,
    Role.ADMINISTRATOR: VIEWED | SUPPORTED | DEVELOPED | ADMINISTERED,
    Role.DEVELOPER: VIEWED | SUPPORTED | DEVELOPED,
    Role.SUPPORT: VIEWED | SUPPORTED,
    Role.VIEW_ONLY: VIEWED,
}


class OwnThings(Struct, frozen=True):
    """Whatever belongs to the caller: account, tokens, devices, what there is to choose from."""


class Installation(Struct, frozen=True):
    """Rollcall itself."""


class InOrganization(Struct, frozen=True):
    organization_id: str
    owner: str = ""  # a user's id


class InProduct(Struct, frozen=True):
    """`owner` is `user:<id>` or `organization:<id>`; products of old have none."""

    product_id: int
    owner: str = ""


class AtDevice(Struct, frozen=True):
    """`owner` is whoever claimed it, a user or a customer: see domain/holders.py. `product` is what
    took it in, if anything."""

    owner: str = ""
    product: InProduct | None = None
    device_id: str = ""


Place: TypeAlias = OwnThings | Installation | InOrganization | InProduct | AtDevice


class Grants(Struct, frozen=True):
    """What somebody was given, wherever that is.

    `teams` are the roles by team, a product id as text or an organization id. An API user has a
    `team` and `team_scopes` instead, a program with a product's credentials a `product_id`, and a
    customer a `customer_id` and the `product_id` of the one product that this is for.
    `limits` are the scopes of the token that is used; nobody has more than they say.
    """

    user_id: str = ""
    administrator: bool = False
    teams: Mapping[str, Role] = {}
    api_user_id: str = ""
    team: str = ""
    team_scopes: frozenset[str] = frozenset()
    customer_id: str = ""
    product_id: int | None = None
    limits: frozenset[str] = EVERYTHING

    @property
    def holder(self) -> str:
        """What devices and tokens of theirs say whose they are; empty for a program."""
        return customer_holder(self.customer_id) if self.customer_id else self.user_id


def scopes_on(grants: Grants, place: Place) -> frozenset[str]:
    """What somebody may do at a place; empty where it is not for them, or not there at all."""
    given = scopes_given(grants, place)
    if not EVERY_SCOPE_SPELLINGS.isdisjoint(grants.limits):
        return given
    return grants.limits if EVERY_SCOPE in given else given & grants.limits


def allows(scopes: frozenset[str], scope: str) -> bool:
    return scope in scopes or EVERY_SCOPE in scopes


def knows(grants: Grants, place: Place) -> bool:
    """Whether the place is any business of theirs. To everybody else it does not exist."""
    if grants.api_user_id and isinstance(place, InProduct | InOrganization):
        return grants.team in teams_over(place)
    return bool(scopes_given(grants, place))


def role_on(grants: Grants, place: InProduct | InOrganization) -> Role | None:
    """The highest role that a user has there, by itself or through the organization."""
    if grants.user_id and grants.user_id == owner_of(place):
        return Role.OWNER
    roles = {role for team in teams_over(place) if (role := grants.teams.get(team))}
    return next((role for role in Role if role in roles), None)


def scopes_given(grants: Grants, place: Place) -> frozenset[str]:
    """The same as `scopes_on`, whatever the token is limited to."""
    if grants.administrator:
        return EVERYTHING
    match place:
        case Installation():
            return frozenset()
        case OwnThings():
            return own_scopes(grants)
        case InProduct() | InOrganization():
            return scopes_in_team(grants, place)
        case AtDevice(owner=owner, product=product):
            if grants.customer_id:
                return scopes_of_customer(grants, place)
            own = DEVICE_OWNER_SCOPES if owner and owner == grants.user_id else frozenset()
            return own | (frozenset() if product is None else scopes_in_team(grants, product))
    assert_never(place)


def scopes_of_customer(grants: Grants, device: AtDevice) -> frozenset[str]:
    """A device of their own, in their product, and no other one there."""
    product_id = device.product.product_id if device.product else None
    if device.owner != grants.holder or product_id != grants.product_id:
        return frozenset()
    return DEVICE_CUSTOMER_SCOPES


def own_scopes(grants: Grants) -> frozenset[str]:
    if grants.api_user_id:
        return OWN_SCOPES_OF_API_USERS & grants.team_scopes
    if grants.customer_id:
        return OWN_SCOPES_OF_CUSTOMERS
    if grants.product_id is not None:
        return OWN_SCOPES_OF_PRODUCT_TOKENS
    return OWN_SCOPES if grants.user_id else frozenset()


def scopes_in_team(grants: Grants, place: InProduct | InOrganization) -> frozenset[str]:
    if grants.api_user_id:
        member = grants.team in teams_over(place)
        return grants.team_scopes & API_USER_SCOPES if member else frozenset()
    if grants.product_id is not None:
        same = isinstance(place, InProduct) and place.product_id == grants.product_id
        given = CUSTOMER_SCOPES if grants.customer_id else PRODUCT_TOKEN_SCOPES
        return given if same else frozenset()
    role = role_on(grants, place)
    return SCOPES_OF[role] if role else frozenset()


def teams_over(place: InProduct | InOrganization) -> tuple[str, ...]:
    """The teams whose members are at home there: a product's own, and its organization's."""
    if isinstance(place, InOrganization):
        return (place.organization_id,)
    if place.owner.startswith(ORGANIZATION_PREFIX):
        return (str(place.product_id), place.owner.removeprefix(ORGANIZATION_PREFIX))
    return (str(place.product_id),)


def owner_of(place: InProduct | InOrganization) -> str:
    """The id of the user whom it belongs to; empty if that is no user."""
    if isinstance(place, InOrganization):
        return place.owner
    if not place.owner.startswith(USER_PREFIX):
        return ""
    return place.owner.removeprefix(USER_PREFIX)


def role_named(text: str) -> Role | None:
    """The role that somebody means, however they spell it."""
    plain = text.strip().lower().replace("_", "-").replace(" ", "-")
    return next((role for role in Role if role.value.lower() == plain), None)
