"""API users: programs that are members of a team, each with scopes and one token of its own."""

from collections.abc import Mapping
from typing import Annotated, TypeAlias, assert_never

from msgspec import Meta, Struct
from msgspec.structs import replace

from domain.model import Command, Refused, Unknown
from domain.names import Name
from domain.roles import allows
from domain.scopes import API_USER_SCOPES
from domain.team_events import (
    ApiUserChanged,
    ApiUserCreated,
    ApiUserEvent,
    ApiUserRemoved,
    ApiUserTokenReplaced,
    product_of,
)

API_USERS_PER_TEAM_MAX = 100
SCOPES_PER_API_USER_MAX = 200
SCOPE_CHARACTERS_MAX = 64

TeamKey = Annotated[str, Meta(pattern=r"^([1-9][0-9]{0,4}|[0-9a-f]{24})$(?!\n)")]
Scope = Annotated[str, Meta(max_length=SCOPE_CHARACTERS_MAX)]
Scopes = Annotated[tuple[Scope, ...], Meta(max_length=SCOPES_PER_API_USER_MAX)]


class AboutTeam(Command):
    """`team` is a product id as text, or an organization's id."""

    team: TeamKey

    @property
    def stream(self) -> str:
        return f"team-{self.team}"


class AboutApiUser(AboutTeam):
    api_user_id: str


class CreateApiUser(AboutApiUser):
    """`scopes_held` are the caller's own: nobody gives what they do not have."""

    username: str
    friendly_name: Name
    scopes: Scopes
    token_id: str
    scopes_held: frozenset[str]


class ChangeApiUser(AboutApiUser):
    """`token_id` is that of the token which replaces the present one if the scopes change."""

    token_id: str
    scopes_held: frozenset[str]
    friendly_name: Name | None = None
    scopes: Scopes | None = None


class ReplaceApiUserToken(AboutApiUser):
    token_id: str


class RemoveApiUser(AboutApiUser):
    pass


ApiUserCommand: TypeAlias = CreateApiUser | ChangeApiUser | ReplaceApiUserToken | RemoveApiUser


class ApiUserUnknown(Unknown):
    """There is no such API user."""

    field = "username"


class ApiUserExists(Refused):
    """There is such an API user already."""

    field = "username"


class TooManyApiUsers(Refused):
    """The team has {limit} API users, which is the limit."""


class ScopeNotGiven(Refused):
    """The scope {scope} cannot be given: it is none, or not for API users, or not one of yours."""

    field = "scopes"


class ScopesMissing(Refused):
    """An API user needs one scope at least."""

    field = "scopes"


class ApiUser(Struct, frozen=True):
    username: str
    friendly_name: str
    scopes: tuple[str, ...]
    token_id: str
    removed: bool = False


ApiUsers: TypeAlias = Mapping[str, ApiUser]


def decide_api_user(known: ApiUsers, command: ApiUserCommand) -> list[ApiUserEvent]:
    found = known.get(command.api_user_id)
    team, api_user_id = command.team, command.api_user_id
    match command:
        case CreateApiUser():
            return create(known, command)
        case RemoveApiUser() if found and found.removed:
            return []
        case _ if found is None or found.removed:
            raise ApiUserUnknown
        case ChangeApiUser():
            return change(found, command)
        case ReplaceApiUserToken(token_id=token_id):
            if token_id == found.token_id:
                return []
            replaced = ApiUserTokenReplaced(
                team=team, api_user_id=api_user_id, token_id=token_id, product_id=product_of(team)
            )
            return [replaced]
        case RemoveApiUser():
            product_id = product_of(team)
            return [ApiUserRemoved(team=team, api_user_id=api_user_id, product_id=product_id)]
    assert_never(command)


def create(known: ApiUsers, command: CreateApiUser) -> list[ApiUserEvent]:
    if command.api_user_id in known:
        raise ApiUserExists
    if sum(not one.removed for one in known.values()) >= API_USERS_PER_TEAM_MAX:
        raise TooManyApiUsers(limit=API_USERS_PER_TEAM_MAX)
    created = ApiUserCreated(
        team=command.team,
        api_user_id=command.api_user_id,
        username=command.username,
        friendly_name=command.friendly_name,
        scopes=scopes_given(command.scopes, command.scopes_held),
        token_id=command.token_id,
        product_id=product_of(command.team),
    )
    return [created]


def change(found: ApiUser, command: ChangeApiUser) -> list[ApiUserEvent]:
    name = found.friendly_name if command.friendly_name is None else command.friendly_name
    scopes, token_id = found.scopes, found.token_id
    if command.scopes is not None and set(command.scopes) != set(found.scopes):
        scopes = scopes_given(command.scopes, command.scopes_held)
        token_id = command.token_id
    if (name, scopes) == (found.friendly_name, found.scopes):
        return []
    changed = ApiUserChanged(
        team=command.team,
        api_user_id=command.api_user_id,
        friendly_name=name,
        scopes=scopes,
        token_id=token_id,
        product_id=product_of(command.team),
    )
    return [changed]


def scopes_given(wanted: tuple[str, ...], held: frozenset[str]) -> tuple[str, ...]:
    """The scopes, each once, in their order. Raises ScopesMissing or ScopeNotGiven."""
    if not wanted:
        raise ScopesMissing
    for scope in wanted:
        if scope not in API_USER_SCOPES or not allows(held, scope):
            raise ScopeNotGiven(scope=scope)
    return tuple(sorted(set(wanted)))


def evolve_api_users(known: ApiUsers, event: ApiUserEvent) -> ApiUsers:
    key, found = event.api_user_id, known.get(event.api_user_id)
    match event:
        case ApiUserCreated(username=username, friendly_name=name, scopes=scopes):
            return {**known, key: ApiUser(username, name, scopes, event.token_id)}
        case _ if found is None:
            return known
        case ApiUserChanged(friendly_name=name, scopes=scopes, token_id=token_id):
            changed = replace(found, friendly_name=name, scopes=scopes, token_id=token_id)
            return {**known, key: changed}
        case ApiUserTokenReplaced(token_id=token_id):
            return {**known, key: replace(found, token_id=token_id)}
        case ApiUserRemoved():
            return {**known, key: replace(found, removed=True)}
    assert_never(event)
