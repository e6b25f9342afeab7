"""Proving who one is: an e-mail, its password, and a second factor where the account has one."""

import binascii
import time
from base64 import b64decode
from hmac import compare_digest

from msgspec import Struct
from msgspec.structs import replace
from pyotp import TOTP

from api.call import Call
from api.people.credentials import digest_of
from api.problem import CredentialsWrong, OtpWrong, PasswordWrong
from domain.customer import CustomerPasswordChanged
from domain.holders import stream_of
from domain.roles import Grants
from domain.user import RecoveryCodeSpent, RehashPassword, UseRecoveryCode, normal_email
from domain.user_events import PASSWORD, PasswordChanged

OTP_STEP_S = 30
OTP_STEPS_EARLY_OR_LATE = 1  # clocks of telephones are off by some seconds, fingers are slow
OTP_CHARACTERS_MAX = 64
BASIC_CHARACTERS_MAX = 4_096

COLUMNS = """
    SELECT user_id, email, password_hash, administrator, totp_secret, recovery,
           (SELECT coalesce(max(notification_id), 0) FROM access.tracking) AS as_of
    FROM access.account WHERE NOT erased
"""
BY_EMAIL = COLUMNS + " AND email_digest = %s"
BY_ID = COLUMNS + " AND user_id = %s"
PASSWORD_CHANGED = """
    SELECT EXISTS (SELECT FROM log.fleet_events
                   WHERE originator_id = %s AND topic = ANY (%s) AND notification_id > %s)
"""
CHANGES = [PasswordChanged.TOPIC, CustomerPasswordChanged.TOPIC]
TAKE_STEP = """
    INSERT INTO api.otp_taken AS known (user_id, step) VALUES (%s, %s)
    ON CONFLICT (user_id) DO UPDATE SET step = excluded.step WHERE known.step < excluded.step
"""


class Account(Struct, frozen=True):
    """What somebody proves to be theirs, as of a position of the log. `recovery` are hashes of the
    codes that are left."""

    user_id: str
    email: str
    password_hash: str
    administrator: bool
    totp_secret: str | None
    recovery: list[str]
    as_of: int


async def account_with(call: Call, email: str) -> Account | None:
    """The account of that e-mail, whichever way it is spelled."""
    digest = call.cloud.seals.digest(normal_email(email))
    async with call.cloud.database.reading() as rows:
        return await rows.one(Account, BY_EMAIL, [digest])


async def account_of(call: Call, user_id: str) -> Account | None:
    async with call.cloud.database.reading() as rows:
        return await rows.one(Account, BY_ID, [user_id])


async def own_account(call: Call) -> Account:
    """The caller's. Raises CredentialsWrong if it was erased a moment ago."""
    account = await account_of(call, call.caller.user_id)
    if account is None:
        raise CredentialsWrong
    return account


def address_of(call: Call) -> str:
    return call.request.client.host if call.request.client else ""


async def first_factor(call: Call, email: str, password: str) -> Account:
    """The account whose e-mail and password these are; the call is its owner's from here on.

    Raises CredentialsWrong, alike and after the same time whichever of the two is wrong, and
    TooManyBadLogIns.
    """
    async with call.cloud.log_ins.turn(address_of(call), normal_email(email)) as turn:
        account = await account_with(call, email)
        kept = account.password_hash if account else None
        right = await call.cloud.passwords.right(kept, password)
        if account is None or not right:
            await turn.failed()
            raise CredentialsWrong
        if account.totp_secret is None:
            await turn.succeeded()
    act_as(call, account)
    if call.cloud.passwords.outdated(account.password_hash):
        await rehash(call, account, password)
    return account


async def password_changed(call: Call, holder: str, since: int) -> bool:
    """Whether what was proved as of that position is the password no longer."""
    async with call.cloud.database.reading() as rows:
        asked = [stream_of(holder), CHANGES, since]
        changed: bool = await rows.value(PASSWORD_CHANGED, asked)
    return changed


async def must_know_password(call: Call, account: Account, password: str, field: str) -> None:
    """For what a stolen token must not be enough for. Raises PasswordWrong, TooManyBadLogIns."""
    async with call.cloud.log_ins.turn(address_of(call), normal_email(account.email)) as turn:
        if not await call.cloud.passwords.right(account.password_hash, password):
            await turn.failed()
            raise PasswordWrong(field=field)


async def second_factor(call: Call, account: Account, otp: str) -> None:
    """Takes a one-time password or a recovery code, each once. Raises OtpWrong,
    TooManyBadLogIns."""
    if account.totp_secret is None:
        return  # disabled a moment ago
    async with call.cloud.log_ins.turn(address_of(call), normal_email(account.email)) as turn:
        if not await otp_taken(call, account, account.totp_secret, otp):
            await turn.failed()
            raise OtpWrong(field="otp")
        await turn.succeeded()
    act_as(call, account)


async def otp_taken(call: Call, account: Account, secret: str, otp: str) -> bool:
    plain = plainly(otp)
    step = step_of(secret, plain)
    if step is not None:
        return await step_taken(call, account.user_id, step)
    code_hash = digest_of(plain).hex()
    if code_hash not in account.recovery:
        return False
    try:
        await call.carry_out(UseRecoveryCode(user_id=account.user_id, code_hash=code_hash))
    except RecoveryCodeSpent:
        return False
    return True


def plainly(otp: str) -> str:
    """What was typed, without what makes it easier to read."""
    return "".join(otp.split()).replace("-", "").lower()


async def step_taken(call: Call, user_id: str, step: int) -> bool:
    """False if this half minute's password was taken before, or a later one."""
    async with call.cloud.database.writing() as rows:
        return await rows.do(TAKE_STEP, [user_id, step]) == 1


def step_of(secret: str, otp: str) -> int | None:
    """Which half minute the one-time password is for, if any that is near enough."""
    generator = TOTP(secret, interval=OTP_STEP_S)
    now = int(time.time()) // OTP_STEP_S
    near = range(now - OTP_STEPS_EARLY_OR_LATE, now + OTP_STEPS_EARLY_OR_LATE + 1)
    typed = otp.encode()
    right = [one for one in near if compare_digest(generator.generate_otp(one).encode(), typed)]
    return right[0] if right else None


async def rehash(call: Call, account: Account, password: str) -> None:
    """Keep the password that was just proved in the way in which new ones are kept."""
    kept = await call.cloud.passwords.hash(password)
    loaded = await call.in_thread(call.cloud.fleet.load, f"user-{account.user_id}")
    sealed = await call.in_thread(call.cloud.seals.seal, account.user_id, PASSWORD, kept)
    former: str = loaded.state.password
    # Read models lag behind the log: what was checked must be what is to be replaced.
    unsealed = await call.in_thread(call.cloud.seals.unseal, account.user_id, PASSWORD, former)
    if unsealed != account.password_hash:
        return
    await call.carry_out(RehashPassword(user_id=account.user_id, password=sealed, former=former))


def act_as(call: Call, account: Account) -> None:
    """Whoever proved to be somebody is who the events of this call are by."""
    call.caller = replace(call.caller, grants=Grants(user_id=account.user_id))


def basic_in(header: str | None) -> tuple[str, str] | None:
    """Name and secret from an Authorization header of type Basic; None if it is none, or no name
    and secret can be read from it."""
    scheme, _, packed = (header or "").partition(" ")
    if scheme.lower() != "basic" or len(packed) > BASIC_CHARACTERS_MAX:
        return None
    try:
        name, colon, secret = b64decode(packed.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (name, secret) if colon and "\0" not in name + secret else None
