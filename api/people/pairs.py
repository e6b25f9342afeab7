"""Tokens as they are issued, traded for one another, and revoked."""

import asyncio
import secrets
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import Struct

from api.call import Call
from api.people import vouchers
from api.people.credentials import digest_of, new_token
from api.problem import FieldInvalid
from api.views import stamp
from domain.holders import customer_in
from domain.roles import Grants
from domain.token import IssueToken, ReplaceToken, RevokeToken

LIFETIME_S_DEFAULT = 7_776_000  # 90 days
LIFETIME_S_MAX = 10 * 365 * 86_400
REFRESH_LIFETIME_S = 14 * 86_400
TRADES_MAX = 10_000  # of one refresh token for the next, from a log-in on
REVOKED_AT_ONCE = 32
ROUNDS_MAX = 5  # of looking for what is left to revoke

OF_USER = "SELECT token_id FROM access.token WHERE user_id = %s"
TRADED_FOR = "SELECT replaced_by FROM access.spent_refresh WHERE refresh_hash = %s"


class Holder(Struct, frozen=True):
    """Whom a token is for: a user, a product, or a customer of that product."""

    user_id: str = ""
    product_id: int | None = None
    customer_id: str = ""

    @property
    def grants(self) -> Grants:
        return Grants(
            user_id=self.user_id, customer_id=self.customer_id, product_id=self.product_id
        )


def holder_of(user_id: str, product_id: int | None) -> Holder:
    """Whom a row of table `token` is for, where `user_id` may mean a customer."""
    customer_id = customer_in(user_id)
    return Holder("" if customer_id else user_id, product_id, customer_id)


class Pair(Struct, frozen=True):
    """A new token, and what it is traded for the next with; empty if it is not."""

    token_id: str
    access_token: str
    refresh_token: str
    expires_at: datetime | None

    @property
    def expires_in(self) -> int:
        """In seconds; 0 is never, as the API has it."""
        if self.expires_at is None:
            return 0
        return max(1, round((self.expires_at - datetime.now(UTC)).total_seconds()))


class TokenId(Struct, frozen=True):
    token_id: str


def expiry_of(fields: Mapping[str, Any]) -> datetime | None:
    """When a token ends, by `expires_at` or else `expires_in`; None is never.

    Raises FieldInvalid.
    """
    now = datetime.now(UTC)
    if not fields.get("expires_at"):
        lifetime_s = fields.get("expires_in", LIFETIME_S_DEFAULT)
        return now + timedelta(seconds=lifetime_s) if lifetime_s else None
    try:
        expires_at = datetime.fromisoformat(fields["expires_at"])
        left_s = (expires_at - now).total_seconds()
    except (ValueError, TypeError):
        reason = "expected a time with its zone, like 2030-01-31T12:00:00Z"
        raise FieldInvalid(field="expires_at", reason=reason) from None
    if not 0 < left_s <= LIFETIME_S_MAX:
        reason = f"must be in the future, by at most {LIFETIME_S_MAX} seconds"
        raise FieldInvalid(field="expires_at", reason=reason)
    return expires_at


def new_pair(expires_at: datetime | None, *, refreshable: bool) -> Pair:
    refresh_token = new_token() if refreshable else ""
    return Pair(secrets.token_hex(12), new_token(), refresh_token, expires_at)


async def issue(
    call: Call, pair: Pair, holder: Holder, client_id: str, scopes: Iterable[str]
) -> None:
    """The pair works from here on."""
    refresh_until = datetime.now(UTC) + timedelta(seconds=REFRESH_LIFETIME_S)
    command = IssueToken(
        token_id=pair.token_id,
        token_hash=digest_of(pair.access_token).hex(),
        user_id=holder.grants.holder,
        client_id=client_id,
        scopes=tuple(sorted(scopes)),
        product_id=holder.product_id,
        expires_at=stamp(pair.expires_at) if pair.expires_at else "",
        refresh_hash=digest_of(pair.refresh_token).hex() if pair.refresh_token else "",
        refresh_expires_at=stamp(refresh_until) if pair.refresh_token else "",
    )
    await call.carry_out(command)


async def trade(call: Call, token_id: str, refresh_token: str, for_token_id: str) -> None:
    """The first token works no longer. Raises RefreshInvalid if it was traded or revoked before."""
    command = ReplaceToken(
        token_id=token_id,
        refresh_hash=digest_of(refresh_token).hex(),
        replaced_by=for_token_id,
        now=stamp(datetime.now(UTC)),
    )
    await call.carry_out(command)


async def revoke(call: Call, token_ids: Iterable[str]) -> None:
    """None of the tokens works any longer."""
    wanted = list(token_ids)
    for start in range(0, len(wanted), REVOKED_AT_ONCE):
        some = wanted[start : start + REVOKED_AT_ONCE]
        await asyncio.gather(*(call.carry_out(RevokeToken(token_id=one)) for one in some))


async def take_back(call: Call, token_id: str) -> None:
    """A token that was issued for nothing. The call is refused next, and only a call that is not
    waits for what it wrote."""
    await revoke(call, [token_id])
    await call.settle()


async def revoke_all_of(call: Call, holder: str) -> None:
    """Log a user or a customer out everywhere, also where they are half-way in."""
    await vouchers.forget(call.cloud.database, holder)
    for _ in range(ROUNDS_MAX):
        await call.cloud.followed.behind(await call.cloud.database.head(), ("access",))
        async with call.cloud.database.reading() as rows:
            tokens = await rows.all(TokenId, OF_USER, [holder])
        if not tokens:
            return
        # One of them may be traded for another just now, which the next look then finds.
        await revoke(call, (token.token_id for token in tokens))


async def revoke_what_came_of(call: Call, refresh_token: str) -> None:
    """Somebody came with a refresh token that was traded before: who has the tokens that came of it
    cannot be told, so they work no longer. Nothing happens for one that never was."""
    await call.cloud.followed.behind(await call.cloud.database.head(), ("access",))
    await revoke_from(call, await traded_for(call, digest_of(refresh_token)))


async def revoke_from(call: Call, token_id: str | None) -> None:
    """Revoke a token, or whatever it was traded for since. The log knows it however long ago."""
    for _ in range(TRADES_MAX):
        if token_id is None:
            return
        token = (await call.in_thread(call.cloud.fleet.load, f"token-{token_id}")).state
        if not token.revoked:
            await take_back(call, token_id)
            return
        token_id = token.replaced_by or None


async def traded_for(call: Call, refresh_hash: bytes) -> str | None:
    async with call.cloud.database.reading() as rows:
        found: str | None = await rows.value(TRADED_FOR, [refresh_hash])
    return found
