"""Attempts to deliver, as the API shows them. Addresses and headers are secret, and not here."""

from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct

from api.database import Rows
from api.views import like, stamp

LOGS = 10  # the last ones, shown with their integration
SHOWN_MAX = 500  # of one delivery, which is tried for a day, and again whenever somebody wants it

COLUMNS = """
    attempt_id, delivery_id, integration_id, device_id, place, attempt, at, took_ms, delivered,
    method, host, request_bytes, status, error, response
"""
LAST = f"""
    SELECT {COLUMNS} FROM outbound.attempt WHERE integration_id = %s
    ORDER BY attempt_id DESC LIMIT {LOGS}
"""
OF_DELIVERY = f"""
    SELECT {COLUMNS} FROM outbound.attempt WHERE delivery_id = %s
    ORDER BY attempt_id LIMIT {SHOWN_MAX}
"""
PAGE = f"""
    SELECT {COLUMNS} FROM outbound.attempt
    WHERE integration_id = %(integration)s AND {{conditions}}
    ORDER BY attempt_id DESC LIMIT %(limit)s
"""
CONDITIONS = {
    "delivered": "delivered = %(delivered)s",
    "status": "status = %(status)s",
    "device_id": "device_id = %(device_id)s",
    "text": "(error ILIKE %(like)s OR response ILIKE %(like)s)",
    "from_": "at >= %(from_)s",
    "to": "at < %(to)s",
    "place": "attempt_id < %(place)s",
}


class AttemptRow(Struct, frozen=True):
    """A row of table `outbound.attempt`, in the order of its columns."""

    attempt_id: int
    delivery_id: int
    integration_id: str
    device_id: str
    place: int
    attempt: int
    at: datetime
    took_ms: int
    delivered: bool
    method: str
    host: str
    request_bytes: int
    status: int | None
    error: str
    response: str


class AttemptObject(Struct, frozen=True):
    """One try to deliver one device event. `attempt` says the manieth of its delivery it was,
    `status` what the server answered: null if it did not. `response` is the beginning of that."""

    id: str
    delivery_id: str
    event_id: str
    device_id: str
    attempt: int
    at: str
    took_ms: int
    delivered: bool
    method: str
    host: str
    request_bytes: int
    status: int | None
    error: str
    response: str


def shown_attempt(row: AttemptRow) -> AttemptObject:
    return AttemptObject(
        id=str(row.attempt_id),
        delivery_id=str(row.delivery_id),
        event_id=str(row.place),
        device_id=row.device_id,
        attempt=row.attempt,
        at=stamp(row.at),
        took_ms=row.took_ms,
        delivered=row.delivered,
        method=row.method,
        host=row.host,
        request_bytes=row.request_bytes,
        status=row.status,
        error=row.error,
        response=row.response,
    )


async def last_attempts(rows: Rows, integration_id: str) -> list[AttemptObject]:
    """The last attempts for an integration, the newest first."""
    return [shown_attempt(row) for row in await rows.all(AttemptRow, LAST, [integration_id])]


async def attempts_of(rows: Rows, delivery_id: int) -> list[AttemptObject]:
    """Those of one delivery, the first one first."""
    return [shown_attempt(row) for row in await rows.all(AttemptRow, OF_DELIVERY, [delivery_id])]


async def attempts_where(rows: Rows, wanted: Mapping[str, object]) -> list[AttemptRow]:
    """Those of an integration that a filter finds, the newest first."""
    conditions = [sql for name, sql in CONDITIONS.items() if wanted.get(name) not in (None, "")]
    page = PAGE.replace("{conditions}", " AND ".join([*conditions, "true"]))
    return await rows.all(AttemptRow, page, {**wanted, "like": like(str(wanted["text"]))})
