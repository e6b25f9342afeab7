"""Programs in a team: what they may be given, and which token of theirs works."""

import pytest

from domain.scopes import API_USER_SCOPES
from domain.team import TEAM
from domain.team_events import (
    ApiUserChanged,
    ApiUserCreated,
    ApiUserEvent,
    ApiUserRemoved,
    ApiUserTokenReplaced,
)
from domain.team_programs import (
    API_USERS_PER_TEAM_MAX,
    ApiUserExists,
    ApiUserUnknown,
    ChangeApiUser,
    CreateApiUser,
    RemoveApiUser,
    ReplaceApiUserToken,
    ScopeNotGiven,
    ScopesMissing,
    TooManyApiUsers,
)
from tests.given import Story

story = Story(TEAM)
KEY, FIRST, SECOND = "p" * 24, "1" * 24, "2" * 24
EVERYTHING = frozenset(API_USER_SCOPES)


def create(*scopes: str, held: frozenset[str] = EVERYTHING, key: str = KEY) -> CreateApiUser:
    return CreateApiUser(
        team="7000",
        api_user_id=key,
        username=f"import+{key[:10]}@api.particle.io",
        friendly_name="Import",
        scopes=scopes,
        token_id=FIRST,
        scopes_held=held,
    )


def created(*scopes: str, key: str = KEY) -> ApiUserCreated:
    return ApiUserCreated(
        team="7000",
        api_user_id=key,
        username=f"import+{key[:10]}@api.particle.io",
        friendly_name="Import",
        scopes=scopes,
        token_id=FIRST,
        product_id=7000,
    )


def change(
    *scopes: str, name: str | None = None, held: frozenset[str] = EVERYTHING
) -> ChangeApiUser:
    return ChangeApiUser(
        team="7000",
        api_user_id=KEY,
        token_id=SECOND,
        scopes_held=held,
        friendly_name=name,
        scopes=scopes or None,
    )


def changed(name: str, token_id: str, *scopes: str) -> ApiUserChanged:
    return ApiUserChanged(
        team="7000",
        api_user_id=KEY,
        friendly_name=name,
        scopes=scopes,
        token_id=token_id,
        product_id=7000,
    )


removed = ApiUserRemoved(team="7000", api_user_id=KEY, product_id=7000)
remove = RemoveApiUser(team="7000", api_user_id=KEY)
replaced = ApiUserTokenReplaced(team="7000", api_user_id=KEY, token_id=SECOND, product_id=7000)
renew = ReplaceApiUserToken(team="7000", api_user_id=KEY, token_id=SECOND)


def test_a_program_is_given_scopes_each_once() -> None:
    command = create("devices:list", "devices:get", "devices:list")
    story.given().when(command).then(created("devices:get", "devices:list"))


@pytest.mark.parametrize("scope", ["devices:explode", "history:list", "products:create", "*", ""])
def test_only_scopes_for_programs_are_given(scope: str) -> None:
    every = frozenset({scope}) | EVERYTHING
    story.given().when(create("devices:list", scope, held=every)).then_refused(ScopeNotGiven, scope)


def test_nobody_gives_a_scope_that_they_do_not_have() -> None:
    held = frozenset({"devices:list"})
    story.given().when(create("devices:list", held=held)).then(created("devices:list"))
    story.given().when(create("devices:get", held=held)).then_refused(ScopeNotGiven, "devices:get")
    story.given(created("devices:list")).when(change("devices:get", held=held)).then_refused(
        ScopeNotGiven
    )


def test_a_program_without_scopes_is_no_use() -> None:
    story.given().when(create()).then_refused(ScopesMissing)


def test_an_id_is_used_once() -> None:
    story.given(created("devices:get")).when(create("devices:get")).then_refused(ApiUserExists)
    story.given(created("devices:get"), removed).when(create("devices:get")).then_refused(
        ApiUserExists
    )


def test_a_team_has_a_bounded_number_of_programs() -> None:
    many: list[ApiUserEvent] = [
        created("devices:get", key=f"{number:024x}") for number in range(API_USERS_PER_TEAM_MAX)
    ]
    story.given(*many).when(create("devices:get")).then_refused(TooManyApiUsers, "100 API users")
    gone = ApiUserRemoved(team="7000", api_user_id=f"{0:024x}", product_id=7000)
    story.given(*many, gone).when(create("devices:get")).then(created("devices:get"))


def test_with_other_scopes_comes_another_token() -> None:
    now = story.given(created("devices:get"))
    now.when(change("devices:list")).then(changed("Import", SECOND, "devices:list"))


def test_with_another_name_the_token_stays() -> None:
    now = story.given(created("devices:get"))
    now.when(change(name="Export")).then(changed("Export", FIRST, "devices:get"))
    now.when(change("devices:get", name="Export")).then(changed("Export", FIRST, "devices:get"))


def test_what_a_program_is_already_changes_nothing() -> None:
    now = story.given(created("devices:get", "devices:list"))
    now.when(change("devices:list", "devices:get", name="Import")).then_nothing()
    now.when(change()).then_nothing()


def test_a_token_is_replaced() -> None:
    story.given(created("devices:get")).when(renew).then(replaced)
    story.given(created("devices:get"), replaced).when(renew).then_nothing()


def test_a_program_is_removed_once_and_then_is_none() -> None:
    story.given(created("devices:get")).when(remove).then(removed)
    gone = story.given(created("devices:get"), removed)
    gone.when(remove).then_nothing()
    for command in (change(name="Export"), renew):
        gone.when(command).then_refused(ApiUserUnknown)
        story.given().when(command).then_refused(ApiUserUnknown)
    story.given().when(remove).then_refused(ApiUserUnknown)
