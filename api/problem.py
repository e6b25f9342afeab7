"""Every way in which a call can fail, and what its caller is told. Mapped here and nowhere else."""

import logging
import re
from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec
import psycopg
from msgspec import Struct
from psycopg_pool import PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from api.streams import OneRefused
from domain.binary_records import BinaryRefused
from domain.device import (
    DeviceInAnotherProduct,
    DeviceNotApproved,
    DeviceOffline,
)
from domain.firmware import DevicesAreLocked, FirmwareWasReleased
from domain.group import GroupNameTaken
from domain.log.fleet import Contended, HistoryMovedOn
from domain.log.history import HistoryTooLong
from domain.model import Refused, Unknown
from domain.product import ProductHasDevices, ProductIdTaken, ProductUnknown

log = logging.getLogger("rollcall.api")

RETRY_AFTER_S = 1


class Trouble(Struct, frozen=True, omit_defaults=True):
    """The body of every error. Clients show `error_description`; programs look at `error`.

    `field` names the input at fault, `details` the values that the sentence speaks of.
    """

    ok: bool
    error: str
    error_description: str
    field: str = ""
    details: dict[str, Any] = {}
    info: str = ""
    request_id: str = ""


class Problem(Exception):
    """The call cannot be answered."""

    status: ClassVar[int] = 400
    error: ClassVar[str] = "invalid_request"
    headers: ClassVar[Mapping[str, str]] = {}

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


class ScopeMissing(Problem):
    """Permission denied: this needs the scope {scope}."""

    status = 403
    error = "insufficient_scope"


class PermissionDenied(Problem):
    """Permission denied"""

    status = 403
    error = "permission_denied"


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


class Stopping(Problem):
    """The server is being stopped. Send it again: what is done stays done."""

    status = 503
    error = "unavailable"


# A rule that said no is a bad request, as the Particle API has it, unless it is named here.
REFUSED_STATUS: dict[type[Refused], int] = {
    Unknown: 404,
    ProductUnknown: 403,
    ProductIdTaken: 409,
    ProductHasDevices: 409,
    GroupNameTaken: 409,
    DeviceInAnotherProduct: 409,
    DeviceNotApproved: 409,
    DeviceOffline: 409,
    DevicesAreLocked: 409,
    FirmwareWasReleased: 409,
}


def status_of(refused: type[Refused]) -> int:
    """The HTTP status of a refusal: its own, or that of the class it derives from."""
    for kind in refused.__mro__:
        if kind in REFUSED_STATUS:
            return REFUSED_STATUS[kind]
    return 400


def error_of(refused: type[Refused]) -> str:
    """The code of a refusal: its name, in the spelling of the API."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", refused.__name__).lower()


def answer_to(error: BaseException, request_id: str) -> Response:
    """The reply to a call that failed. What nobody foresaw is logged, once, with its traceback."""
    match error:
        case Problem():
            return reply(error.status, error.error, str(error), error.field, error.values, error)
        case ProductUnknown():
            return answer_to(PermissionDenied(), request_id)
        case Refused():
            kind = type(error)
            field = "file" if isinstance(error, BinaryRefused) and not kind.field else kind.field
            return reply(status_of(kind), error_of(kind), str(error), field, error.values)
        case OneRefused():
            kind, device_id = type(error.refused), getattr(error.command, "device_id", "")
            values = {"device_id": device_id, **error.refused.values}
            sentence = f"Device {device_id}: {error.refused}"
            return reply(status_of(kind), error_of(kind), sentence, "devices", values)
        case HistoryMovedOn():
            sentence = " ".join((HistoryMovedOn.__doc__ or "").split())
            return reply(409, "history_moved_on", sentence, values={"position": error.position})
        case HistoryTooLong():
            return reply(400, "history_too_long", str(HistoryTooLong.__doc__))
        case Contended() | psycopg.OperationalError() | PoolTimeout():
            if not isinstance(error, Contended):
                log.warning("request %s: the database is not available: %s", request_id, error)
            sentence = "Too busy, or out of reach of the database, just now. Try again."
            return reply(503, "unavailable", sentence)
        case HTTPException():
            return reply(error.status_code, *HTTP_ERRORS.get(error.status_code, ("error", "")))
    log.error("request %s failed", request_id, exc_info=error)
    sentence = f"Something is wrong on our side. Name request {request_id} when asking about it."
    return reply(500, "internal_error", sentence, request_id=request_id)


HTTP_ERRORS = {
    404: ("not_found", "There is nothing at this address."),
    405: ("method_not_allowed", "This address does not take this method."),
}


def reply(
    status: int,
    error: str,
    sentence: str,
    field: str = "",
    values: Mapping[str, object] | None = None,
    problem: Problem | None = None,
    request_id: str = "",
) -> Response:
    info = "I didn't recognize that name or ID." if error == "permission_denied" else ""
    body = Trouble(False, error, sentence, field, dict(values or {}), info, request_id)
    headers = dict(problem.headers) if problem else {}
    if status == 503:
        headers["Retry-After"] = str(RETRY_AFTER_S)
    return Response(
        msgspec.json.encode(body, enc_hook=str), status, headers, media_type="application/json"
    )


async def answer_http_exception(request: Request, error: Exception) -> Response:
    """For what goes wrong before a route is found."""
    answer = answer_to(error, request.headers.get("x-request-id", ""))
    if isinstance(error, HTTPException) and error.headers:
        answer.headers.update(error.headers)
    return answer
