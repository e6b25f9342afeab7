"""Who may do what: roles, the scopes that each of them has, and one pure rule that joins the two.

The API asks it at every call, the page of permissions asks it about the past, the tests ask it what
to expect. Nothing is allowed that is not written here.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeAlias, assert_never

from msgspec import Struct

EVERY_SCOPE = "*"
EVERYTHING = frozenset({EVERY_SCOPE})
# OAuth clients spell it so.
EVERY_SCOPE_SPELLINGS = frozenset({EVERY_SCOPE, "*:*"})

USER_PREFIX = "user:"
ORGANIZATION_PREFIX = "organization:"


class Role(StrEnum):
    """What a member of a team is, as the API spells it. The highest comes first."""

    OWNER = "Owner"
    ADMINISTRATOR = "Administrator"
    DEVELOPER = "Developer"
    SUPPORT = "Support"
    VIEW_ONLY = "View-only"


# Seeing: all that a team has, nothing of it changed.
VIEWED = frozenset(
    {
        "clients:list",
        "configuration:get",
        "customers:list",
        "devices.diagnostics:get",
        "devices:get",
        "devices:list",
        "events:get",
        "firmware:get",
        "firmware:list",
        "groups.impact:get",
        "groups:get",
        "groups:list",
        "history:list",
        "integrations:get",
        "integrations:list",
        "ledger.definitions:get",
        "ledger.definitions:list",
        "ledger.instances.versions:get",
        "ledger.instances.versions:list",
        "ledger.instances:get",
        "ledger.instances:list",
        "locations:get",
        "logic.functions:get",
        "logic.functions:list",
        "logic.logs:list",
        "logic.runs:get",
        "logic.runs:list",
        "logic.stats:list",
        "metrics.events:get",
        "metrics.functions:get",
        "metrics.integrations:get",
        "metrics.online:get",
        "metrics.variables:get",
        "organization:get",
        "permissions:get",
        "products:get",
        "products:list",
        "secrets:list",
        "sims.status:get",
        "sims.usage:get",
        "sims:get",
        "sims:list",
        "teams.users:get",
        "teams.users:list",
    }
)

# Asking devices, and helping who has one.
SUPPORTED = frozenset(
    {
        "devices.diagnostics:update",
        "devices.function:call",
        "devices.variable:get",
        "devices:ping",
        "sims:update",
    }
)

# Changing what the devices are and what they run.
DEVELOPED = frozenset(
    {
        "clients:create",
        "clients:remove",
        "clients:update",
        "customers:create",
        "customers:remove",
        "customers:update",
        "devices:claim",
        "devices:import",
        "devices:release",
        "devices:remove",
        "devices:update",
        "events:send",
        "firmware.binary:get",
        "firmware:create",
        "firmware:release",
        "firmware:remove",
        "firmware:update",
        "groups:create",
        "groups:remove",
        "groups:update",
        "integrations:create",
        "integrations:remove",
        "integrations:test",
        "integrations:update",
        "ledger.definitions:archive",
        "ledger.definitions:create",
        "ledger.definitions:update",
        "ledger.instances:remove",
        "ledger.instances:set",
        "logic.functions:create",
        "logic.functions:execute",
        "logic.functions:remove",
        "logic.functions:update",
        "products:create",
        "secrets:create",
        "secrets:delete",
        "secrets:get",
        "secrets:update",
        "sims:import",
        "sims:remove",
    }
)

# People, settings, and what it costs.
ADMINISTERED = frozenset(
    {
        "configuration:update",
        "organization:update",
        "products:update",
        "service_agreements.notifications:list",
        "service_agreements.pricing_terms:get",
        "service_agreements.usage_reports:create",
        "service_agreements.usage_reports:get",
        "service_agreements.usage_summary:get",
        "service_agreements:list",
        "teams.users:invite",
        "teams.users:remove",
        "teams.users:update",
    }
)

# Giving it away, giving it up, and paying for it.
OWNED = frozenset(
    {
        "billing:update",
        "organization:remove",
        "organization:transfer",
        "products:remove",
        "products:transfer",
    }
)

SCOPES_OF: dict[Role, frozenset[str]] = {
    Role.OWNER: VIEWED | SUPPORTED | DEVELOPED | ADMINISTERED | OWNED,
    Role.ADMINISTRATOR: VIEWED | SUPPORTED | DEVELOPED | ADMINISTERED,
    Role.DEVELOPER: VIEWED | SUPPORTED | DEVELOPED,
    Role.SUPPORT: VIEWED | SUPPORTED,
    Role.VIEW_ONLY: VIEWED,
}

# What a program that is a member of a team may be given.
API_USER_SCOPES = (VIEWED | SUPPORTED | DEVELOPED | ADMINISTERED) - {
    "customers:create",
    "devices:claim",
    "history:list",
    "organization:update",
    "permissions:get",
    "products:create",
    "products:update",
}

# What a program that shows the credentials of a product may do there: all but people and settings.
PRODUCT_TOKEN_SCOPES = SCOPES_OF[Role.DEVELOPER] - {"products:create"}

# What the owner of a device may do with it, in a product or not.
DEVICE_OWNER_SCOPES = SUPPORTED | {
    "devices.diagnostics:get",
    "devices:get",
    "devices:release",
    "devices:transfer",
    "devices:update",
    "events:get",
    "events:send",
    "history:list",
}

# What everybody with an account may do among their own things.
OWN_SCOPES = frozenset(
    {
        "clients:create",
        "clients:list",
        "clients:remove",
        "clients:update",
        "devices:claim",
        "devices:get",
        "devices:list",
        "devices:transfer",
        "events:get",
        "events:send",
        "invitations:answer",
        "invitations:list",
        "openapi:get",
        "organization:create",
        "organization:list",
        "products:create",
        "products:list",
        "serial_numbers:get",
        "tokens:get",
        "tokens:list",
        "tokens:remove",
        "transfers:answer",
        "transfers:list",
        "user:get",
        "user:remove",
        "user:update",
    }
)
# Programs own nothing: they see what they are a member of, and can throw their own token away.
OWN_SCOPES_OF_API_USERS = frozenset({"products:list"})
OWN_SCOPES_OF_PRODUCT_TOKENS = frozenset(
    {"openapi:get", "products:list", "tokens:get", "tokens:remove"}
)

# What concerns the installation as a whole: its administrators alone.
INSTALLATION_SCOPES = frozenset({"status:get"})

SCOPES = SCOPES_OF[Role.OWNER] | OWN_SCOPES | DEVICE_OWNER_SCOPES | INSTALLATION_SCOPES


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
    """`owner` is the id of the user who claimed it, `product` what took it in, if anything."""

    owner: str = ""
    product: InProduct | None = None
    device_id: str = ""


Place: TypeAlias = OwnThings | Installation | InOrganization | InProduct | AtDevice


class Grants(Struct, frozen=True):
    """What somebody was given, wherever that is.

    `teams` are the roles by team, a product id as text or an organization id. An API user has a
    `team` and `team_scopes` instead, a program with a product's credentials a `product_id`.
    `limits` are the scopes of the token that is used; nobody has more than they say.
    """

    user_id: str = ""
    administrator: bool = False
    teams: Mapping[str, Role] = {}
    api_user_id: str = ""
    team: str = ""
    team_scopes: frozenset[str] = frozenset()
    product_id: int | None = None
    limits: frozenset[str] = EVERYTHING


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
            own = DEVICE_OWNER_SCOPES if owner and owner == grants.user_id else frozenset()
            return own | (frozenset() if product is None else scopes_in_team(grants, product))
    assert_never(place)


def own_scopes(grants: Grants) -> frozenset[str]:
    if grants.api_user_id:
        return OWN_SCOPES_OF_API_USERS & grants.team_scopes
    if grants.product_id is not None:
        return OWN_SCOPES_OF_PRODUCT_TOKENS
    return OWN_SCOPES if grants.user_id else frozenset()


def scopes_in_team(grants: Grants, place: InProduct | InOrganization) -> frozenset[str]:
    if grants.api_user_id:
        member = grants.team in teams_over(place)
        return grants.team_scopes & API_USER_SCOPES if member else frozenset()
    if grants.product_id is not None:
        same = isinstance(place, InProduct) and place.product_id == grants.product_id
        return PRODUCT_TOKEN_SCOPES if same else frozenset()
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
