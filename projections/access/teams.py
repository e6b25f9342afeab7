"""Teams: who is a member or invited, and which programs are; a token of theirs works at a time."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import astuple
from psycopg import Cursor
from psycopg.sql import SQL, Identifier

from domain.model import Event
from domain.recorded import Recorded
from domain.team_events import (
    ApiUserChanged,
    ApiUserCreated,
    ApiUserRemoved,
    ApiUserTokenReplaced,
    InvitationAccepted,
    InvitationDeclined,
    InvitationExpired,
    InvitationWithdrawn,
    MemberInvited,
    MemberLeft,
    MemberRemoved,
    MemberRoleChanged,
    OwnerSeated,
)
from domain.token import TokenIssued

Sql = Cursor[tuple[Any, ...]]

LOAD_MEMBERS = """
    SELECT member.* FROM {member} AS member
    JOIN unnest(%s::text[], %s::text[]) AS meant (team, user_id) USING (team, user_id)
"""
FORGET_MEMBERS = """
    DELETE FROM {member} AS member USING unnest(%s::text[], %s::text[]) AS meant (team, user_id)
    WHERE member.team = meant.team AND member.user_id = meant.user_id
"""
COPY_MEMBERS = "COPY {member} FROM STDIN"
LOAD_PROGRAMS = "SELECT * FROM {api_user} WHERE api_user_id = ANY(%s)"
FORGET_PROGRAMS = "DELETE FROM {api_user} WHERE api_user_id = ANY(%s)"
COPY_PROGRAMS = "COPY {api_user} FROM STDIN"
FORGET_TOKENS = "DELETE FROM {token} WHERE token_id = ANY(%s)"


class MemberRow(Struct):
    """A row of table `member`, in the order of its columns."""

    team: str
    user_id: str
    role: str
    state: str
    invited_at: datetime | None
    expires_at: datetime | None
    invited_by: str
    joined_at: datetime | None


class Members:
    """Table `member`."""

    takes: tuple[type[Event], ...] = (
        MemberInvited,
        InvitationAccepted,
        InvitationDeclined,
        InvitationExpired,
        InvitationWithdrawn,
        MemberRoleChanged,
        MemberRemoved,
        MemberLeft,
        OwnerSeated,
    )

    def __init__(self, schema: str) -> None:
        member = Identifier(schema, "member")
        self._load, self._forget, self._copy = (
            SQL(query).format(member=member)
            for query in (LOAD_MEMBERS, FORGET_MEMBERS, COPY_MEMBERS)
        )

    def apply(self, cursor: Sql, events: Sequence[Recorded]) -> None:
        happened: list[Any] = [one.event for one in events]
        places = sorted({(event.team, event.user_id) for event in happened})
        columns = [list(column) for column in zip(*places, strict=True)]
        cursor.execute(self._load, columns, prepare=True)
        members = {(row[0], row[1]): MemberRow(*row) for row in cursor.fetchall()}
        for recorded in events:
            fold_member(members, recorded)
        cursor.execute(self._forget, columns, prepare=True)
        with cursor.copy(self._copy) as copy:
            for member in members.values():
                copy.write_row(astuple(member))


def fold_member(members: dict[tuple[str, str], MemberRow], recorded: Recorded) -> None:
    event: Any = recorded.event
    place, at = (event.team, event.user_id), recorded.recorded_at
    match event:
        case MemberInvited(role=role, expires_at=expires_at):
            by, until = recorded.provenance.actor, datetime.fromisoformat(expires_at)
            members[place] = MemberRow(*place, role, "invited", at, until, by, None)
        case InvitationAccepted():
            member = members[place]
            member.state, member.expires_at, member.joined_at = "member", None, at
        case MemberRoleChanged(role=role):
            members[place].role = role
        case OwnerSeated(role=role):
            by = recorded.provenance.actor
            members[place] = MemberRow(*place, role, "member", None, None, by, at)
        case _:
            members.pop(place, None)


class ProgramRow(Struct):
    """A row of table `api_user`, in the order of its columns."""

    api_user_id: str
    team: str
    username: str
    friendly_name: str
    scopes: list[str]
    token_id: str
    created_at: datetime | None
    updated_at: datetime | None


class Programs:
    """Table `api_user`, and of the tokens those that work for nobody any more. After Tokens."""

    takes: tuple[type[Event], ...] = (
        ApiUserCreated,
        ApiUserChanged,
        ApiUserTokenReplaced,
        ApiUserRemoved,
        TokenIssued,
    )

    def __init__(self, schema: str) -> None:
        tables = {name: Identifier(schema, name) for name in ("api_user", "token")}
        self._load, self._forget, self._copy, self._forget_tokens = (
            SQL(query).format(**tables)
            for query in (LOAD_PROGRAMS, FORGET_PROGRAMS, COPY_PROGRAMS, FORGET_TOKENS)
        )

    def apply(self, cursor: Sql, events: Sequence[Recorded]) -> None:
        happened: list[Any] = [one.event for one in events]
        ids = sorted({event.api_user_id for event in happened if event.api_user_id})
        if not ids:
            return
        cursor.execute(self._load, [ids], prepare=True)
        programs = {row[0]: ProgramRow(*row) for row in cursor.fetchall()}
        dead = [token_id for one in events if (token_id := fold_program(programs, one))]
        cursor.execute(self._forget, [ids], prepare=True)
        with cursor.copy(self._copy) as copy:
            for program in programs.values():
                copy.write_row(astuple(program))
        if dead:
            cursor.execute(self._forget_tokens, [dead])


def fold_program(programs: dict[str, ProgramRow], recorded: Recorded) -> str:
    """The id of the token that works no longer after this event, or that never did; or empty."""
    event: Any = recorded.event
    key, at = event.api_user_id, recorded.recorded_at
    program = programs.get(key)
    match event:
        case TokenIssued(token_id=token_id):
            # Of two who replace a token at once one is last, and the other's was never meant.
            current = program is not None and program.token_id == token_id
            return token_id if key and not current else ""
        case ApiUserCreated(team=team, username=username, friendly_name=name, scopes=scopes):
            token_id = event.token_id
            programs[key] = ProgramRow(key, team, username, name, list(scopes), token_id, at, at)
            return ""
        case _ if program is None:
            return ""
        case ApiUserRemoved():
            return programs.pop(key).token_id
        case ApiUserChanged(friendly_name=name, scopes=scopes):
            program.friendly_name, program.scopes = name, list(scopes)
    former, program.token_id, program.updated_at = program.token_id, event.token_id, at
    return former if former != program.token_id else ""
