"""A user: a person with an account, who signs up, proves who they are, and can be erased.

What is personal or could be guessed (e-mail, names, password hash, second factor) stands in events
only sealed under the person's own key. Erasing a person destroys the key; the events stay.
"""

from typing import TypeAlias, assert_never

from msgspec import Struct
from msgspec.structs import replace

from domain.model import Command, Decider, Refused, Unknown
from domain.names import Hash, Id, Instant, Sealed
from domain.user_events import (
    EmailChanged,
    PasswordChanged,
    PasswordRehashed,
    PasswordResetRequested,
    ProfileChanged,
    RecoveryCodeUsed,
    TotpDisabled,
    TotpEnabled,
    TotpOffered,
    UserErased,
    UserEvent,
    UserSignedUp,
)


class AboutUser(Command):
    user_id: Id

    @property
    def stream(self) -> str:
        return f"user-{self.user_id}"


class SignUp(AboutUser):
    """`email_taken` says whether another account has the e-mail now."""

    email: Sealed
    password: Sealed
    profile: Sealed
    administrator: bool = False
    email_taken: bool = False


class ChangePassword(AboutUser):
    """The caller has proved to know the former one."""

    password: Sealed


class RehashPassword(AboutUser):
    """`former` is the sealed hash that the password was checked against."""

    password: Sealed
    former: Sealed


class RequestPasswordReset(AboutUser):
    reset: Sealed
    reset_hash: Hash
    expires_at: Instant


class ResetPassword(AboutUser):
    """Set the password by a token that was mailed."""

    reset_hash: Hash
    password: Sealed
    now: Instant


class ChangeEmail(AboutUser):
    """`email_taken` says whether another account has the e-mail now."""

    email: Sealed
    email_taken: bool = False


class ChangeProfile(AboutUser):
    profile: Sealed


class OfferTotp(AboutUser):
    secret: Sealed
    offer_hash: Hash
    expires_at: Instant


class EnableTotp(AboutUser):
    """The caller has shown a code by the secret that was offered."""

    offer_hash: Hash
    recovery: Sealed
    now: Instant


class UseRecoveryCode(AboutUser):
    """The code is one of those given out when the second factor was enabled."""

    code_hash: Hash


class DisableTotp(AboutUser):
    pass


class EraseUser(AboutUser):
    pass


UserCommand: TypeAlias = (
    SignUp
    | ChangePassword
    | RehashPassword
    | RequestPasswordReset
    | ResetPassword
    | ChangeEmail
    | ChangeProfile
    | OfferTotp
    | EnableTotp
    | UseRecoveryCode
    | DisableTotp
    | EraseUser
)


class UserUnknown(Unknown):
    """There is no such user."""


class UserExists(Refused):
    """This user has signed up already."""


class EmailTaken(Refused):
    """username must be unique: there is an account with this e-mail."""

    field = "username"


class ResetInvalid(Refused):
    """This password reset is not known, was used, or has expired. Ask for another one."""

    field = "token"


class TotpEnabledAlready(Refused):
    """A second factor is enabled already. Disable it first."""


class TotpNotEnabled(Refused):
    """No second factor is enabled."""


class TotpOfferInvalid(Refused):
    """This offer of a second factor is not known or has expired. Begin again."""

    field = "mfa_token"


class RecoveryCodeSpent(Refused):
    """This recovery code was used before."""

    field = "otp"


class Pending(Struct, frozen=True):
    """Something that waits to be taken up, once, until it expires."""

    hash: str = ""
    expires_at: str = ""

    def is_taken_up(self, hash: str, now: str) -> bool:
        return self.hash != "" and hash == self.hash and now < self.expires_at


class User(Struct, frozen=True):
    """`email` and `password` are sealed here, too."""

    exists: bool = False
    erased: bool = False
    email: str = ""
    password: str = ""
    reset: Pending = Pending()
    offer: Pending = Pending()
    totp: bool = False
    codes_used: frozenset[str] = frozenset()


def decide(user: User, command: UserCommand) -> list[UserEvent]:
    match command:
        case SignUp():
            return sign_up(user, command)
        case EraseUser() if user.erased:
            return []
        case _ if not user.exists or user.erased:
            raise UserUnknown
        case EraseUser(user_id=user_id):
            return [UserErased(user_id=user_id)]
        case ChangePassword() | RehashPassword() | RequestPasswordReset() | ResetPassword():
            return decide_password(user, command)
        case OfferTotp() | EnableTotp() | UseRecoveryCode() | DisableTotp():
            return decide_totp(user, command)
        case ChangeEmail(user_id=user_id, email=email, email_taken=email_taken):
            if email_taken:
                raise EmailTaken
            return [EmailChanged(user_id=user_id, email=email, former=user.email)]
        case ChangeProfile(user_id=user_id, profile=profile):
            return [ProfileChanged(user_id=user_id, profile=profile)]
    assert_never(command)


