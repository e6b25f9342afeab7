"""What a hello is answered, and what of the answer goes on record; pure, from known facts."""

from typing import NamedTuple

from device_edge.known import Cell, Known
from domain.handshake import answer, product_of, running_version
from domain.hello import Answer, Hello
from domain.product import FAILED_ATTEMPTS_DEFAULT

REMEMBERED_MAX = 10_000


class Welcome(NamedTuple):
    """The decision, the version of its product the device runs, the failures its product allows."""

    told: Answer
    running: int | None
    attempts_max: int


class Welcomer:
    """Decides by the one rule, and only once for devices of the same facts that say the same."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._policy = 0
        self._remembered: dict[tuple[Cell | None, Hello], Welcome] = {}

    def welcome(self, device_id: bytes, hello: Hello) -> Welcome:
        """What to tell the device, by the facts as of the known position."""
        known = self._known
        if known.policy != self._policy or len(self._remembered) >= REMEMBERED_MAX:
            self._remembered.clear()
            self._policy = known.policy
        cell = known.devices.get(device_id)
        found = self._remembered.get((cell, hello))
        if found is None:
            found = self._remembered[cell, hello] = self._decide(cell, hello)
        return found

    def attempts_max(self, device_id: bytes) -> int:
        """How many failed updates the device's product allows."""
        cell = self._known.devices.get(device_id)
        product_id = cell.facts.product_id if cell else None
        product = None if product_id is None else self._known.products.get(product_id)
        return product.attempts_max if product else FAILED_ATTEMPTS_DEFAULT

    def _decide(self, cell: Cell | None, hello: Hello) -> Welcome:
        facts = cell.facts if cell else None
        product_id = product_of(hello, facts)
        product = None if product_id is None else self._known.products.get(product_id)
        told = answer(hello, facts, product)
        running = None if told.product_id is None else running_version(hello, told.product_id)
        return Welcome(told, running, product.attempts_max if product else FAILED_ATTEMPTS_DEFAULT)
