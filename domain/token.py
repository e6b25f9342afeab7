"""An access token: issued once, for a user, an API user or an OAuth client, and one day revoked.

The log knows it by its SHA-256 only. It may come with a refresh token, which can be traded once for
a new pair.
"""

from typing import TypeAlias, assert_never

from msgspec import Struct
from msgspec.structs import replace

from domain.model import Command, Decider, Event, Refused, Unknown
from domain.names import Hash, Id, Instant

EVERY_SCOPE = "*"


class TokenIssued(Event):
    """Empty fields are what the token is not: nobody's, without a refresh token, without an end."""

    token_id: str
    token_hash: str
    user_id: str = ""
    client_id: str = ""
    api_user_id: str = ""
    scopes: tuple[str, ...] = (EVERY_SCOPE,)
    product_id: int | None = None
    organization_id: str = ""
    expires_at: str = ""
    refresh_hash: str = ""
    refresh_expires_at: str = ""


class TokenRevoked(Event):
    """`replaced_by` is the token that its refresh token was traded for, empty if it was not."""

    token_id: str
    replaced_by: str = ""


TokenEvent: TypeAlias = TokenIssued | TokenRevoked


class AboutToken(Command):
    token_id: Id

    @property
    def stream(self) -> str:
        return f"token-{self.token_id}"


class IssueToken(AboutToken):
    token_hash: Hash
    user_id: str = ""
    client_id: str = ""
    api_user_id: str = ""
    scopes: tuple[str, ...] = (EVERY_SCOPE,)
    product_id: int | None = None
    organization_id: str = ""
    expires_at: Instant | str = ""
    refresh_hash: Hash | str = ""
    refresh_expires_at: Instant | str = ""


class RevokeToken(AboutToken):
    pass


class ReplaceToken(AboutToken):
    """Trade its refresh token for another token, `replaced_by`."""

    refresh_hash: Hash
    replaced_by: Id
    now: Instant


TokenCommand: TypeAlias = IssueToken | RevokeToken | ReplaceToken


class TokenUnknown(Unknown):
    """There is no such token."""


class TokenIdTaken(Refused):
    """Another token has this id."""


class RefreshInvalid(Refused):
    """The refresh token is not known, was used, or has expired."""

    field = "refresh_token"


class Token(Struct, frozen=True):
    hash: str = ""
    user_id: str = ""
    refresh_hash: str = ""
    refresh_expires_at: str = ""
    revoked: bool = False
    replaced_by: str = ""  # the token that it was traded for


def decide(token: Token, command: TokenCommand) -> list[TokenEvent]:
    match command:
        case IssueToken():
            return issue(token, command)
        case _ if not token.hash:
            raise TokenUnknown
        case RevokeToken(token_id=token_id):
            return [] if token.revoked else [TokenRevoked(token_id=token_id)]
        case ReplaceToken(token_id=token_id, refresh_hash=refresh_hash, replaced_by=replaced_by):
            expires_at = token.refresh_expires_at
            expired = expires_at != "" and command.now >= expires_at
            right = token.refresh_hash != "" and refresh_hash == token.refresh_hash
            if token.revoked or expired or not right:
                raise RefreshInvalid
            return [TokenRevoked(token_id=token_id, replaced_by=replaced_by)]
    assert_never(command)


def issue(token: Token, command: IssueToken) -> list[TokenEvent]:
    if token.hash:
        if command.token_hash != token.hash:
            raise TokenIdTaken
        return []
    return [
        TokenIssued(
            token_id=command.token_id,
            token_hash=command.token_hash,
            user_id=command.user_id,
            client_id=command.client_id,
            api_user_id=command.api_user_id,
            scopes=command.scopes,
            product_id=command.product_id,
            organization_id=command.organization_id,
            expires_at=command.expires_at,
            refresh_hash=command.refresh_hash,
            refresh_expires_at=command.refresh_expires_at,
        )
    ]


def evolve(token: Token, event: TokenEvent) -> Token:
    match event:
        case TokenIssued():
            return Token(
                hash=event.token_hash,
                user_id=event.user_id,
                refresh_hash=event.refresh_hash,
                refresh_expires_at=event.refresh_expires_at,
            )
        case TokenRevoked(replaced_by=replaced_by):
            return replace(token, revoked=True, replaced_by=replaced_by)
    assert_never(event)


TOKEN = Decider(initial=Token(), decide=decide, evolve=evolve)
