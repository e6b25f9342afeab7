"""Why a device has its target, or was told what it was told: rule, losers, events."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from api.call import Call
from api.fleet.device_object import FirmwareTarget, shown_target
from api.fleet.devices import device_id_in, group_names
from api.fleet.history import Entry
from api.fleet.impact import POSITION_MAX
from api.fleet.past import position_of
from api.fleet.products import product_in
from api.problem import DeviceNotFound, FieldInvalid, NotFound
from api.views import stamp
from domain.facts import DeviceFacts
from domain.handshake import product_of
from domain.hello import Answer, Hello
from domain.log.fleet import Fleet
from domain.log.history import device_history, product_history, recorded_at
from domain.recorded import Recorded
from domain.session import DeviceHandshook
from domain.why import Derivation, Explanation, Reason, derive, explain, fold_device


class WhyWanted(Struct, frozen=True):
    """Nothing: the target now. `as_of`: the target then. `handshake`: what was told there."""

    as_of: str = ""
    handshake: Annotated[int, Meta(ge=1, le=POSITION_MAX)] | None = None


class Candidate(Struct, frozen=True):
    """A reason that applied, and the events that it rests on."""

    rule: str
    version: int | None
    group: str | None
    events: list[Entry]


class WhyHandshake(Struct, frozen=True):
    """A recorded handshake, and the same decided again from the events up to `based_on`."""

    position: int
    at: str
    based_on: int
    said: Hello
    told: Answer
    decided_again: Answer
    right: bool


class Why(Struct, frozen=True):
    """The rule that chose, the reasons that lost to it, and every event that was used, in order."""

    device_id: str
    position: int
    sentence: str
    target: FirmwareTarget
    winner: Candidate
    losers: list[Candidate]
    facts: DeviceFacts
    events: list[Entry]
    handshake: WhyHandshake | None = None


async def why(call: Call, query: WhyWanted) -> Why:
    """Why the device has its target, or was told what it was told: from events alone."""
    device_id = device_id_in(call)
    async with call.snapshot() as snapshot:
        product = await product_in(call, snapshot)
        names = await group_names(snapshot, product.product_id)
    fleet, product_id = call.cloud.fleet, product.product_id
    if query.handshake is not None:
        if query.as_of:
            raise FieldInvalid(field="as_of", reason="a handshake has its own position")
        return await call.in_thread(why_told, fleet, product_id, device_id, query.handshake, names)
    position = await position_of(call, query.as_of or str(await call.cloud.database.head()))
    return await call.in_thread(why_targeted, fleet, product_id, device_id, position, names)


def why_targeted(
    fleet: Fleet, product_id: int, device_id: str, position: int, names: Mapping[str, str]
) -> Why:
    """Raises DeviceNotFound if the device was not in the product then."""
    device = device_history(fleet, device_id, position)
    if fold_device(device).product_id != product_id:
        raise DeviceNotFound
    product = product_history(fleet, product_id, position)
    return shown_why(explain(device_id, device, product), position, names)


def why_told(
    fleet: Fleet, product_id: int, device_id: str, handshake: int, names: Mapping[str, str]
) -> Why:
    """Raises NotFound if no handshake of the device with the product stands at the position."""
    recorded = recorded_at(fleet, handshake)
    if recorded is None or not isinstance(recorded.event, DeviceHandshook):
        raise NotFound(what=f"Handshake {handshake}")
    event = recorded.event
    if event.device_id != device_id or event.product_id not in (product_id, None):
        raise NotFound(what=f"Handshake {handshake} of this device in this product")
    device = device_history(fleet, device_id, event.based_on)
    answered_for = product_of(event.said, fold_device(device))
    product = [] if answered_for is None else product_history(fleet, answered_for, event.based_on)
    derivation = derive(recorded, device, product)
    explanation = explain(device_id, device, product)
    return shown_why(explanation, event.based_on, names, derivation)


def shown_why(
    explanation: Explanation,
    position: int,
    names: Mapping[str, str],
    derivation: Derivation | None = None,
) -> Why:
    used = explanation.used if derivation is None else derivation.used
    return Why(
        device_id=explanation.device_id,
        position=position,
        sentence=explanation.sentence,
        target=shown_target(explanation.target, names),
        winner=shown_reason(explanation.winner, names),
        losers=[shown_reason(reason, names) for reason in explanation.losers],
        facts=explanation.facts,
        events=[shown_recorded(recorded) for recorded in used],
        handshake=None if derivation is None else shown_derivation(derivation),
    )


def shown_reason(reason: Reason, names: Mapping[str, str]) -> Candidate:
    group = names.get(reason.group, reason.group) or None
    events = [shown_recorded(recorded) for recorded in reason.events]
    return Candidate(reason.rule.value, reason.version, group, events)


def shown_derivation(derivation: Derivation) -> WhyHandshake:
    event: Any = derivation.handshake.event
    return WhyHandshake(
        position=derivation.handshake.position or 0,
        at=event.at,
        based_on=event.based_on,
        said=event.said,
        told=derivation.told,
        decided_again=derivation.derived,
        right=derivation.right,
    )


def shown_recorded(recorded: Recorded) -> Entry:
    assert recorded.recorded_at is not None
    provenance = recorded.provenance
    return Entry(
        position=recorded.position or 0,
        recorded_at=stamp(recorded.recorded_at),
        stream=recorded.stream,
        stream_version=recorded.stream_version,
        name=type(recorded.event).__name__,
        format=recorded.event.FORMAT,
        event=msgspec.to_builtins(recorded.event),
        actor=provenance.actor,
        origin=provenance.origin,
        request=provenance.request,
        cause=provenance.cause,
    )