def sign_up(user: User, command: SignUp) -> list[UserEvent]:
    # Not even after an erasure: a user id stands for one person, ever.
    if user.exists:
        raise UserExists
    if command.email_taken:
        raise EmailTaken
    return [
        UserSignedUp(
            user_id=command.user_id,
            email=command.email,
            password=command.password,
            profile=command.profile,
            administrator=command.administrator,
        )
    ]


def decide_password(
    user: User, command: ChangePassword | RehashPassword | RequestPasswordReset | ResetPassword
) -> list[UserEvent]:
    user_id = command.user_id
    match command:
        case ChangePassword(password=password):
            return [PasswordChanged(user_id=user_id, password=password)]
        case RehashPassword(password=password, former=former):
            # Changed meanwhile: what was checked is the password no longer.
            if former != user.password:
                return []
            return [PasswordRehashed(user_id=user_id, password=password)]
        case RequestPasswordReset(reset=reset, reset_hash=reset_hash, expires_at=expires_at):
            return [
                PasswordResetRequested(
                    user_id=user_id, reset=reset, reset_hash=reset_hash, expires_at=expires_at
                )
            ]
        case ResetPassword(reset_hash=reset_hash, password=password, now=now):
            if not user.reset.is_taken_up(reset_hash, now):
                raise ResetInvalid
            return [PasswordChanged(user_id=user_id, password=password)]
    assert_never(command)


def decide_totp(
    user: User, command: OfferTotp | EnableTotp | UseRecoveryCode | DisableTotp
) -> list[UserEvent]:
    user_id = command.user_id
    match command:
        case OfferTotp() | EnableTotp() if user.totp:
            raise TotpEnabledAlready
        case OfferTotp(secret=secret, offer_hash=offer_hash, expires_at=expires_at):
            return [
                TotpOffered(
                    user_id=user_id, secret=secret, offer_hash=offer_hash, expires_at=expires_at
                )
            ]
        case EnableTotp(offer_hash=offer_hash, recovery=recovery, now=now):
            if not user.offer.is_taken_up(offer_hash, now):
                raise TotpOfferInvalid
            return [TotpEnabled(user_id=user_id, recovery=recovery)]
        case DisableTotp():
            return [TotpDisabled(user_id=user_id)] if user.totp else []
        case UseRecoveryCode(code_hash=code_hash):
            if not user.totp:
                raise TotpNotEnabled
            if code_hash in user.codes_used:
                raise RecoveryCodeSpent
            return [RecoveryCodeUsed(user_id=user_id, code_hash=code_hash)]
    assert_never(command)


def evolve(user: User, event: UserEvent) -> User:
    match event:
        case UserSignedUp(email=email, password=password):
            return User(exists=True, email=email, password=password)
        case PasswordChanged(password=password):
            # Whatever reset was under way, somebody knows a password again.
            return replace(user, password=password, reset=Pending())
        case PasswordRehashed(password=password):
            return replace(user, password=password)
        case PasswordResetRequested(reset_hash=reset_hash, expires_at=expires_at):
            return replace(user, reset=Pending(reset_hash, expires_at))
        case EmailChanged(email=email):
            # A reset that was mailed to the former address must not work for who reads it there.
            return replace(user, email=email, reset=Pending())
        case ProfileChanged():
            return user
        case TotpOffered(offer_hash=offer_hash, expires_at=expires_at):
            return replace(user, offer=Pending(offer_hash, expires_at))
        case TotpEnabled():
            return replace(user, totp=True, offer=Pending(), codes_used=frozenset())
        case RecoveryCodeUsed(code_hash=code_hash):
            return replace(user, codes_used=user.codes_used | {code_hash})
        case TotpDisabled():
            return replace(user, totp=False)
        case UserErased():
            return User(exists=True, erased=True)
    assert_never(event)


USER = Decider(initial=User(), decide=decide, evolve=evolve)


def normal_email(email: str) -> str:
    """The one spelling, of those that reach the same mailbox, by which accounts are told apart."""
    return email.strip().casefold()
