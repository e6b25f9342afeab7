"""Teams as they are read: whose a place is, who has a seat there, and which programs."""

from datetime import datetime

from msgspec import Struct

from api.call import Call
from api.database import Rows
from api.problem import PermissionDenied
from domain.names import EMAIL_CHARACTERS_MAX
from domain.organization import OrganizationTransferred
from domain.product_ownership import OwnershipTransferred
from domain.roles import InOrganization, InProduct, scopes_on
from domain.team_events import product_of
from domain.user import normal_email

# What decides who the owner is: a command that was decided for another owner is decided again.
OWNERS_CHANGED_BY = (OwnershipTransferred, OrganizationTransferred)
MODELS = ("access", "fleet")

OF_PRODUCT = """
    SELECT p.product_id::text AS key, p.product_id, coalesce(o.organization_id, '') AS organization,
           p.slug, p.name,
           coalesce(o.owner, substring(p.owner FROM '^user:(.*)$'), '') AS owner
    FROM fleet.product p
    LEFT JOIN access.organization o
           ON o.organization_id = substring(p.owner FROM '^organization:(.*)')
    WHERE NOT p.retired AND p.product_id = %s
"""
OF_ORGANIZATION = """
    SELECT o.organization_id AS key, NULL::integer AS product_id,
           o.organization_id AS organization, o.slug, o.name, o.owner
    FROM access.organization o WHERE o.organization_id = %s
"""
SEATS = """
    SELECT m.team, m.user_id, m.role, m.state, m.invited_at, m.expires_at, m.joined_at, a.email,
           a.totp_secret IS NOT NULL AS mfa
    FROM access.member m JOIN access.account a USING (user_id)
    WHERE m.team = %(team)s AND NOT a.erased
"""
ALL_SEATS = SEATS + " ORDER BY m.state DESC, a.email"
SEAT_OF = SEATS + " AND a.user_id = %(user)s"
PROGRAMS = """
    SELECT api_user_id, team, username, friendly_name, scopes, token_id
    FROM access.api_user WHERE team = ANY (%s) ORDER BY team, username
"""
PROGRAM_NAMED = """
    SELECT api_user_id, team, username, friendly_name, scopes, token_id
    FROM access.api_user WHERE team = %s AND username = %s
"""
ACCOUNT_NAMED = """
    SELECT user_id, email, totp_secret IS NOT NULL AS mfa FROM access.account
    WHERE email_digest = %s AND NOT erased
"""
ACCOUNT = """
    SELECT user_id, email, totp_secret IS NOT NULL AS mfa FROM access.account
    WHERE user_id = %s AND NOT erased
"""


class TeamPlace(Struct, frozen=True):
    """What has a team. `owner` is the user whose it is in the end, empty if it is nobody's.

    `organization` is the id of the one that it is, or that owns it; empty if there is none.
    """

    key: str
    product_id: int | None
    organization: str
    slug: str
    name: str
    owner: str

    @property
    def teams(self) -> list[str]:
        """The keys of the teams that work here: its own, and its organization's."""
        return list(dict.fromkeys(key for key in (self.key, self.organization) if key))


class SeatRow(Struct, frozen=True):
    team: str
    user_id: str
    role: str
    state: str
    invited_at: datetime | None
    expires_at: datetime | None
    joined_at: datetime | None
    email: str
    mfa: bool


class ProgramRow(Struct, frozen=True):
    api_user_id: str
    team: str
    username: str
    friendly_name: str
    scopes: list[str]
    token_id: str


class AccountRow(Struct, frozen=True):
    user_id: str
    email: str
    mfa: bool


async def team_place(call: Call, rows: Rows) -> TeamPlace:
    """What the path names. Raises PermissionDenied if it is there no longer."""
    match call.place:
        case InProduct(product_id=product_id):
            return await place_of(rows, str(product_id))
        case InOrganization(organization_id=organization_id):
            return await place_of(rows, organization_id)
    raise PermissionDenied


async def place_of(rows: Rows, team: str) -> TeamPlace:
    """What has the team of that key. Raises PermissionDenied if it is there no longer."""
    product_id = product_of(team)
    if product_id is None:
        found = await rows.one(TeamPlace, OF_ORGANIZATION, [team])
    else:
        found = await rows.one(TeamPlace, OF_PRODUCT, [product_id])
    if found is None:
        raise PermissionDenied
    return found


async def account_named(call: Call, rows: Rows, username: str) -> AccountRow | None:
    """The account of an e-mail, however it is spelled."""
    if len(username) > EMAIL_CHARACTERS_MAX:
        return None
    digest = call.cloud.seals.digest(normal_email(username))
    return await rows.one(AccountRow, ACCOUNT_NAMED, [digest])


async def seat_of(rows: Rows, team: str, user_id: str) -> SeatRow | None:
    return await rows.one(SeatRow, SEAT_OF, {"team": team, "user": user_id})


async def is_member(rows: Rows, place: TeamPlace, user_id: str) -> bool:
    """Whether a user works there, by the team of the place or that of its organization."""
    seats = [await seat_of(rows, team, user_id) for team in place.teams]
    return any(seat is not None and seat.state == "member" for seat in seats)


def scopes_held(call: Call) -> frozenset[str]:
    """What the caller may do where the call is about."""
    return scopes_on(call.caller.grants, call.place)
