"""The life of an access token, as given/when/then."""

import pytest

from domain.token import (
    TOKEN,
    IssueToken,
    RefreshInvalid,
    ReplaceToken,
    RevokeToken,
    TokenCommand,
    TokenIdTaken,
    TokenIssued,
    TokenRevoked,
    TokenUnknown,
)
from tests.given import Story

ID = "5f1e0c0000000000000000bb"
NEXT = "5f1e0c0000000000000000bc"
HASH = "a" * 64
REFRESH = "b" * 64
TEN = "2030-01-01T10:00:00.000Z"
ELEVEN = "2030-01-01T11:00:00.000Z"

story = Story(TOKEN)
issued = TokenIssued(token_id=ID, token_hash=HASH, refresh_hash=REFRESH, refresh_expires_at=ELEVEN)
revoked = TokenRevoked(token_id=ID)
replaced = TokenRevoked(token_id=ID, replaced_by=NEXT)
revoke = RevokeToken(token_id=ID)


def issue(token_hash: str = HASH) -> IssueToken:
    return IssueToken(
        token_id=ID, token_hash=token_hash, refresh_hash=REFRESH, refresh_expires_at=ELEVEN
    )


def replace(refresh_hash: str = REFRESH, now: str = TEN) -> ReplaceToken:
    return ReplaceToken(token_id=ID, refresh_hash=refresh_hash, replaced_by=NEXT, now=now)


def test_a_token_is_issued_with_all_that_it_is_for() -> None:
    whole = {
        "token_id": ID,
        "token_hash": HASH,
        "user_id": "5f1e0c0000000000000000ad",
        "client_id": "particle-cli",
        "api_user_id": "5f1e0c0000000000000000aa",
        "scopes": ("devices:list",),
        "product_id": 7000,
        "organization_id": "5f1e0c0000000000000000ff",
        "expires_at": TEN,
        "refresh_hash": REFRESH,
        "refresh_expires_at": ELEVEN,
    }
    story.given().when(IssueToken(**whole)).then(TokenIssued(**whole))


def test_issuing_it_again_changes_nothing() -> None:
    story.given(issued).when(issue()).then_nothing()
    story.given(issued, revoked).when(issue()).then_nothing()


def test_two_tokens_do_not_share_an_id() -> None:
    story.given(issued).when(issue("c" * 64)).then_refused(TokenIdTaken)


def test_a_token_is_revoked_once() -> None:
    story.given(issued).when(revoke).then(revoked)
    story.given(issued, revoked).when(revoke).then_nothing()
    story.given(issued, replaced).when(revoke).then_nothing()


@pytest.mark.parametrize("command", [revoke, replace()])
def test_what_was_never_issued_is_unknown(command: TokenCommand) -> None:
    story.given().when(command).then_refused(TokenUnknown)


def test_its_refresh_token_is_traded_once() -> None:
    story.given(issued).when(replace()).then(replaced)
    story.given(issued, replaced).when(replace()).then_refused(RefreshInvalid)


def test_a_revoked_token_is_not_refreshed() -> None:
    story.given(issued, revoked).when(replace()).then_refused(RefreshInvalid)


def test_only_its_own_refresh_token_will_do_and_only_in_time() -> None:
    story.given(issued).when(replace("c" * 64)).then_refused(RefreshInvalid)
    story.given(issued).when(replace(now=ELEVEN)).then_refused(RefreshInvalid)
    story.given(issued).when(replace(now="2030-01-01T10:59:59.999Z")).then(replaced)


def test_a_token_that_came_without_a_refresh_token_has_none() -> None:
    plain = TokenIssued(token_id=ID, token_hash=HASH)
    story.given(plain).when(replace()).then_refused(RefreshInvalid)
    story.given(plain).when(replace("")).then_refused(RefreshInvalid)


def test_a_refresh_token_without_an_end_has_none() -> None:
    lasting = TokenIssued(token_id=ID, token_hash=HASH, refresh_hash=REFRESH)
    story.given(lasting).when(replace(now="2999-01-01T00:00:00.000Z")).then(replaced)
