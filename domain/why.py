"""Why a device has the target it has, or was told what it was told: from events alone.

Pure: it folds the events it is given, and names the ones that made the difference.
"""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from domain.device_events import (
    DevelopmentMarked,
    DevelopmentUnmarked,
    DeviceDenied,
    DeviceGrouped,
    DeviceImported,
    DeviceJoined,
    DeviceQuarantined,
    DeviceRemoved,
    FirmwareLocked,
    FirmwareUnlocked,
    UpdateRetryAsked,
    UpdatesForced,
    UpdatesUnforced,
)
from domain.facts import (
    NO_DEVICE_FACTS,
    DeviceFacts,
    ProductFacts,
    evolve_device,
    evolve_product,
)
from domain.firmware import FirmwareReleased
from domain.handshake import answer, running_version
from domain.hello import Answer, Hello
from domain.model import Event
from domain.ownership import DeviceClaimed, DeviceUnclaimed
from domain.product import AutoApprovalAllowed, AutoApprovalForbidden, ProductCreated
from domain.recorded import Recorded
from domain.session import DeviceHandshook, UpdateStuck
from domain.targeting import Candidate, Cohort, Releases, Rule, Target, candidates, target_of

# The last event of each of these lines decides the part of the facts it is about.
ENTERED: tuple[type[Event], ...] = (
    DeviceImported,
    DeviceJoined,
    DeviceQuarantined,
    DeviceDenied,
    DeviceRemoved,
)
GROUPED: tuple[type[Event], ...] = (DeviceGrouped,)
LOCKED: tuple[type[Event], ...] = (FirmwareLocked, FirmwareUnlocked)
DEVELOPMENT: tuple[type[Event], ...] = (DevelopmentMarked, DevelopmentUnmarked)
FORCED: tuple[type[Event], ...] = (UpdatesForced, UpdatesUnforced)
STUCK: tuple[type[Event], ...] = (UpdateStuck, UpdateRetryAsked)
OWNED: tuple[type[Event], ...] = (DeviceClaimed, DeviceUnclaimed)
APPROVAL: tuple[type[Event], ...] = (AutoApprovalAllowed, AutoApprovalForbidden, ProductCreated)


class Reason(Struct, frozen=True, omit_defaults=True):
    """One reason for a target: the version it asks for, and the events it rests on."""

    rule: Rule
    version: int | None
    events: tuple[Recorded, ...]
    group: str = ""


class Explanation(Struct, frozen=True):
    """The target, the reason that won, those that lost to it, and every event that was used."""

    device_id: str
    facts: DeviceFacts
    target: Target
    winner: Reason
    losers: tuple[Reason, ...]
    used: tuple[Recorded, ...]
    sentence: str


class Derivation(Struct, frozen=True):
    """A recorded handshake decided again: what it should have been told, and from which events."""

    handshake: Recorded
    told: Answer
    derived: Answer
    running: int | None
    used: tuple[Recorded, ...]

    @property
    def right(self) -> bool:
        event = self.handshake.event
        assert isinstance(event, DeviceHandshook)
        return self.told == self.derived and event.running == self.running


def explain(device_id: str, device: Sequence[Recorded], product: Sequence[Recorded]) -> Explanation:
    """Why the device has its target.

    `device` and `product` are the histories of the device and of its product, in position order, up
    to the moment that is asked about.
    """
    facts, product_facts = fold_device(device), fold_product(product)
    if facts.product_id is None:
        return explain_homeless(device_id, facts, device)
    releases = product_facts.releases() if product_facts else Releases()
    cohort = facts.cohort()
    found = [because(one, device, product) for one in candidates(cohort, releases)]
    if not found:
        found = [Reason(Rule.NONE, None, last(device, ENTERED))]
    target = target_of(cohort, releases)
    return Explanation(
        device_id=device_id,
        facts=facts,
        target=target,
        winner=found[0],
        losers=tuple(found[1:]),
        used=in_order(reason.events for reason in found),
        sentence=sentence_for(device_id, cohort, target, found[1:]),
    )


def explain_homeless(device_id: str, facts: DeviceFacts, device: Sequence[Recorded]) -> Explanation:
    winner = Reason(Rule.NONE, None, last(device, ENTERED))
    return Explanation(
        device_id=device_id,
        facts=facts,
        target=Target(version=None, rule=Rule.NONE),
        winner=winner,
        losers=(),
        used=winner.events,
        sentence=f"Device {device_id} is in no product, so nothing targets it.",
    )


