"""What happens to a user. Whoever it is can be read from it only by the person's own key."""

from typing import TypeAlias

from domain.model import Event

# What a text is sealed as: see domain/log/seals.py.
EMAIL = "email"
PASSWORD = "password"  # its hash, rather
PROFILE = "profile"
RESET = "reset"
TOTP_SECRET = "totp_secret"
RECOVERY = "recovery"


class UserSignedUp(Event):
    """`profile` is the sealed JSON of what they tell about themselves."""

    user_id: str
    email: str
    password: str
    profile: str
    administrator: bool = False


class PasswordChanged(Event):
    user_id: str
    password: str


class PasswordRehashed(Event):
    """The same password, hashed with newer parameters."""

    user_id: str
    password: str


class PasswordResetRequested(Event):
    """`reset` is the sealed token for the mail, `reset_hash` what it is recognized by."""

    user_id: str
    reset: str
    reset_hash: str
    expires_at: str


class EmailChanged(Event):
    """`former` is the sealed e-mail until then."""

    user_id: str
    email: str
    former: str = ""


class ProfileChanged(Event):
    user_id: str
    profile: str


class TotpOffered(Event):
    """A secret for a second factor was shown; a first code by it is waited for."""

    user_id: str
    secret: str
    offer_hash: str
    expires_at: str


class TotpEnabled(Event):
    """From now on a log-in needs a code. `recovery` is sealed JSON: hashes of recovery codes."""

    user_id: str
    recovery: str


class RecoveryCodeUsed(Event):
    user_id: str
    code_hash: str


class TotpDisabled(Event):
    user_id: str


class UserErased(Event):
    """The key is destroyed: nobody can read any more who this was."""

    user_id: str


UserEvent: TypeAlias = (
    UserSignedUp
    | PasswordChanged
    | PasswordRehashed
    | PasswordResetRequested
    | EmailChanged
    | ProfileChanged
    | TotpOffered
    | TotpEnabled
    | RecoveryCodeUsed
    | TotpDisabled
    | UserErased
)
