"""The caller's account: signed up for, looked at, changed, given up."""

import secrets
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import replace

from api.call import Call
from api.database import Rows, Snapshot
from api.fleet.device_object import CELLULAR_PLATFORMS
from api.people import pairs, proof, vouchers
from api.people.credentials import NewPassword, Password
from api.people.proof import Account
from api.problem import FieldInvalid, LastAdministrator, NothingToChange, StillOwner
from api.views import Done, Said
from domain.model import Command
from domain.names import EMAIL_CHARACTERS_MAX, NAME_CHARACTERS_MAX
from domain.roles import USER_PREFIX, Grants
from domain.user import (
    ChangeEmail,
    ChangePassword,
    ChangeProfile,
    EmailTaken,
    EraseUser,
    SignUp,
    normal_email,
)
from domain.user_events import EMAIL, PASSWORD, PROFILE, EmailChanged, UserSignedUp

EMAILS_CHANGED_BY = (UserSignedUp, EmailChanged)

TAKEN = "SELECT user_id FROM access.account WHERE email_digest = %s"
PROFILE_OF = "SELECT profile FROM access.account WHERE user_id = %s"
OWNS = """
    SELECT EXISTS (SELECT FROM fleet.product WHERE owner = %(owner)s AND NOT retired)
        OR EXISTS (SELECT FROM access.organization WHERE owner = %(user)s)
"""
OTHER_ADMINISTRATORS = """
    SELECT EXISTS (SELECT FROM access.account
                   WHERE administrator AND NOT erased AND user_id <> %s)
"""
DEVICES = """
    SELECT count(*) AS devices,
           count(*) FILTER (WHERE platform_id = ANY(%(cellular)s)) AS cellular
    FROM fleet.device WHERE owner = %(user)s
"""
MEMBERSHIPS = "SELECT team, role FROM access.member WHERE user_id = %s AND state = 'member'"
FORGET_OTP = "DELETE FROM api.otp_taken WHERE user_id = %s"

EMAIL_PATTERN = r"^ *[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+ *$(?!\n)"

Email = Annotated[str, Meta(max_length=EMAIL_CHARACTERS_MAX, pattern=EMAIL_PATTERN)]
PersonsName = Annotated[str, Meta(max_length=NAME_CHARACTERS_MAX)]


class AccountInfo(Struct, frozen=True, omit_defaults=True):
    """What somebody says about themselves. Whatever is not sent stays as it is."""

    first_name: PersonsName | UnsetType | None = UNSET
    last_name: PersonsName | UnsetType | None = UNSET
    company_name: PersonsName | UnsetType | None = UNSET
    business_account: bool | UnsetType | None = UNSET


class NewUser(Struct, frozen=True):
    """`username` is an e-mail."""

    username: Email
    password: NewPassword
    account_info: AccountInfo = AccountInfo()


class UserChange(Struct, frozen=True):
    """`username`, `password` and `invalidate_tokens` need `current_password`; the last, which is
    sent beside others, logs out all over."""

    username: Email | UnsetType = UNSET
    password: NewPassword | UnsetType = UNSET
    account_info: AccountInfo | UnsetType = UNSET
    current_password: Password | UnsetType = UNSET
    invalidate_tokens: bool = False


class PasswordSent(Struct, frozen=True):
    password: Password


class Identity(Struct, frozen=True):
    id: str
    email: str


class Mfa(Struct, frozen=True):
    enabled: bool


class Membership(Struct, frozen=True):
    """`team` is the id of a product or an organization."""

    team: str
    role: str


class Counted(Struct, frozen=True):
    devices: int
    cellular: int


class UserObject(Struct, frozen=True):
    """The Particle API's user. What belongs to its plans and its single sign-on is empty here."""

    id: str
    username: str
    account_info: dict[str, Any]
    mfa: Mfa
    administrator: bool
    memberships: list[Membership]
    wifi_device_count: int
    cellular_device_count: int
    subscription_ids: list[str] = []
    scim_provisioned: bool = False
    no_password: bool = False
    tos: int = 0


async def sign_up(call: Call, body: NewUser) -> Done:
    """Sign up. Log in afterwards."""
    email, user_id = body.username.strip(), secrets.token_hex(12)
    async with call.cloud.database.reading() as rows:
        await must_be_free(call, rows, email, user_id)  # before there is a key, and work is done
    kept = await call.cloud.passwords.hash(body.password)
    profile = msgspec.json.encode(body.account_info).decode()
    await call.in_thread(call.cloud.seals.new_key, user_id)
    texts = {EMAIL: email, PASSWORD: kept, PROFILE: profile}
    sealed = await call.in_thread(call.cloud.seals.seal_all, user_id, texts)
    call.caller = replace(call.caller, grants=Grants(user_id=user_id))
    command = SignUp(
        user_id=user_id, email=sealed[EMAIL], password=sealed[PASSWORD], profile=sealed[PROFILE]
    )
    await carry_out_with_email(call, email, user_id, [command])
    return Done()


