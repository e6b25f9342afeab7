"""Passwords that were forgotten: a token is mailed, and sets another one, once."""

import asyncio
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Annotated

from msgspec import Meta, Struct

from api.call import Call
from api.limits import RESET_MAILS
from api.people import pairs, proof
from api.people.credentials import NewPassword, digest_of, new_token
from api.people.proof import COLUMNS, Account
from api.views import Said, now, stamp
from domain.log.seals import KeyDestroyed
from domain.names import EMAIL_CHARACTERS_MAX, NAME_CHARACTERS_MAX
from domain.user import RequestPasswordReset, ResetInvalid, ResetPassword, UserUnknown
from domain.user_events import PASSWORD, RESET

RESET_LIFETIME_S = 3_600
RESET_ANSWER_S = 0.5  # whether or not there is such an account

BY_RESET = COLUMNS + " AND reset_hash = %s"


class ResetWanted(Struct, frozen=True):
    username: Annotated[str, Meta(max_length=EMAIL_CHARACTERS_MAX)]


class Reset(Struct, frozen=True):
    """`token` is what was mailed."""

    token: Annotated[str, Meta(max_length=NAME_CHARACTERS_MAX)]
    password: NewPassword


async def request_reset(call: Call, body: ResetWanted) -> Said:
    """Have a password reset mailed. Nobody learns here whether there is such an account."""
    answer_at = time.monotonic() + RESET_ANSWER_S
    account = await proof.account_with(call, body.username)
    # Nobody fills another's mailbox; and the code that was mailed last goes on working.
    if account is not None and call.cloud.limits.has(RESET_MAILS, account.user_id):
        with suppress(KeyDestroyed, UserUnknown):  # erased a moment ago
            await mail_reset(call, account.user_id)
        # The reply to a stranger names no position either.
        call.position, call.behind = None, []
    await asyncio.sleep(max(0.0, answer_at - time.monotonic()))
    return Said("Password reset email sent.")


async def mail_reset(call: Call, user_id: str) -> None:
    """The event is what the mail is made of: nobody else can read the token in it."""
    token = new_token()
    sealed = await call.in_thread(call.cloud.seals.seal, user_id, RESET, token)
    expires_at = datetime.now(UTC) + timedelta(seconds=RESET_LIFETIME_S)
    command = RequestPasswordReset(
        user_id=user_id,
        reset=sealed,
        reset_hash=digest_of(token).hex(),
        expires_at=stamp(expires_at),
    )
    await call.carry_out(command)
    await call.settle()


async def reset_password(call: Call, body: Reset) -> Said:
    """Set a password by what was mailed. Whoever was logged in is no longer."""
    reset_hash = digest_of(body.token)
    async with call.cloud.database.reading() as rows:
        account = await rows.one(Account, BY_RESET, [reset_hash])
    if account is None:
        raise ResetInvalid
    kept = await call.cloud.passwords.hash(body.password)
    sealed = await call.in_thread(call.cloud.seals.seal, account.user_id, PASSWORD, kept)
    proof.act_as(call, account)
    command = ResetPassword(
        user_id=account.user_id, reset_hash=reset_hash.hex(), password=sealed, now=now()
    )
    await call.carry_out(command)
    await pairs.revoke_all_of(call, account.user_id)
    return Said("Password changed.")
