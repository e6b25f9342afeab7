"""Every way in which a call can fail, each a sentence that its caller is told."""

from collections.abc import Mapping
from typing import Any, ClassVar

from msgspec import Struct

RETRY_AFTER_S = 1


class Trouble(Struct, frozen=True, omit_defaults=True):
    """The body of every error. Clients show `error_description`; programs look at `error`.

    `field` names the input at fault, `details` the values that the sentence speaks of. `mfa_token`
    comes with `mfa_required`: send it back with a one-time password. `errors` is the sentence again
    where a claim is refused: clients look for it there.
    """

    ok: bool
    error: str
    error_description: str
    field: str = ""
    details: dict[str, Any] = {}
    info: str = ""
    request_id: str = ""
    mfa_token: str = ""
    errors: list[str] = []


class Problem(Exception):
    """The call cannot be answered. Without an `error` of its own, its sentence is that too."""

    status: ClassVar[int] = 400
    error: ClassVar[str] = "invalid_request"
    headers: ClassVar[Mapping[str, str]] = {}
    info: ClassVar[str] = ""
    refuses_claim: ClassVar[bool] = False

    def __init__(self, *, field: str = "", **values: object) -> None:
        super().__init__(values)
        self.field = field
        self.values = values

    def __str__(self) -> str:
        return " ".join((type(self).__doc__ or "").split()).format(field=self.field, **self.values)


class FieldInvalid(Problem):
    """{field}: {reason}."""


class BodyUnreadable(Problem):
    """The body cannot be read: {reason}."""


class NothingToChange(Problem):
    """Nothing to change was sent. Send at least one of: {fields}."""


class TokenMissing(Problem):
    """The access token was not found"""


class TokenInvalid(Problem):
    """The access token provided is invalid."""

    status = 401
    error = "invalid_token"
    headers: ClassVar[Mapping[str, str]] = {"WWW-Authenticate": 'Bearer error="invalid_token"'}


class TokenExpired(TokenInvalid):
    """The access token provided has expired."""


class NotForApiUsers(Problem):
    """API users are not allowed to call this endpoint"""

    error = "unauthorized"


class CredentialsWrong(Problem):
    """User credentials are invalid"""

    error = "invalid_grant"


class OtpWrong(Problem):
    """This one-time password is wrong, or was used before."""

    error = "invalid_grant"


class OtpNeeded(Problem):
    """A one-time password is needed, too: send it as otp."""

    status = 403
    error = "mfa_required"

    def __init__(self) -> None:
        super().__init__(field="otp")


class PasswordWrong(Problem):
    """The current password is wrong."""

    error = "invalid_password"


class GrantRefused(Problem):
    """OAuth 2.0 does not give what was asked for; it has its own codes to say why."""

    def __init__(self, *, error: str, sentence: str) -> None:
        super().__init__()
        self.error = error  # type: ignore[misc]
        self._sentence = sentence

    def __str__(self) -> str:
        return self._sentence


class ScopeMissing(Problem):
    """Permission denied: this needs the scope {scope}."""

    status = 403
    error = "insufficient_scope"


class PermissionDenied(Problem):
    """Permission denied"""

    status = 403
    error = "permission_denied"
    info = "I didn't recognize that name or ID."


class DeviceUnrecognized(Problem):
    """Permission Denied: I didn't recognize that device name or ID."""

    status = 403
    error = "Permission Denied"
    info = "I didn't recognize that device name or ID."


class DeviceNameAmbiguous(Problem):
    """Several of your devices have this name: say which one by its id."""

    status = 409
    error = "device_name_ambiguous"


class ActivationCodeMissing(Problem):
    """The product is in a private beta: send the activation_code that you were mailed."""

    error = "activation_code_missing"


class ActivationCodeWrong(Problem):
    """This activation code is wrong."""

    error = "activation_code_wrong"


class NobodyToOwnIt(Problem):
    """A device is claimed for a person: log in as one."""

    error = "nobody_to_own_it"


class DeviceInNoProduct(Problem):
    """The device is in no product: {why}."""

    status = 409
    error = "device_in_no_product"


class DeviceUnheardOf(Problem):
    """device not found"""

    status = 404
    error = "device not found"
    refuses_claim = True


class NotFound(Problem):
    """{what} not found."""

    status = 404
    error = "not_found"


class DeviceNotFound(Problem):
    """Device not found for this product"""

    status = 404
    error = "device_not_found"


class BodyTooSlow(Problem):
    """The body did not arrive within {limit_s} seconds."""

    status = 408
    error = "timed_out"


class CallUnderWay(Problem):
    """A call with this Idempotency-Key is still under way."""

    status = 409
    error = "call_under_way"
    headers: ClassVar[Mapping[str, str]] = {"Retry-After": str(RETRY_AFTER_S)}


class PreviewOutdated(Problem):
    """History moved on at position {position}, after the preview at {as_previewed}. Preview
    again."""

    status = 409
    error = "history_moved_on"


class StillOwner(Problem):
    """Products or organizations belong to this account. Transfer or remove them first."""

    status = 409
    error = "still_owner"


class LastAdministrator(Problem):
    """There would be no administrator left."""

    status = 409
    error = "last_administrator"


class BodyTooLarge(Problem):
    """The body is larger than {limit_bytes} bytes."""

    status = 413
    error = "too_large"


class BodyTypeUnknown(Problem):
    """Content-Type {found} is not taken here. Send {taken}."""

    status = 415
    error = "unsupported_media_type"


class RangeUnsatisfiable(Problem):
    """The range {found} is not within the {size_bytes} bytes."""

    status = 416
    error = "range_not_satisfiable"

    def __init__(self, *, found: str, size_bytes: int) -> None:
        super().__init__(found=found, size_bytes=size_bytes)
        self.headers = {"Content-Range": f"bytes */{size_bytes}"}  # type: ignore[misc]


class KeyReused(Problem):
    """This Idempotency-Key was used for another call."""

    status = 422
    error = "idempotency_key_reused"


class TooManyRequests(Problem):
    """Too many requests. Try again in {retry_s} seconds."""

    status = 429
    error = "rate_limited"

    def __init__(self, *, retry_s: int) -> None:
        super().__init__(retry_s=retry_s)
        self.headers = {"Retry-After": str(retry_s)}  # type: ignore[misc]


class TooManyStreams(TooManyRequests):
    """{most} event streams are open from your address, which is the limit. Close one first."""

    def __init__(self, *, most: int, retry_s: int) -> None:
        super().__init__(retry_s=retry_s)
        self.values = {"most": most}


class EventPrefixMissing(Problem):
    """event prefix filter is required"""

    error = ""


class TooManyBadLogIns(TooManyRequests):
    """Too many failed log-ins. Try again in {retry_s} seconds."""


class NotSupported(Problem):
    """Rollcall does not have this, and says why: a sentence of its own each time."""

    # Not a 404, which clients take for a thing that is missing and tell in words of their own.
    status = 501
    error = "not_supported"

    def __init__(self, sentence: str) -> None:
        super().__init__()
        self.sentence = sentence

    def __str__(self) -> str:
        return self.sentence


class Busy(Problem):
    """Too many people are logging in just now. Try again."""

    status = 503
    error = "unavailable"


class SourcesSent(Problem):
    """Rollcall has no compiler. Compile where the sources are, and send the binary."""

    error = NotSupported.error


class Stopping(Problem):
    """The server is being stopped. Send it again: what is done stays done."""

    status = 503
    error = "unavailable"
