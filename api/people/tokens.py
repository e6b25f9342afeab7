"""Access tokens: listed, looked at, revoked. They are kept as hashes: no list can show one."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from api.call import Call
from api.gate import admitted
from api.people import pairs, proof
from api.people.credentials import digest_of
from api.people.proof import OTP_CHARACTERS_MAX
from api.problem import NotFound, OtpNeeded, TokenMissing
from api.realms import Realm
from api.views import Done, stamp, stamp_or_none

LISTED_MAX = 1_000

OF_USER = f"""
    SELECT token_id, user_id, client_id, scopes, expires_at, issued_at FROM access.token
    WHERE user_id = %s AND (expires_at IS NULL OR expires_at > now())
    ORDER BY issued_at DESC, token_id LIMIT {LISTED_MAX}
"""
BY_HASH = """
    SELECT token_id, user_id, client_id, scopes, expires_at, issued_at FROM access.token
    WHERE token_hash = %s
"""
BY_ID = """
    SELECT token_id, user_id, client_id, scopes, expires_at, issued_at FROM access.token
    WHERE token_id = %s AND user_id = %s AND user_id <> ''
"""
ORGANIZATIONS = """
    SELECT organization_id AS id, slug FROM access.organization
    WHERE organization_id = ANY(%s) ORDER BY slug
"""


class TokenRow(Struct, frozen=True):
    token_id: str
    user_id: str
    client_id: str
    scopes: list[str]
    expires_at: datetime | None
    issued_at: datetime


class ListedToken(Struct, frozen=True):
    """`token` is what to revoke it by: its id, the token itself is not known here any more."""

    token: str
    client: str
    scopes: list[str]
    expires_at: str | None
    created_at: str


class OrganizationNamed(Struct, frozen=True):
    id: str
    slug: str


class CurrentToken(Struct, frozen=True):
    """The token that the call was made with. Without `expires_at` it lasts for ever."""

    client: str
    client_id: str
    scopes: list[str]
    expires_at: str | None
    orgs: list[OrganizationNamed]


class OtpSent(Struct, frozen=True):
    otp: Annotated[str, Meta(max_length=OTP_CHARACTERS_MAX)] = ""


async def list_tokens(call: Call, query: OtpSent) -> list[ListedToken]:
    """The tokens of a user, the newest first: for the user's name and password, or a token."""
    user_id = await user_proved(call, "tokens:list", query.otp)
    async with call.cloud.database.reading() as rows:
        tokens = await rows.all(TokenRow, OF_USER, [user_id])
    return [listed(token) for token in tokens]


async def get_current_token(call: Call) -> CurrentToken:
    """The token that this call is made with."""
    caller = call.caller
    # An API user's token acts in its team, another's in those of its user.
    teams = [*caller.teams, caller.organization_id, caller.grants.team]
    async with call.cloud.database.reading() as rows:
        organizations = await rows.all(OrganizationNamed, ORGANIZATIONS, [teams])
    return CurrentToken(
        client=caller.client_id,
        client_id=caller.client_id,
        scopes=sorted(caller.scopes),
        expires_at=stamp_or_none(caller.expires_at),
        orgs=organizations,
    )


async def revoke_current_token(call: Call) -> Done:
    """Log out: the token that this call is made with works no longer."""
    await pairs.revoke(call, [call.caller.token_id])
    return Done()


async def revoke_all_tokens(call: Call) -> Done:
    """Log out everywhere: none of the caller's tokens works any longer, this one included."""
    if call.caller.holder:
        await pairs.revoke_all_of(call, call.caller.holder)
    else:
        await pairs.revoke(call, [call.caller.token_id])
    return Done()


async def revoke_token(call: Call, body: OtpSent) -> Done:
    """Revoke a token. Whoever has it may; by its id, whoever's it is."""
    wanted = call.part("token")
    async with call.cloud.database.reading() as rows:
        token = await rows.one(TokenRow, BY_HASH, [digest_of(wanted)])
    if token is None and call.request.headers.get("authorization"):
        user_id = await user_proved(call, "tokens:remove", body.otp)
        async with call.cloud.database.reading() as rows:
            token = await rows.one(TokenRow, BY_ID, [wanted, user_id])
    if token is None:
        raise NotFound(what="Token")
    await pairs.revoke(call, [token.token_id])
    return Done()


async def user_proved(call: Call, scope: str, otp: str) -> str:
    """The user whose name and password, or the user or customer whose token with that scope, the
    call carries.

    Raises what `first_factor` and `second_factor` do, and what a token that will not do is refused
    with.
    """
    credentials = proof.basic_in(call.request.headers.get("authorization"))
    if credentials is not None:
        account = await proof.first_factor(call, *credentials)
        if account.totp_secret is not None and not otp:
            raise OtpNeeded
        await proof.second_factor(call, account, otp)
        return account.user_id
    call.caller = await call.cloud.callers.caller(call.request)
    await admitted(call.cloud.places, call.caller, scope, Realm.OWN, {})
    if not call.caller.holder:
        raise TokenMissing
    return call.caller.holder


def listed(token: TokenRow) -> ListedToken:
    return ListedToken(
        token=token.token_id,
        client=token.client_id,
        scopes=token.scopes,
        expires_at=stamp_or_none(token.expires_at),
        created_at=stamp(token.issued_at),
    )
