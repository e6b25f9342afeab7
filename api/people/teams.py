"""The team of a product or of an organization: who is on it, invited, moved, removed."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

from msgspec import UNSET, UnsetType
from starlette.responses import Response

from api.call import Call
from api.database import Rows, Snapshot
from api.fleet.past import AsOfWanted, position_of
from api.people import team_programs
from api.people.oauth import unstored
from api.people.plans import seats_max
from api.people.team_objects import (
    Added,
    Changed,
    Invited,
    MemberChange,
    NewMember,
    OneMember,
    TeamObject,
    Updated,
    changed_program,
    shown_owner,
    shown_program,
    shown_role,
    shown_seat,
)
from api.people.team_past import team_then
from api.people.team_rows import (
    ACCOUNT,
    ALL_SEATS,
    MODELS,
    OWNERS_CHANGED_BY,
    PROGRAM_NAMED,
    PROGRAMS,
    AccountRow,
    ProgramRow,
    SeatRow,
    TeamPlace,
    account_named,
    place_of,
    scopes_held,
    seat_of,
    team_place,
)
from api.problem import FieldInvalid, NotFound, NothingToChange
from api.views import Done, stamp
from domain.model import Command, Event
from domain.roles import Role, role_named
from domain.team import (
    ChangeMemberRole,
    InviteMember,
    LeaveTeam,
    MemberUnknown,
    RemoveMember,
)

INVITATION_DAYS = 14
ROLE_DEFAULT = Role.DEVELOPER  # what clients that send an e-mail alone mean


class UserNotFound(FieldInvalid):
    """There is no account with the e-mail {username}. Who is invited needs one first."""

    error = "user_not_found"


async def list_team(call: Call, query: AsOfWanted) -> TeamObject:
    """Who is on the team, who is invited, and the programs; those of the organization too.

    Now, or as of a time or position.
    """
    if query.as_of:
        return await team_then(call, await position_of(call, query.as_of))
    async with call.snapshot() as snapshot:
        place = await team_place(call, snapshot)
        owner = await snapshot.one(AccountRow, ACCOUNT, [place.owner])
        seats = await snapshot.all(SeatRow, ALL_SEATS, {"team": place.key})
        programs = await snapshot.all(ProgramRow, PROGRAMS, [place.teams])
        call.position = snapshot.as_of(MODELS)
    people = [shown_seat(seat) for seat in seats if seat.user_id != place.owner]
    # Whose the organization is stands on its own team's list.
    own = [shown_owner(owner)] if owner and place.organization in ("", place.key) else []
    return TeamObject([*own, *people, *(shown_program(program) for program in programs)])


async def get_member(call: Call) -> OneMember:
    """One of the team: a user by e-mail, or a program by username."""
    async with call.snapshot() as snapshot:
        place = await team_place(call, snapshot)
        found = await seated(call, snapshot, place)
    match found:
        case ProgramRow():
            return OneMember(shown_program(found))
        case SeatRow():
            return OneMember(shown_seat(found))
    return OneMember(shown_owner(found))


async def add_member(call: Call, body: NewMember) -> Annotated[Response, Added]:
    """Invite a user, who has an account; or make a program a member, whose token is shown once."""
    if body.friendly_name is not UNSET or body.scopes is not UNSET:
        created = await team_programs.create(call, body.friendly_name, body.scopes)
        return unstored(Added(created=created))
    if body.username is UNSET:
        raise FieldInvalid(field="username", reason="is missing")
    return unstored(Added(invited=await invite(call, body.username, role_in(body.role))))


async def invite(call: Call, username: str, role: Role) -> Invited:
    """Raises UserNotFound, and what `decide` of a team does."""
    at = datetime.now(UTC)
    expires_at = stamp(at + timedelta(days=INVITATION_DAYS))
    account: AccountRow | None = None

    async def look(snapshot: Snapshot) -> Sequence[Command]:
        nonlocal account
        place = await team_place(call, snapshot)
        account = await account_named(call, snapshot, username)
        if account is None:
            raise UserNotFound(field="username", username=username)
        command = InviteMember(
            team=place.key,
            user_id=account.user_id,
            role=role,
            scopes_held=scopes_held(call),
            at=stamp(at),
            expires_at=expires_at,
            owner=place.owner,
            seats_max=seats_max(place.key),
        )
        return [command]

    await decide(call, look)
    assert account is not None
    return Invited(account.email, shown_role(role), expires_at)


async def change_member(call: Call, body: MemberChange) -> Annotated[Response, Updated]:
    """Give a member another role, or a program another name or other scopes.

    With other scopes a program gets another token, shown once.
    """
    found: SeatRow | ProgramRow | AccountRow | None = None

    async def look(snapshot: Snapshot) -> Sequence[Command]:
        nonlocal found
        place = await team_place(call, snapshot)
        found = await seated(call, snapshot, place)
        if isinstance(found, ProgramRow):
            return []
        if body.role is UNSET:
            raise NothingToChange(fields="role")
        command = ChangeMemberRole(
            team=place.key,
            user_id=found.user_id,
            role=role_in(body.role),
            scopes_held=scopes_held(call),
            owner=place.owner,
        )
        return [command]

    await decide(call, look)
    if isinstance(found, ProgramRow):
        program = await team_programs.change(call, found, body.friendly_name, body.scopes)
        return unstored(Updated(changed_program(program)))
    assert found is not None
    return unstored(Updated(Changed(found.email, shown_role(role_in(body.role)))))


async def replace_token(call: Call) -> Annotated[Response, Updated]:
    """Give a program another token, shown once. The one before works no longer."""
    async with call.snapshot() as snapshot:
        place = await team_place(call, snapshot)
        program = await program_named(call, snapshot, place)
    if program is None:
        raise NotFound(what="API user")
    return unstored(Updated(changed_program(await team_programs.renew(call, program))))


async def remove_member(call: Call) -> Done:
    """Remove a member, withdraw an invitation, remove a program, or leave."""
    found: SeatRow | ProgramRow | AccountRow | None = None

    async def look(snapshot: Snapshot) -> Sequence[Command]:
        nonlocal found
        place = await team_place(call, snapshot)
        found = await seated(call, snapshot, place)
        if isinstance(found, ProgramRow):
            return []
        kind = LeaveTeam if found.user_id == call.caller.user_id else RemoveMember
        return [kind(team=place.key, user_id=found.user_id, owner=place.owner)]

    await decide(call, look)
    if isinstance(found, ProgramRow):
        await team_programs.remove(call, found)
    return Done()


async def leave_team(call: Call) -> Done:
    """Leave a team, whatever one's role there is. The owner stays."""

    async def look(snapshot: Snapshot) -> Sequence[Command]:
        key, user_id = call.part("team"), call.caller.user_id
        seat = await seat_of(snapshot, key, user_id)
        if seat is None or seat.state != "member":
            raise MemberUnknown
        place = await place_of(snapshot, key)
        return [LeaveTeam(team=key, user_id=user_id, owner=place.owner)]

    await decide(call, look)
    return Done()