def derive(
    handshake: Recorded, device: Sequence[Recorded], product: Sequence[Recorded]
) -> Derivation:
    """Decide a recorded handshake again, from the events up to the position it was based on.

    `product` is the history of the product that `domain.handshake.product_of` names for it.
    Raises AssertionError if the event is no handshake.
    """
    event = handshake.event
    assert isinstance(event, DeviceHandshook)
    known = [one for one in device if (one.position or 0) <= event.based_on]
    released = [one for one in product if (one.position or 0) <= event.based_on]
    facts, product_facts = fold_device(known), fold_product(released)
    derived, running = decide_again(event.said, facts, product_facts)
    return Derivation(
        handshake=handshake,
        told=event.told,
        derived=derived,
        running=running,
        used=events_used(facts, product_facts, known, released),
    )


def decide_again(
    said: Hello, device: DeviceFacts, product: ProductFacts | None
) -> tuple[Answer, int | None]:
    """What a hello is told by these facts, and the version of its product that the device runs."""
    told = answer(said, device, product)
    running = running_version(said, told.product_id) if told.product_id is not None else None
    return told, running


def fold_device(history: Iterable[Recorded]) -> DeviceFacts:
    facts = NO_DEVICE_FACTS
    for recorded in history:
        facts = evolve_device(facts, recorded.event)
    return facts


def fold_product(history: Iterable[Recorded]) -> ProductFacts | None:
    facts: ProductFacts | None = None
    for recorded in history:
        facts = evolve_product(facts, recorded.event)
    return facts


def events_used(
    facts: DeviceFacts,
    product_facts: ProductFacts | None,
    device: Sequence[Recorded],
    product: Sequence[Recorded],
) -> tuple[Recorded, ...]:
    """The events an answer rests on, in order."""
    lines = [last(device, ENTERED), last(device, FORCED), last(device, STUCK)]
    lines.append(last(product, APPROVAL))
    if product_facts is not None and product_facts.product_id != facts.product_id:
        lines.append(last(device, OWNED))  # of strangers it matters whether they are somebody's
    if facts.product_id is not None and product_facts is not None:
        reasons = candidates(facts.cohort(), product_facts.releases())
        lines += [because(one, device, product).events for one in reasons]
    return in_order(lines)


def because(
    candidate: Candidate, device: Sequence[Recorded], product: Sequence[Recorded]
) -> Reason:
    """The events that make a candidate apply."""
    match candidate.rule:
        case Rule.QUARANTINED | Rule.DENIED:
            events = last(device, ENTERED)
        case Rule.DEVELOPMENT:
            events = last(device, DEVELOPMENT)
        case Rule.LOCKED:
            events = last(device, LOCKED)
        case Rule.GROUP:
            events = last(device, GROUPED) + released(product, candidate)
        case Rule.DEFAULT:
            events = last(device, ENTERED) + released(product, candidate)
        case Rule.NONE:
            events = ()
    return Reason(candidate.rule, candidate.version, events, candidate.group)


def released(product: Sequence[Recorded], candidate: Candidate) -> tuple[Recorded, ...]:
    """The release that last pointed the candidate's group, or the default, to its version."""
    for recorded in reversed(product):
        event = recorded.event
        if not isinstance(event, FirmwareReleased) or event.version != candidate.version:
            continue
        if candidate.group in event.groups if candidate.group else event.product_default:
            return (recorded,)
    return ()


def last(history: Sequence[Recorded], kinds: tuple[type[Event], ...]) -> tuple[Recorded, ...]:
    """The last event of these kinds, if there is one."""
    for recorded in reversed(history):
        if isinstance(recorded.event, kinds):
            return (recorded,)
    return ()


def in_order(lines: Iterable[Iterable[Recorded]]) -> tuple[Recorded, ...]:
    """Every event once, by position."""
    by_position = {recorded.position or 0: recorded for line in lines for recorded in line}
    return tuple(by_position[position] for position in sorted(by_position))


def sentence_for(device_id: str, cohort: Cohort, target: Target, losers: Sequence[Reason]) -> str:
    """The explanation in one sentence."""
    match target.rule:
        case Rule.QUARANTINED | Rule.DENIED:
            why = f"is {target.rule} in product {cohort.product_id}, so it gets no update"
        case Rule.DEVELOPMENT:
            why = "is a development device, so releases and locks leave it alone"
        case Rule.LOCKED:
            why = f"is locked to version {target.version}, above any release"
        case Rule.GROUP:
            why = f"gets version {target.version}, the highest released to one of its groups"
            why += f" ({target.group})"
        case Rule.DEFAULT:
            why = f"gets version {target.version}, the product's default release"
        case Rule.NONE:
            why = "is locked to nothing and nothing is released to it, so it is left alone"
    lost = ", ".join(
        f"{loser.rule}{f' {loser.group}' if loser.group else ''}"
        f"{f' (version {loser.version})' if loser.version is not None else ''}"
        for loser in losers
    )
    return f"Device {device_id} {why}{f'; this wins over {lost}' if lost else ''}."
