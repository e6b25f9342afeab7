"""What people do to deliveries: try them again, send a range of history once more."""

from datetime import UTC, datetime
from typing import Annotated

from msgspec import Meta, Struct

from api.call import Call
from api.outbound import owned
from api.outbound.deliveries import Time, delivery_named
from api.problem import FieldInvalid, Problem
from api.views import stamp
from domain.integration import AskDeliveryRetry, AskReplay
from projections.deliveries import by_hand
from projections.deliveries.by_hand import REPLAYED_MAX, RETRIED_MAX, Range

PLACE_DIGITS_MAX = 18
AGAIN = ("parked", "not_sent")
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(9000, 1, 1, tzinfo=UTC)

Place = Annotated[int, Meta(ge=0, lt=10**PLACE_DIGITS_MAX)]


class Nothing(Struct, frozen=True):
    """Nothing has to be said."""


class Retried(Struct, frozen=True):
    """How many are tried again; `more` says that there are others, which another call takes."""

    retried: int
    more: bool = False
    ok: bool = True


class ReplayWanted(Struct, frozen=True, rename={"from_": "from"}):
    """What was published from one time to before another, or has event ids after one, up to and
    with another; both where both are named."""

    from_: Time | None = None
    to: Time | None = None
    after: Place | None = None
    until: Place | None = None


class Replayed(Struct, frozen=True):
    """How many deliveries were made, the last one of event `last_event_id`. If there is `more`,
    another call takes it that goes on after that event."""

    deliveries: int
    last_event_id: str | None
    more: bool = False
    ok: bool = True


class NotRetried(Problem):
    """The delivery is {state}: only one that is parked or was not sent is tried again."""

    status = 409
    error = "not_parked"


async def retry_delivery(call: Call, body: Nothing) -> Retried:
    """Try one delivery again that is parked, or was not sent, for another day."""
    async with call.snapshot() as snapshot:
        found = await delivery_named(call, snapshot)
    if found.state not in AGAIN:
        raise NotRetried(state=found.state)
    await call.carry_out(
        AskDeliveryRetry(
            integration_id=found.integration_id,
            request=asked_by(call),
            delivery_id=found.delivery_id,
        )
    )
    async with call.cloud.database.writing() as rows:
        retried = await by_hand.retry(
            rows.connection, found.integration_id, [found.delivery_id], datetime.now(UTC)
        )
    if not retried:
        raise NotRetried(state=found.state)
    return Retried(retried)


async def retry_parked(call: Call, body: Nothing) -> Retried:
    """Try all deliveries again that are parked, the oldest first, so many with each call."""
    async with call.snapshot() as snapshot:
        row = await owned.row_named(call, snapshot)
    await call.carry_out(
        AskDeliveryRetry(integration_id=row.integration_id, request=asked_by(call))
    )
    async with call.cloud.database.writing() as rows:
        retried = await by_hand.retry_parked(rows.connection, row.integration_id, datetime.now(UTC))
    return Retried(retried, more=retried >= RETRIED_MAX)


async def replay(call: Call, body: ReplayWanted) -> Replayed:
    """Send a range of history once more, as far as it is kept: each event as a new delivery."""
    if body == ReplayWanted():
        raise FieldInvalid(field="from", reason="say what to send again: from, to, after or until")
    for field, moment in (("from", body.from_), ("to", body.to)):
        if moment is not None and not EARLIEST <= moment <= LATEST:
            raise FieldInvalid(field=field, reason="is a time at which nothing was published")
    async with call.snapshot() as snapshot:
        row = await owned.row_named(call, snapshot)
    history = Range(since=body.from_ or EARLIEST, before=body.to or LATEST, after=body.after or 0)
    if body.until is not None:
        history = Range(history.since, history.before, history.after, body.until)
    await call.carry_out(
        AskReplay(
            integration_id=row.integration_id,
            request=asked_by(call),
            since=instant_of(body.from_),
            before=instant_of(body.to),
            after=body.after,
            until=body.until,
        )
    )
    async with call.cloud.database.writing() as rows:
        made = await by_hand.replay(
            rows.connection,
            row.integration_id,
            history,
            datetime.now(UTC),
            request=asked_by(call),
        )
    last = None if made.last_place is None else str(made.last_place)
    return Replayed(made.deliveries, last, more=made.deliveries >= REPLAYED_MAX)


def asked_by(call: Call) -> str:
    """What tells this asking from any other: the same for each try of one call."""
    return call.command or call.request_id


def instant_of(moment: datetime | None) -> str:
    return "" if moment is None else stamp(moment)
