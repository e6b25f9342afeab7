"""What a hello is answered, and what of the answer goes on record; pure, from known facts.

Most devices of a fleet say what others say and are told what others are told: what is the same for
all of them is decided and spelled out once.
"""

import msgspec
from msgspec.structs import replace

from device_edge.known import Cell, Known
from device_edge.messages import CHUNK_BYTES_MAX, HelloAnswer, encode
from domain.handshake import answer, product_of, running_version
from domain.hello import Answer, Hello, Told
from domain.product import FAILED_ATTEMPTS_DEFAULT
from domain.session import RecordHandshake

REMEMBERED_MAX = 10_000
# In the place of what differs from device to device. Neither can occur in an id or in a time.
DEVICE, AT = "%device", "%at"


class Welcome(msgspec.Struct, frozen=True):
    """The report with gaps for device and time, the answer, and the answer spelled out."""

    report: tuple[bytes, bytes, bytes]
    answer: HelloAnswer
    spelled: bytes

    def reported(self, device_id: str, at: str) -> bytes:
        """What goes on record of a handshake."""
        before, between, after = self.report
        return b"".join((before, device_id.encode(), between, at.encode(), after))

    def spoken(self, correlation: str) -> bytes:
        """What the device is told."""
        return encode(replace(self.answer, id=correlation)) if correlation else self.spelled


class Welcomer:
    """Decides by the one rule, for one edge, whose downloads are found below `firmware_url`."""

    def __init__(self, known: Known, *, edge: str = "", firmware_url: str = "") -> None:
        self._known = known
        self._edge = edge
        self._firmware_url = firmware_url
        self._as_of = 0
        self._remembered: dict[tuple[Cell | None, Hello], Welcome] = {}

    def welcome(self, device_id: bytes, hello: Hello) -> Welcome:
        """What to tell the device, by the facts as of the known position."""
        known = self._known
        if known.applied != self._as_of or len(self._remembered) >= REMEMBERED_MAX:
            self._remembered.clear()
            self._as_of = known.applied
        if hello.claim_code:
            # No other device says the same: remembering it would be for nothing.
            return self._decide(known.devices.get(device_id), hello)
        said = (known.devices.get(device_id), hello)
        found = self._remembered.get(said)
        if found is None:
            found = self._remembered[said] = self._decide(*said)
        return found

    def attempts_max(self, device_id: bytes) -> int:
        """How many failed updates the device's product allows."""
        cell = self._known.devices.get(device_id)
        return self._attempts_max(cell.facts.product_id if cell else None)

    def _attempts_max(self, product_id: int | None) -> int:
        product = None if product_id is None else self._known.products.get(product_id)
        return product.attempts_max if product else FAILED_ATTEMPTS_DEFAULT

    def _decide(self, cell: Cell | None, hello: Hello) -> Welcome:
        facts = cell.facts if cell else None
        product_id = product_of(hello, facts)
        product = None if product_id is None else self._known.products.get(product_id)
        told = answer(hello, facts, product)
        report = RecordHandshake(
            device_id=DEVICE,
            at=AT,
            said=hello,
            told=told,
            based_on=self._known.position,
            running=None if told.product_id is None else running_version(hello, told.product_id),
            attempts_max=self._attempts_max(product_id),
            edge=self._edge,
        )
        spoken = self._offer(told) if told.told == Told.UPDATE else self._answer(told)
        return Welcome(with_gaps(encode(report)), spoken, encode(spoken))

    def _answer(self, told: Answer) -> HelloAnswer:
        return HelloAnswer(
            told=told.told,
            rule=told.rule,
            position=self._known.position,
            version=told.version,
            product_id=told.product_id,
            group=told.group,
        )

    def _offer(self, told: Answer) -> HelloAnswer:
        """An update, and where its bytes are; without that where the version has none now."""
        assert told.product_id is not None
        assert told.version is not None
        offered = self._answer(told)
        firmware = self._known.firmware.get((told.product_id, told.version))
        if firmware is None:
            return offered
        return replace(
            offered,
            sha256=firmware.sha256,
            size_bytes=firmware.size_bytes,
            url=f"{self._firmware_url}/firmware/{firmware.sha256}",
            chunk_bytes=CHUNK_BYTES_MAX,
        )


def with_gaps(report: bytes) -> tuple[bytes, bytes, bytes]:
    """The report around the device and the time, which stand first in it."""
    before, _, rest = report.partition(DEVICE.encode())
    between, _, after = rest.partition(AT.encode())
    return before, between, after