async def get_user(call: Call) -> UserObject:
    """The caller's account."""
    account = await proof.own_account(call)
    params = {"user": account.user_id, "cellular": [*CELLULAR_PLATFORMS]}
    async with call.cloud.database.reading() as rows:
        profile = await rows.value(PROFILE_OF, [account.user_id])
        memberships = await rows.all(Membership, MEMBERSHIPS, [account.user_id])
        counted = await rows.one(Counted, DEVICES, params)
    assert counted is not None
    return UserObject(
        id=account.user_id,
        username=account.email,
        account_info=profile,
        mfa=Mfa(account.totp_secret is not None),
        administrator=account.administrator,
        memberships=memberships,
        wifi_device_count=counted.devices - counted.cellular,
        cellular_device_count=counted.cellular,
    )


async def identify_user(call: Call) -> Identity:
    """Who the caller is, in short."""
    account = await proof.own_account(call)
    return Identity(account.user_id, account.email)


async def change_user(call: Call, body: UserChange) -> Said:
    """Change the caller's e-mail, password, or what they say about themselves: all, or nothing."""
    if body.username is UNSET and body.password is UNSET and body.account_info is UNSET:
        raise NothingToChange(fields="username, password, account_info")
    account = await proof.own_account(call)
    # Who only found a token shall not shut its owner out.
    if body.username is not UNSET or body.password is not UNSET or body.invalidate_tokens:
        if body.current_password is UNSET:
            raise FieldInvalid(field="current_password", reason="is missing")
        await proof.must_know_password(call, account, body.current_password, "current_password")
    commands = await changes(call, account, body)
    if body.username is UNSET:
        await call.carry_out(*commands)
    else:
        await carry_out_with_email(call, body.username.strip(), account.user_id, commands)
    if body.password is not UNSET:
        await vouchers.forget(call.cloud.database, account.user_id)
    if body.invalidate_tokens:
        await pairs.revoke_all_of(call, account.user_id)
    return Said("Account updated.")


async def changes(call: Call, account: Account, wanted: UserChange) -> list[Command]:
    user_id, texts = account.user_id, dict[str, str]()
    if wanted.username is not UNSET:
        texts[EMAIL] = wanted.username.strip()
    if wanted.password is not UNSET:
        texts[PASSWORD] = await call.cloud.passwords.hash(wanted.password)
    if wanted.account_info is not UNSET:
        async with call.cloud.database.reading() as rows:
            profile = await rows.value(PROFILE_OF, [user_id])
        said = {**profile, **msgspec.to_builtins(wanted.account_info)}
        texts[PROFILE] = msgspec.json.encode(said).decode()
    sealed = await call.in_thread(call.cloud.seals.seal_all, user_id, texts)
    commands: list[Command] = []
    if EMAIL in sealed and texts[EMAIL] != account.email:
        commands.append(ChangeEmail(user_id=user_id, email=sealed[EMAIL]))
    if PASSWORD in sealed:
        commands.append(ChangePassword(user_id=user_id, password=sealed[PASSWORD]))
    if PROFILE in sealed:
        commands.append(ChangeProfile(user_id=user_id, profile=sealed[PROFILE]))
    return commands


async def remove_user(call: Call, body: PasswordSent) -> Said:
    """Give up the caller's account: whoever it was, nobody can read any more."""
    account = await proof.own_account(call)
    await proof.must_know_password(call, account, body.password, "password")
    user_id = account.user_id
    async with call.cloud.database.reading() as rows:
        if await rows.value(OWNS, {"user": user_id, "owner": f"{USER_PREFIX}{user_id}"}):
            raise StillOwner
        if account.administrator and not await rows.value(OTHER_ADMINISTRATORS, [user_id]):
            raise LastAdministrator
    await call.carry_out(EraseUser(user_id=user_id))
    # The read model does it, too, once it is there; nobody has to wait for that.
    await call.in_thread(call.cloud.seals.destroy, user_id)
    await vouchers.forget(call.cloud.database, user_id)
    async with call.cloud.database.writing() as rows:
        await rows.do(FORGET_OTP, [user_id])
    return Said("Account deleted.")


async def must_be_free(call: Call, rows: Rows, email: str, user_id: str) -> None:
    """Raises EmailTaken if another account has the e-mail."""
    taken_by = await rows.value(TAKEN, [call.cloud.seals.digest(normal_email(email))])
    if taken_by not in (None, user_id):
        raise EmailTaken


async def carry_out_with_email(
    call: Call, email: str, user_id: str, commands: Sequence[Command]
) -> None:
    """Carry out commands by which a user gets an e-mail that nobody else has. Raises EmailTaken."""

    async def look(snapshot: Snapshot) -> Sequence[Command]:
        await must_be_free(call, snapshot, email, user_id)
        return commands

    await call.decide(None, EMAILS_CHANGED_BY, look, models=("access",))
