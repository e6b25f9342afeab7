"""The second factor of the caller's account: offered, confirmed, given up."""

import secrets
from base64 import b32encode
from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec
from msgspec import Meta, Struct
from pyotp import TOTP, random_base32
from starlette.responses import Response

from api.call import Call
from api.people import pairs, proof
from api.people.credentials import Password, digest_of, new_token
from api.people.oauth import unstored
from api.people.proof import OTP_CHARACTERS_MAX, OTP_STEP_S
from api.problem import OtpWrong
from api.views import Done, now, stamp
from domain.names import NAME_CHARACTERS_MAX
from domain.user import DisableTotp, EnableTotp, OfferTotp, TotpOfferInvalid
from domain.user_events import RECOVERY, TOTP_SECRET

ISSUER = "Rollcall"  # what an authenticator shows beside the e-mail
OFFER_LIFETIME_S = 600
RECOVERY_CODES = 10
RECOVERY_CODE_BYTES = 10  # 80 bits: nobody guesses one from its hash, either
RECOVERY_CODE_PART = 4  # characters between dashes

OFFER = """
    SELECT totp_offer FROM access.account
    WHERE user_id = %s AND totp_offer_hash = %s AND totp_offer_expires_at > now()
"""


class Offer(Struct, frozen=True):
    """`qr_url` is what an authenticator reads as a QR code, `secret` what one types instead."""

    mfa_token: str
    qr_url: str
    secret: str


class Confirmation(Struct, frozen=True):
    """`invalidate_tokens` logs out everywhere, here too."""

    mfa_token: Annotated[str, Meta(max_length=NAME_CHARACTERS_MAX)]
    otp: Annotated[str, Meta(max_length=OTP_CHARACTERS_MAX)]
    invalidate_tokens: bool = False


class Enrolled(Struct, frozen=True):
    """`recovery_codes` are shown this once. Each works once in the place of a one-time password."""

    enrolled: bool
    recovery_codes: list[str]


class CurrentPassword(Struct, frozen=True):
    current_password: Password


async def offer_mfa(call: Call) -> Annotated[Response, Offer]:
    """Begin to enable a second factor: a secret, for ten minutes. Confirm it with a first code."""
    account = await proof.own_account(call)
    secret, mfa_token = random_base32(), new_token()
    sealed = await call.in_thread(call.cloud.seals.seal, account.user_id, TOTP_SECRET, secret)
    command = OfferTotp(
        user_id=account.user_id,
        secret=sealed,
        offer_hash=digest_of(mfa_token).hex(),
        expires_at=stamp(datetime.now(UTC) + timedelta(seconds=OFFER_LIFETIME_S)),
    )
    await call.carry_out(command)
    await call.settle()
    authenticator = TOTP(secret, interval=OTP_STEP_S, name=account.email, issuer=ISSUER)
    return unstored(Offer(mfa_token, authenticator.provisioning_uri(), secret))


async def confirm_mfa(call: Call, body: Confirmation) -> Annotated[Response, Enrolled]:
    """Enable the second factor that was offered, with a one-time password by it."""
    account = await proof.own_account(call)
    offer_hash = digest_of(body.mfa_token)
    async with call.cloud.database.reading() as rows:
        secret = await rows.value(OFFER, [account.user_id, offer_hash])
    if secret is None:
        raise TotpOfferInvalid
    step = proof.step_of(secret, proof.plainly(body.otp))
    if step is None or not await proof.step_taken(call, account.user_id, step):
        raise OtpWrong(field="otp")
    codes = [new_recovery_code() for _ in range(RECOVERY_CODES)]
    hashes = msgspec.json.encode([digest_of(proof.plainly(code)).hex() for code in codes]).decode()
    sealed = await call.in_thread(call.cloud.seals.seal, account.user_id, RECOVERY, hashes)
    command = EnableTotp(
        user_id=account.user_id, offer_hash=offer_hash.hex(), recovery=sealed, now=now()
    )
    await call.carry_out(command)
    if body.invalidate_tokens:
        await pairs.revoke_all_of(call, account.user_id)
    return unstored(Enrolled(True, codes))


async def disable_mfa(call: Call, body: CurrentPassword) -> Done:
    """Give up the second factor: from now on the password is enough."""
    account = await proof.own_account(call)
    await proof.must_know_password(call, account, body.current_password, "current_password")
    await call.carry_out(DisableTotp(user_id=account.user_id))
    return Done()


def new_recovery_code() -> str:
    code = b32encode(secrets.token_bytes(RECOVERY_CODE_BYTES)).decode().lower()
    parts = range(0, len(code), RECOVERY_CODE_PART)
    return "-".join(code[start : start + RECOVERY_CODE_PART] for start in parts)
