"""What the caller is asked to join, and answers; and the teams that they are on."""

from datetime import datetime

import msgspec
from msgspec import Struct

from api.actors import names_of
from api.call import Call
from api.people.team_objects import RoleObject, shown_role
from api.problem import NotFound
from api.views import Done, now, stamp
from domain.model import Command
from domain.roles import Role
from domain.team import AcceptInvitation, DeclineInvitation
from domain.team_events import product_of
from domain.team_programs import TeamKey

SEATS = """
    SELECT m.team, m.role, m.state, m.invited_at, m.expires_at, m.invited_by, m.joined_at,
           coalesce(p.slug, o.slug) AS slug, coalesce(p.name, o.name) AS name
    FROM access.member m
    LEFT JOIN fleet.product p ON p.product_id::text = m.team AND NOT p.retired
    LEFT JOIN access.organization o ON o.organization_id = m.team
    WHERE m.user_id = %(user)s AND m.state = %(state)s
      AND (p.product_id IS NOT NULL OR o.organization_id IS NOT NULL)
    ORDER BY m.invited_at, m.team
"""
INVITED, MEMBER = "invited", "member"


class SeatRow(Struct, frozen=True):
    team: str
    role: str
    state: str
    invited_at: datetime | None
    expires_at: datetime | None
    invited_by: str
    joined_at: datetime | None
    slug: str
    name: str


class TeamName(Struct, frozen=True):
    """What has the team: a product, by number and slug, or an organization."""

    team: str
    slug: str
    name: str
    product_id: int | None
    organization_id: str | None


class InvitationObject(Struct, frozen=True):
    """`team` is what it is answered by; `invited_by` the e-mail or username of who invited."""

    team: TeamName
    role: RoleObject
    invited_by: str
    invited_at: str
    expires_at: str
    expired: bool


class Invitations(Struct, frozen=True):
    invitations: list[InvitationObject]
    ok: bool = True


class MembershipObject(Struct, frozen=True):
    team: TeamName
    role: RoleObject
    joined_at: str


class Memberships(Struct, frozen=True):
    memberships: list[MembershipObject]
    ok: bool = True


async def list_invitations(call: Call) -> Invitations:
    """The invitations that the caller has not answered."""
    async with call.snapshot() as snapshot:
        wanted = {"user": call.caller.user_id, "state": INVITED}
        seats = await snapshot.all(SeatRow, SEATS, wanted)
        names = await names_of(snapshot, (seat.invited_by for seat in seats))
    at = now()
    return Invitations([shown_invitation(seat, names, at) for seat in seats])


async def accept_invitation(call: Call) -> Done:
    """Become a member, with the role of the invitation."""
    team, user_id = team_in(call), call.caller.user_id
    return await answered(call, AcceptInvitation(team=team, user_id=user_id, at=now()))


async def decline_invitation(call: Call) -> Done:
    """Decline an invitation. Nothing else changes."""
    return await answered(call, DeclineInvitation(team=team_in(call), user_id=call.caller.user_id))


async def list_memberships(call: Call) -> Memberships:
    """The teams that the caller is on. What they own is in the lists of products and
    organizations."""
    async with call.snapshot() as snapshot:
        wanted = {"user": call.caller.user_id, "state": MEMBER}
        seats = await snapshot.all(SeatRow, SEATS, wanted)
    return Memberships([shown_membership(seat) for seat in seats])


async def answered(call: Call, command: Command) -> Done:
    await call.carry_out(command)
    return Done()


def team_in(call: Call) -> str:
    """The team that the path names. Raises NotFound for what cannot be one."""
    try:
        return msgspec.convert(call.part("team"), TeamKey)
    except msgspec.ValidationError:
        raise NotFound(what="Invitation") from None


def shown_invitation(seat: SeatRow, names: dict[str, str], at: str) -> InvitationObject:
    expires_at = stamp(seat.expires_at) if seat.expires_at else ""
    return InvitationObject(
        team=shown_team(seat),
        role=shown_role(Role(seat.role)),
        invited_by=names.get(seat.invited_by, seat.invited_by),
        invited_at=stamp(seat.invited_at) if seat.invited_at else "",
        expires_at=expires_at,
        expired=expires_at <= at,
    )


def shown_membership(seat: SeatRow) -> MembershipObject:
    joined_at = stamp(seat.joined_at) if seat.joined_at else ""
    return MembershipObject(shown_team(seat), shown_role(Role(seat.role)), joined_at)


def shown_team(seat: SeatRow) -> TeamName:
    product_id = product_of(seat.team)
    organization_id = seat.team if product_id is None else None
    return TeamName(seat.team, seat.slug, seat.name, product_id, organization_id)
