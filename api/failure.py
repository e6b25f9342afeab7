"""What a caller is told when a call failed. Mapped here and nowhere else."""

import logging
import re
from collections.abc import Mapping

import msgspec
import psycopg
from psycopg_pool import PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from api.problem import (
    RETRY_AFTER_S,
    DeviceNotFound,
    DeviceUnrecognized,
    PermissionDenied,
    Problem,
    Trouble,
)
from api.streams import OneRefused
from domain.binary_records import BinaryRefused
from domain.device_refusals import (
    DeviceInAnotherProduct,
    DeviceNotApproved,
    DeviceNotYours,
    DeviceOffline,
    DeviceUnknown,
)
from domain.firmware import DevicesAreLocked, FirmwareWasReleased
from domain.group import GroupNameTaken
from domain.log.fleet import Contended, HistoryMovedOn
from domain.log.history import HistoryTooLong
from domain.model import Refused, Unknown
from domain.organization import OrganizationSlugTaken
from domain.ownership import DeviceNotConnected, DeviceOfSomebodyElse, TransferExpired
from domain.product import ProductHasDevices, ProductIdTaken, ProductUnknown
from domain.team import AlreadyMember, InvitationOver, OwnerStays

log = logging.getLogger("rollcall.api")

# A rule that said no is a bad request, as the Particle API has it, unless it is named here.
REFUSED_STATUS: dict[type[Refused], int] = {
    Unknown: 404,
    ProductUnknown: 403,
    ProductIdTaken: 409,
    ProductHasDevices: 409,
    GroupNameTaken: 409,
    AlreadyMember: 409,
    InvitationOver: 409,
    OrganizationSlugTaken: 409,
    OwnerStays: 409,
    DeviceInAnotherProduct: 409,
    DeviceNotApproved: 409,
    DeviceOffline: 409,
    DeviceNotConnected: 409,
    DeviceOfSomebodyElse: 403,
    TransferExpired: 409,
    DevicesAreLocked: 409,
    FirmwareWasReleased: 409,
}
CLAIM_REFUSED = (DeviceNotConnected, DeviceOfSomebodyElse)


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
            code = error.error or str(error)
            return reply(error.status, code, str(error), error.field, error.values, error)
        case ProductUnknown():
            return answer_to(PermissionDenied(), request_id)
        case DeviceUnknown():
            # Whether it is another's or nobody's: in one word, whoever found out.
            return answer_to(DeviceNotFound(), request_id)
        case DeviceNotYours():
            return answer_to(DeviceUnrecognized(), request_id)
        case Refused():
            kind = type(error)
            field = "file" if isinstance(error, BinaryRefused) and not kind.field else kind.field
            claim = kind in CLAIM_REFUSED
            return reply(
                status_of(kind),
                error_of(kind),
                str(error),
                field,
                error.values,
                refuses_claim=claim,
            )
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
    refuses_claim: bool = False,
) -> Response:
    body = Trouble(
        ok=False,
        error=error,
        error_description=sentence,
        field=field,
        details=dict(values or {}),
        info=problem.info if problem else "",
        request_id=request_id,
        errors=[sentence] if refuses_claim or (problem and problem.refuses_claim) else [],
    )
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
