"""API users: made members of a team, changed, given another token, removed."""

import re
import secrets
from contextlib import suppress
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from api.call import Call
from api.people.credentials import digest_of, new_token
from api.people.pairs import revoke
from api.people.team_rows import ProgramRow, scopes_held, team_place
from api.problem import FieldInvalid, NothingToChange
from domain.team_events import ApiUserChanged, product_of
from domain.team_programs import (
    SCOPE_CHARACTERS_MAX,
    SCOPES_PER_API_USER_MAX,
    ChangeApiUser,
    CreateApiUser,
    RemoveApiUser,
    ReplaceApiUserToken,
)
from domain.token import IssueToken, TokenUnknown

SLUG_CHARACTERS_MAX = 60
MARK_CHARACTERS = 10
ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
DOMAIN = "api.particle.io"  # what clients of this API tell a program from a person by

Scope = Annotated[str, Meta(max_length=SCOPE_CHARACTERS_MAX)]
Scopes = Annotated[list[Scope], Meta(max_length=SCOPES_PER_API_USER_MAX)]


class TokenShown(Struct, frozen=True):
    token: str


class ProgramObject(Struct, frozen=True):
    """A program as whoever made or changed it sees it: `tokens` is shown this once."""

    username: str
    friendly_name: str
    scopes: list[str]
    tokens: list[TokenShown]
    is_programmatic: bool = True


async def create(
    call: Call, friendly_name: str | UnsetType, scopes: list[str] | UnsetType
) -> ProgramObject:
    """Raises FieldInvalid, and what `decide` of a team does."""
    if friendly_name is UNSET or scopes is UNSET:
        missing = "friendly_name" if friendly_name is UNSET else "scopes"
        raise FieldInvalid(field=missing, reason="is missing")
    async with call.snapshot() as snapshot:
        place = await team_place(call, snapshot)
    row = ProgramRow(
        api_user_id=secrets.token_hex(12),
        team=place.key,
        username=new_username(friendly_name),
        friendly_name=friendly_name,
        scopes=sorted(set(scopes)),
        token_id=secrets.token_hex(12),
    )
    command = CreateApiUser(
        team=row.team,
        api_user_id=row.api_user_id,
        username=row.username,
        friendly_name=friendly_name,
        scopes=tuple(scopes),
        token_id=row.token_id,
        scopes_held=scopes_held(call),
    )
    await call.carry_out(command)
    return await with_token(call, row)


async def change(
    call: Call,
    program: ProgramRow,
    friendly_name: str | UnsetType,
    scopes: list[str] | UnsetType,
) -> ProgramObject:
    """Raises NothingToChange, and what `decide` of a team does."""
    if friendly_name is UNSET and scopes is UNSET:
        raise NothingToChange(fields="friendly_name, scopes")
    command = ChangeApiUser(
        team=program.team,
        api_user_id=program.api_user_id,
        token_id=secrets.token_hex(12),
        scopes_held=scopes_held(call),
        friendly_name=None if friendly_name is UNSET else friendly_name,
        scopes=None if scopes is UNSET else tuple(scopes),
    )
    events = await call.carry_out(command)
    if not events:
        return shown(program)
    changed = events[-1]
    assert isinstance(changed, ApiUserChanged)
    row = ProgramRow(
        api_user_id=program.api_user_id,
        team=program.team,
        username=program.username,
        friendly_name=changed.friendly_name,
        scopes=list(changed.scopes),
        token_id=changed.token_id,
    )
    if changed.token_id != command.token_id:
        return shown(row)
    return await with_token(call, row, instead_of=program.token_id)


async def renew(call: Call, program: ProgramRow) -> ProgramObject:
    token_id = secrets.token_hex(12)
    team, api_user_id = program.team, program.api_user_id
    command = ReplaceApiUserToken(team=team, api_user_id=api_user_id, token_id=token_id)
    await call.carry_out(command)
    row = ProgramRow(
        api_user_id, team, program.username, program.friendly_name, program.scopes, token_id
    )
    return await with_token(call, row, instead_of=program.token_id)


async def remove(call: Call, program: ProgramRow) -> None:
    team, api_user_id = program.team, program.api_user_id
    await call.carry_out(RemoveApiUser(team=team, api_user_id=api_user_id))
    await forget(call, program.token_id)


async def with_token(call: Call, program: ProgramRow, instead_of: str = "") -> ProgramObject:
    """The program, with the token that the team knows it by from now on.

    The team's event comes first: a token that no team knows never works, so whoever dies in between
    leaves a program without a token, and never one with two. What it may do is the program's.
    """
    token, product_id = new_token(), product_of(program.team)
    command = IssueToken(
        token_id=program.token_id,
        token_hash=digest_of(token).hex(),
        api_user_id=program.api_user_id,
        organization_id=program.team if product_id is None else "",
    )
    await call.carry_out(command)
    if instead_of:
        await forget(call, instead_of)
    await call.settle()
    return shown(program, token)


async def forget(call: Call, token_id: str) -> None:
    """Revoke a token, unless whoever was to issue it died before they did."""
    with suppress(TokenUnknown):
        await revoke(call, [token_id])


def shown(program: ProgramRow, token: str = "") -> ProgramObject:
    tokens = [TokenShown(token)] if token else []
    return ProgramObject(program.username, program.friendly_name, program.scopes, tokens)


def new_username(friendly_name: str) -> str:
    """A part of the name, that people know it by, and what makes it nobody else's."""
    slug = re.sub(r"[^a-z0-9]+", "-", friendly_name.lower()).strip("-")[:SLUG_CHARACTERS_MAX]
    mark = "".join(secrets.choice(ALPHABET) for _ in range(MARK_CHARACTERS))
    return f"{slug or 'api-user'}+{mark}@{DOMAIN}"
