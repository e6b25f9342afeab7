"""Device events as server-sent events: what goes over the wire, and who is charged for it.

Whatever is no ASCII is escaped: clients decode what arrives piece by piece, and a letter that is
cut in two is lost. For the same reason an event is never written in two pieces.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

from api.said.earshot import Earshot
from api.said.stored import Stored
from api.views import stamp
from domain.holders import is_customer
from domain.meter_names import meter_of
from domain.published import BY_API
from projections.device_events.telemetry import DeviceEventRow

OK = b":ok\n\n"  # clients miss what comes together with the headers
ABOUT_NO_DEVICE = BY_API


class Form(Enum):
    """How much an event says."""

    OWN = "as one's own devices' events are told"
    PRODUCT = "with what its product knows"
    LOG = "as the log tells it"


class LogEvent(Struct, frozen=True):
    """A device event, as the log tells it. `coreid` is who published it, `device_id` which device
    it is about, and `device_name` what that is called now; `version` is of the product's firmware
    that it ran then."""

    place: int
    name: str
    data: str | None
    ttl: int
    published_at: str
    coreid: str
    device_id: str | None
    device_name: str | None
    product_id: int | None
    version: int | None


class Frame(Struct, frozen=True):
    """One device event, written. `place` is where to resume after it."""

    place: int
    meter: str
    device_id: str
    wire: bytes


class Chunk(Struct, frozen=True):
    """Device events in a row, for one listener or for many."""

    frames: Sequence[Frame]
    wire: bytes
    meters: frozenset[str]

    @property
    def first(self) -> int:
        return self.frames[0].place

    @property
    def last(self) -> int:
        return self.frames[-1].place

    def beyond(self, place: int) -> "Chunk | None":
        """What of it comes after the place, if anything does."""
        rest = [frame for frame in self.frames if frame.place > place]
        return chunk_of(rest) if rest else None


def chunk_of(frames: Sequence[Frame]) -> Chunk:
    wire = b"".join(frame.wire for frame in frames)
    return Chunk(frames, wire, frozenset(frame.meter for frame in frames))


def chunk_of_stored(said: Iterable[Stored], earshot: Earshot, form: Form) -> Chunk | None:
    frames = [frame_of(stored, earshot, form) for stored in said]
    return chunk_of(frames) if frames else None


def frame_of(stored: Stored, earshot: Earshot, form: Form) -> Frame:
    row = stored.row
    written = json.dumps(TOLD[form](stored), separators=(",", ":"))
    # A line break in a name would end the field; JSON has it escaped.
    name = row.name.replace("\r", " ").replace("\n", " ")
    wire = f"id: {row.id}\nevent: {name}\ndata: {written}\n\n".encode()
    return Frame(row.id, charged(row, earshot), row.device_id, wire)


def own_event(stored: Stored) -> dict[str, Any]:
    row = stored.row
    return {
        "data": row.data,
        "ttl": row.ttl,
        "published_at": stamp(row.published_at),
        "coreid": row.core_id,
    }


def product_event(stored: Stored) -> dict[str, Any]:
    row = stored.row
    return {
        **own_event(stored),
        "userid": row.user_id or "",
        "version": row.version,
        "public": False,
        "productID": row.product_id,
    }


def log_event(stored: Stored) -> LogEvent:
    row = stored.row
    return LogEvent(
        place=row.id,
        name=row.name,
        data=row.data,
        ttl=row.ttl,
        published_at=stamp(row.published_at),
        coreid=row.core_id,
        device_id=None if row.device_id == ABOUT_NO_DEVICE else row.device_id,
        device_name=stored.device_name,
        product_id=row.product_id,
        version=row.version,
    )


TOLD: Mapping[Form, Callable[[Stored], dict[str, Any]]] = {
    Form.OWN: own_event,
    Form.PRODUCT: product_event,
    Form.LOG: lambda stored: asdict(log_event(stored)),
}


def charged(row: DeviceEventRow, earshot: Earshot) -> str:
    """Who is charged: the product that is listened to, or the person; for a customer, the product
    that they are a customer of."""
    if row.product_id is not None and (
        earshot.product_ids is not None or is_customer(earshot.holder)
    ):
        return meter_of(row.product_id, None)
    return meter_of(None, earshot.holder)


def comment(sentence: str, place: int) -> bytes:
    """What no client takes for an event; whoever resumes by themselves remembers the place."""
    return f": {sentence} Resume after {place}.\nid: {place}\n\n".encode()


def beat(place: int) -> bytes:
    """What keeps a connection alive that has nothing else to say."""
    return f":\nid: {place}\n\n".encode()
