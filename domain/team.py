"""A team: who may work on a product or in an organization, as what, and the programs among them.

The owner is no member: ownership is the product's or the organization's own fact, and stands above
whatever seat somebody has here.
"""

from collections.abc import Mapping
from typing import TypeAlias, assert_never

from msgspec import Struct
from msgspec.structs import replace

from domain.model import Decider, Refused, Unknown
from domain.names import Id, Instant
from domain.roles import SCOPES_OF, Role, allows
from domain.scopes import API_USER_SCOPES, EVERYTHING
from domain.team_events import (
    ApiUserChanged,
    ApiUserCreated,
    ApiUserRemoved,
    ApiUserTokenReplaced,
    InvitationAccepted,
    InvitationDeclined,
    InvitationExpired,
    InvitationWithdrawn,
    MemberEvent,
    MemberInvited,
    MemberLeft,
    MemberRemoved,
    MemberRoleChanged,
    OwnerSeated,
    TeamEvent,
    product_of,
)
from domain.team_programs import (
    AboutTeam,
    ApiUserCommand,
    ApiUsers,
    ChangeApiUser,
    CreateApiUser,
    RemoveApiUser,
    ReplaceApiUserToken,
    decide_api_user,
    evolve_api_users,
)

SEATS_PER_TEAM_MAX = 1_000  # whatever a plan says


class AboutMember(AboutTeam):
    user_id: Id


class InviteMember(AboutMember):
    """`owner` is the user whom it all belongs to, `seats_max` what the plan allows, None: any
    number. `scopes_held` are the caller's own: nobody gives what they do not have."""

    role: Role
    at: Instant
    expires_at: Instant
    scopes_held: frozenset[str] = EVERYTHING
    owner: str = ""
    seats_max: int | None = None


class AcceptInvitation(AboutMember):
    at: Instant


class DeclineInvitation(AboutMember):
    pass


class ExpireInvitation(AboutMember):
    at: Instant


class ChangeMemberRole(AboutMember):
    role: Role
    scopes_held: frozenset[str] = EVERYTHING
    owner: str = ""


class RemoveMember(AboutMember):
    """Also of who is invited only: the invitation is withdrawn."""

    owner: str = ""


class LeaveTeam(AboutMember):
    owner: str = ""


class SeatOwner(AboutMember):
    """Before an owner gives it all away: from then on they are an administrator of the team."""


Answer: TypeAlias = AcceptInvitation | DeclineInvitation | ExpireInvitation
Departure: TypeAlias = RemoveMember | LeaveTeam
MemberCommand: TypeAlias = InviteMember | Answer | ChangeMemberRole | Departure | SeatOwner
TeamCommand: TypeAlias = MemberCommand | ApiUserCommand


class MemberUnknown(Unknown):
    """There is no such member of the team."""

    field = "username"


class InvitationUnknown(Unknown):
    """Invitation not found."""


class InvitationOver(Refused):
    """The invitation was open until {expires_at}. Ask to be invited again."""


class AlreadyMember(Refused):
    """They are a member of the team already."""

    field = "username"


class OwnerStays(Refused):
    """The owner cannot be removed and has no other role. Transfer the ownership first."""

    field = "username"


class OwnershipNotInvited(Refused):
    """Nobody becomes the owner by role. Transfer the ownership instead."""

    field = "role"


class RoleNotGiven(Refused):
    """The role {role} may do what you may not: you cannot give it."""

    field = "role"


class TeamFull(Refused):
    """The team has {seats} seats, the owner's and open invitations among them, and its plan allows
    {limit}."""

    field = "username"


class Invitation(Struct, frozen=True):
    role: str
    expires_at: str


class Team(Struct, frozen=True):
    """`gone` are users who once were members or invited, and are not any more."""

    members: Mapping[str, str] = {}  # roles, by user
    invited: Mapping[str, Invitation] = {}
    gone: frozenset[str] = frozenset()
    api_users: ApiUsers = {}


def decide(team: Team, command: TeamCommand) -> list[TeamEvent]:
    match command:
        case InviteMember():
            return invite(team, command)
        case AcceptInvitation() | DeclineInvitation() | ExpireInvitation():
            return answer(team, command)
        case ChangeMemberRole():
            return change_role(team, command)
        case RemoveMember() | LeaveTeam():
            return depart(team, command)
        case SeatOwner(team=key, user_id=user_id):
            if team.members.get(user_id) == Role.ADMINISTRATOR:
                return []
            role, product_id = Role.ADMINISTRATOR.value, product_of(key)
            return [OwnerSeated(team=key, user_id=user_id, role=role, product_id=product_id)]
        case CreateApiUser() | ChangeApiUser() | ReplaceApiUserToken() | RemoveApiUser():
            return [*decide_api_user(team.api_users, command)]
    assert_never(command)


