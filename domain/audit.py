"""The sweep: every handshake on record decided again from the events before it.

Pure. It is fed the log in order and remembers the facts of every device and product as of every
position, because an edge answers from the facts it had: those of the position it named.
"""

from bisect import bisect_right
from collections.abc import Iterator
from operator import itemgetter
from typing import Generic, TypeVar

from msgspec import Struct

from domain.facts import (
    DEVICE_FACTS_CHANGED_BY,
    NO_DEVICE_FACTS,
    PRODUCT_FACTS_CHANGED_BY,
    DeviceFacts,
    ProductFacts,
    evolve_device,
    evolve_product,
)
from domain.handshake import product_of
from domain.hello import Answer
from domain.model import Event
from domain.recorded import Recorded
from domain.session import DeviceHandshook
from domain.why import decide_again

F = TypeVar("F")


class Finding(Struct, frozen=True):
    """A handshake that the events before it do not lead to."""

    position: int
    device_id: str
    told: Answer
    derived: Answer
    running_told: int | None
    running_derived: int | None
    based_on: int

    def __str__(self) -> str:
        return (
            f"position {self.position}: device {self.device_id} was told {spell(self.told)}"
            f"{running(self.running_told)}, but the events up to position {self.based_on} say"
            f" {spell(self.derived)}{running(self.running_derived)}"
        )


def spell(answer: Answer) -> str:
    version = "" if answer.version is None else f" version {answer.version}"
    return f"{answer.told}{version} by rule {answer.rule}"


def running(version: int | None) -> str:
    return " (running no version of it)" if version is None else f" (running version {version})"


class AsOf(Generic[F]):
    """One kind of facts by key, as of any position. Equal facts are kept once."""

    def __init__(self, nothing: F) -> None:
        self._nothing = nothing
        self._changes: dict[str, list[tuple[int, F]]] = {}
        self._interned: dict[F, F] = {}

    def now(self, key: str) -> F:
        changes = self._changes.get(key)
        return changes[-1][1] if changes else self._nothing

    def at(self, key: str, position: int) -> F:
        changes = self._changes.get(key, ())
        place = bisect_right(changes, position, key=itemgetter(0))
        return changes[place - 1][1] if place else self._nothing

    def change(self, key: str, position: int, facts: F, *, intern: bool) -> None:
        kept = self._interned.setdefault(facts, facts) if intern else facts
        self._changes.setdefault(key, []).append((position, kept))


class Sweep:
    """Decides handshakes again as the log goes by."""

    def __init__(self) -> None:
        self.events = 0
        self.decisions = 0
        self._devices: AsOf[DeviceFacts] = AsOf(NO_DEVICE_FACTS)
        self._products: AsOf[ProductFacts | None] = AsOf(None)

    def feed(self, recorded: Recorded) -> Iterator[Finding]:
        """Take the next event of the log; yields what is wrong with it."""
        self.events += 1
        event, position = recorded.event, recorded.position
        assert position is not None
        if isinstance(event, DEVICE_FACTS_CHANGED_BY):
            self._change_device(event, position)
        elif isinstance(event, PRODUCT_FACTS_CHANGED_BY):
            self._change_product(event, position)
        elif isinstance(event, DeviceHandshook):
            self.decisions += 1
            yield from self._check(event, position)

    def _change_device(self, event: Event, position: int) -> None:
        device_id: str = event.device_id  # type: ignore[attr-defined]
        before = self._devices.now(device_id)
        after = evolve_device(before, event)
        if after != before:
            self._devices.change(device_id, position, after, intern=True)

    def _change_product(self, event: Event, position: int) -> None:
        key = str(event.product_id)  # type: ignore[attr-defined]
        after = evolve_product(self._products.now(key), event)
        self._products.change(key, position, after, intern=False)

    def _check(self, event: DeviceHandshook, position: int) -> Iterator[Finding]:
        device = self._devices.at(event.device_id, event.based_on)
        product_id = product_of(event.said, device)
        product = None if product_id is None else self._products.at(str(product_id), event.based_on)
        derived, running_derived = decide_again(event.said, device, product)
        if (derived, running_derived) != (event.told, event.running):
            yield Finding(
                position=position,
                device_id=event.device_id,
                told=event.told,
                derived=derived,
                running_told=event.running,
                running_derived=running_derived,
                based_on=event.based_on,
            )
