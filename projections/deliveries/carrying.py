"""Carries what waits in a lane to its target, one after the other."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from random import random
from time import monotonic
from typing import Protocol
from urllib.parse import urlsplit

import msgspec

from domain.published import CloudsEvent, PublishedByCloud
from domain.subjects import API
from projections.deliveries.circuits import Tried
from projections.deliveries.claiming import Lane, Waiting
from projections.deliveries.meters import Settled
from projections.deliveries.results import (
    CANCELLED,
    DELIVERED,
    NOT_SENT,
    PARKED,
    WAITING,
    Attempt,
    Left,
    Result,
    excerpt,
)
from projections.deliveries.retrying import due_after, is_over, is_servers_trouble, seconds_asked
from projections.deliveries.sending import Outcome, Sender
from projections.deliveries.signing import signed
from projections.device_events.telemetry import DeviceEventRow
from projections.integrations.request import Publication, Request, RequestImpossible, build
from projections.integrations.response import Answer, Said, answered, failed, sent
from projections.integrations.stored import Opened

SPELL_S = 5.0  # after that no further delivery of a lane is begun: others have their turn
SOON = timedelta(seconds=0.5)
DISABLED_AGAIN = timedelta(seconds=30)
CIRCUIT_SPREAD_S = 5.0  # who waited for a server comes back within that time
GONE = "the device event is no longer kept"
REMOVED = "the integration was removed"
DISABLED = "the integration was disabled for a day"
LIMIT = "limit"
LEFT_ALONE = "the server failed too often and is left alone for now"

encode = msgspec.json.Encoder().encode


class Publishing(Protocol):
    """What publishes NATS messages."""

    async def publish(self, publication: Publication, message_id: str) -> Outcome:
        """Never raises for what the world does."""


class Trying(Protocol):
    """Which servers are left alone: see circuits.py."""

    def open_until(self, host: str) -> datetime | None: ...
    async def may_try(self, host: str, now: datetime) -> bool: ...


class Carrier:
    """`say` takes what becomes of each delivery as soon as it is known."""

    def __init__(
        self,
        sender: Sender,
        publishing: Publishing,
        trying: Trying,
        *,
        now: Callable[[], datetime],
        say: Callable[[Result], None],
        stopping: asyncio.Event,
    ) -> None:
        self._sender = sender
        self._publishing = publishing
        self._trying = trying
        self._now = now
        self._say = say
        self._stopping = stopping

    async def carry(self, lane: Lane, integration: Opened | None) -> Left:
        """As much of what waits in the lane as can be; how the lane is to be left."""
        for one in lane.gone:
            self._say(Result(one, CANCELLED, GONE))
        if integration is None:
            for one in lane.deliveries:
                self._say(Result(one, CANCELLED, REMOVED))
            return Left(lane.name, None, units_of(lane, 0))
        if integration.row.disabled:
            return self._wait_until_enabled(lane)
        began, done, due_at = monotonic(), 0, None
        for number, one in enumerate(lane.deliveries):
            if self._stopping.is_set() or monotonic() - began > SPELL_S:
                break
            if number < lane.paid:
                result = await self._deliver(one, integration, unit_of(lane, one))
            elif lane.grants[one.meter].is_used_up:
                result = Result(one, NOT_SENT, LIMIT)
            else:
                # What others have taken may be given back; or it was only for those before us.
                due_at = self._now() + SOON
                break
            self._say(result)
            done = number + 1
            if result.state == WAITING:
                due_at = result.due_at
                break
        return Left(lane.name, due_at, units_of(lane, done))

    def _wait_until_enabled(self, lane: Lane) -> Left:
        now = self._now()
        for one in lane.deliveries:
            if not is_over(now, one.since):
                return Left(lane.name, now + DISABLED_AGAIN, [])
            self._say(Result(one, PARKED, DISABLED))
        return Left(lane.name, None, [])

    async def _deliver(self, one: Waiting, integration: Opened, unit: Settled) -> Result:
        assert one.event is not None
        now = self._now()
        try:
            outgoing = build(integration.settings, one.event, integration.row.owner)
        except RequestImpossible as impossible:
            attempt = Attempt(now, 0, "", "", 0, None, str(impossible), "")
            said = self._about(one, integration, Outcome(error=str(impossible)))
            return Result(one, PARKED, str(impossible), attempt=attempt, unit=unit, said=said)
        message_id = f"{one.integration_id}_{one.delivery_id}"
        if isinstance(outgoing, Publication):
            outcome = await self._publishing.publish(outgoing, message_id)
            attempt = attempt_of("PUBLISH", outgoing.subject, outgoing.body, outcome, now)
            return self._judged(one, integration, outcome, attempt, unit, None)
        host = host_of(outgoing)
        probes = self._trying.open_until(host) is not None
        if probes and not await self._trying.may_try(host, now):
            return self._postponed(one, host, unit)
        request = signed(outgoing, integration.secrets_at(now), message_id, now)
        outcome = await self._sender.send(request)
        attempt = attempt_of(outgoing.method, host, outgoing.body, outcome, now)
        tried = Tried(host, not is_servers_trouble(outcome.status), probes)
        return self._judged(one, integration, outcome, attempt, unit, tried)

    def _postponed(self, one: Waiting, host: str, unit: Settled) -> Result:
        """Not tried: it is not counted as an attempt."""
        now = self._now()
        if is_over(now, one.since):
            return Result(one, PARKED, LEFT_ALONE, unit=unit)
        until = max(now, self._trying.open_until(host) or now)
        due_at = until + timedelta(seconds=random() * CIRCUIT_SPREAD_S)
        return Result(one, WAITING, LEFT_ALONE, due_at, unit=unit)

    def _judged(
        self,
        one: Waiting,
        integration: Opened,
        outcome: Outcome,
        attempt: Attempt,
        unit: Settled,
        tried: Tried | None,
    ) -> Result:
        said = self._about(one, integration, outcome)
        made = Result(one, DELIVERED, "", None, attempt, unit, tried, said)
        if outcome.is_delivered:
            return made._replace(unit=unit._replace(delivered=True))
        due_at = due_after(
            one.attempts + 1,
            self._now(),
            one.since,
            jitter=random(),
            asked_s=seconds_asked(outcome.header("retry-after")),
        )
        state = PARKED if due_at is None else WAITING
        return made._replace(state=state, reason=outcome.error, due_at=due_at)

    def _about(self, one: Waiting, integration: Opened, outcome: Outcome) -> bytes | None:
        """What the cloud publishes of this attempt, for those who see the event itself."""
        event, owner = one.event, integration.row.owner
        assert event is not None
        told: list[Said] = [] if one.attempts else [sent(event)]
        if outcome.is_delivered:
            answer = Answer(outcome.body, outcome.header("content-type"))
            told += answered(integration.settings, event, owner, answer)
        else:
            told.append(failed(integration.settings, event, owner, outcome.error))
        return message_of(event, told) if told else None


def message_of(event: DeviceEventRow, told: list[Said]) -> bytes:
    return encode(
        PublishedByCloud(
            events=[CloudsEvent(name=name, data=data) for name, data in told],
            device_id="" if event.device_id == API else event.device_id,
            product_id=event.product_id,
            user_id=event.user_id or "",
        )
    )


def host_of(request: Request) -> str:
    """The server that is asked, as circuits know it."""
    return urlsplit(request.url).netloc.lower()


def attempt_of(method: str, host: str, body: bytes, outcome: Outcome, at: datetime) -> Attempt:
    response = excerpt(outcome.body.decode(errors="replace"))
    error = outcome.error
    return Attempt(at, outcome.took_ms, method, host, len(body), outcome.status, error, response)


def unit_of(lane: Lane, one: Waiting) -> Settled:
    return Settled(one.meter, lane.grants[one.meter].period_start, delivered=False)


def units_of(lane: Lane, after: int) -> list[Settled]:
    """Those that were taken and are not used."""
    return [unit_of(lane, one) for one in lane.deliveries[after : lane.paid]]