async def decide(
    call: Call, look: Callable[[Snapshot], Awaitable[Sequence[Command]]]
) -> Sequence[Event]:
    """Carry out what `look` makes of teams as they are now; once more if an owner changed."""
    return await call.decide(None, OWNERS_CHANGED_BY, look, models=MODELS)


async def seated(call: Call, rows: Rows, place: TeamPlace) -> SeatRow | ProgramRow | AccountRow:
    """Whom the path names: somebody with a seat, a program, or the owner. Raises MemberUnknown."""
    program = await program_named(call, rows, place)
    if program is not None:
        return program
    account = await account_named(call, rows, call.part("username"))
    if account is None:
        raise MemberUnknown
    if account.user_id == place.owner:
        return account
    seat = await seat_of(rows, place.key, account.user_id)
    if seat is None:
        raise MemberUnknown
    return seat


async def program_named(call: Call, rows: Rows, place: TeamPlace) -> ProgramRow | None:
    return await rows.one(ProgramRow, PROGRAM_NAMED, [place.key, call.part("username")])


def role_in(text: str | UnsetType) -> Role:
    """Raises FieldInvalid for a role that is none."""
    if text is UNSET:
        return ROLE_DEFAULT
    role = role_named(text)
    if role is None:
        given = ", ".join(role for role in Role if role is not Role.OWNER)
        raise FieldInvalid(field="role", reason=f"expected one of {given}")
    return role