def invite(team: Team, command: InviteMember) -> list[TeamEvent]:
    key, user_id, at = command.team, command.user_id, command.at
    must_be_given(command.role, command.scopes_held)
    if user_id == command.owner or user_id in team.members:
        raise AlreadyMember
    if command.expires_at <= at:
        raise InvitationOver(expires_at=command.expires_at)
    pending = team.invited.get(user_id)
    if pending and pending.expires_at > at and pending.role == command.role:
        return []
    taken = seats_taken(team, command)
    limit = min(SEATS_PER_TEAM_MAX, command.seats_max or SEATS_PER_TEAM_MAX)
    if taken >= limit:
        raise TeamFull(seats=taken, limit=limit)
    invited = MemberInvited(
        team=key,
        user_id=user_id,
        role=command.role.value,
        expires_at=command.expires_at,
        product_id=product_of(key),
    )
    if pending and pending.expires_at <= at:
        return [InvitationExpired(team=key, user_id=user_id, product_id=product_of(key)), invited]
    return [invited]


def must_be_given(role: Role, held: frozenset[str]) -> None:
    """Raises OwnershipNotInvited or RoleNotGiven. What no program can have, a program may give:
    it is only ever asked of people."""
    if role == Role.OWNER:
        raise OwnershipNotInvited
    if not all(allows(held, scope) for scope in SCOPES_OF[role] & API_USER_SCOPES):
        raise RoleNotGiven(role=role.value)


def seats_taken(team: Team, command: InviteMember) -> int:
    """By the owner and by others than who is invited. An open invitation has its seat, so that who
    accepts it always finds one."""
    open_to = {key for key, one in team.invited.items() if one.expires_at > command.at}
    return 1 + len((team.members.keys() | open_to) - {command.owner, command.user_id})


def answer(team: Team, command: Answer) -> list[TeamEvent]:
    key, user_id, product_id = command.team, command.user_id, product_of(command.team)
    invitation = team.invited.get(user_id)
    match command:
        case AcceptInvitation() if user_id in team.members:
            return []
        case DeclineInvitation() if user_id in team.gone:
            return []
        case ExpireInvitation() if invitation is None:
            return []
        case _ if invitation is None:
            raise InvitationUnknown
        case AcceptInvitation(at=at):
            if invitation.expires_at <= at:
                raise InvitationOver(expires_at=invitation.expires_at)
            return [InvitationAccepted(team=key, user_id=user_id, product_id=product_id)]
        case DeclineInvitation():
            return [InvitationDeclined(team=key, user_id=user_id, product_id=product_id)]
        case ExpireInvitation(at=at):
            if invitation.expires_at > at:
                return []
            return [InvitationExpired(team=key, user_id=user_id, product_id=product_id)]
    assert_never(command)


def change_role(team: Team, command: ChangeMemberRole) -> list[TeamEvent]:
    key, user_id, role = command.team, command.user_id, command.role
    must_be_given(role, command.scopes_held)
    if user_id == command.owner:
        raise OwnerStays
    product_id = product_of(key)
    if invitation := team.invited.get(user_id):
        if invitation.role == role:
            return []
        until = invitation.expires_at
        invited = MemberInvited(
            team=key, user_id=user_id, role=role.value, expires_at=until, product_id=product_id
        )
        return [invited]
    if user_id not in team.members:
        raise MemberUnknown
    if team.members[user_id] == role:
        return []
    return [MemberRoleChanged(team=key, user_id=user_id, role=role.value, product_id=product_id)]


def depart(team: Team, command: Departure) -> list[TeamEvent]:
    key, user_id, product_id = command.team, command.user_id, product_of(command.team)
    if user_id == command.owner:
        raise OwnerStays
    if user_id in team.gone:
        return []
    if user_id in team.invited and isinstance(command, RemoveMember):
        return [InvitationWithdrawn(team=key, user_id=user_id, product_id=product_id)]
    if user_id not in team.members:
        raise MemberUnknown
    if isinstance(command, LeaveTeam):
        return [MemberLeft(team=key, user_id=user_id, product_id=product_id)]
    return [MemberRemoved(team=key, user_id=user_id, product_id=product_id)]


def evolve(team: Team, event: TeamEvent) -> Team:
    match event:
        case ApiUserCreated() | ApiUserChanged() | ApiUserTokenReplaced() | ApiUserRemoved():
            return replace(team, api_users=evolve_api_users(team.api_users, event))
        case _:
            return evolve_member(team, event)


def evolve_member(team: Team, event: MemberEvent) -> Team:
    user_id = event.user_id
    members = {other: role for other, role in team.members.items() if other != user_id}
    invited = {other: one for other, one in team.invited.items() if other != user_id}
    gone = team.gone - {user_id}
    match event:
        case MemberInvited(role=role, expires_at=expires_at):
            invited[user_id] = Invitation(role, expires_at)
        case InvitationAccepted():
            pending = team.invited.get(user_id)
            members[user_id] = pending.role if pending else Role.VIEW_ONLY.value
        case MemberRoleChanged(role=role) | OwnerSeated(role=role):
            members[user_id] = role
        case InvitationDeclined() | InvitationExpired() | InvitationWithdrawn():
            gone |= {user_id}
        case MemberRemoved() | MemberLeft():
            gone |= {user_id}
        case _:
            assert_never(event)
    return replace(team, members=members, invited=invited, gone=gone)


TEAM = Decider(initial=Team(), decide=decide, evolve=evolve)
