"""What a device may publish, and what it is told where it published something else."""

from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple, TypeAlias

import msgspec
from msgspec import Meta, Struct

from device_edge.messages import Malformed, encode, fault, read
from domain.published import (
    DATA_BYTES_MAX,
    NAME_CHARACTERS_MAX,
    NAMES_OF_DEVICES,
    RESERVED_PREFIXES,
    TTL_S_DEFAULT,
    CloudsEvent,
    DeviceEvent,
    EventTtl,
    data_bytes_max,
)

MESSAGE_BYTES_MAX = 128 * 1024  # the largest array of valid events fits, but for vitals
EVENTS_MAX = 100  # in one message
ID_CHARACTERS_MAX = 64
NUL = b"\\u0000"  # the only way to write one in JSON
CHARACTER_BYTES_MAX = 4


class RefusedEvent(Struct, frozen=True):
    """`index` is the place of the event in the message; -1 is the message as a whole."""

    index: int
    id: str
    field: str
    reason: str


class Ack(Struct, frozen=True):
    """`ids` are those of the stored events that had one."""

    stored: int
    ids: list[str]
    refused: list[RefusedEvent]
    about: str = "events"


class PlainEvent(Struct, frozen=True, gc=False):
    """A device event of a message without a NUL: its texts need no looking through, which takes
    most of the time."""

    name: Annotated[str, Meta(min_length=1, max_length=NAME_CHARACTERS_MAX)]
    data: str | None = None
    ttl: EventTtl = TTL_S_DEFAULT
    id: Annotated[str, Meta(max_length=ID_CHARACTERS_MAX)] = ""


AnyEvent: TypeAlias = CloudsEvent | PlainEvent


class Read(NamedTuple):
    """The valid events of one message, where they stood in it, and the others."""

    events: Sequence[AnyEvent]
    places: Sequence[int]
    refused: Sequence[RefusedEvent] = ()

    def ack(self, granted: int, reason: str = "") -> bytes:
        """What the device is told: the first so many events are stored, the rest are refused."""
        stored = self.events[:granted]
        refused = [*self.refused]
        for event, place in zip(self.events[granted:], self.places[granted:], strict=True):
            refused.append(RefusedEvent(place, event.id, "", reason))
        refused.sort(key=lambda one: one.index)
        return encode(Ack(len(stored), [event.id for event in stored if event.id], refused))


decode = msgspec.json.Decoder().decode
decode_plain = msgspec.json.Decoder(PlainEvent | list[PlainEvent]).decode


def read_message(payload: bytes) -> Read:
    """The events of one message, an object or an array, told apart into valid and refused.

    Each event stands for itself: one that is refused does not keep the others from being stored.
    """
    return read_plainly(payload) or read_one_by_one(payload)


def read_plainly(payload: bytes) -> Read | None:
    """A message in which everything is in order; None where it takes a closer look."""
    if len(payload) > MESSAGE_BYTES_MAX or NUL in payload:
        return None
    try:
        message = decode_plain(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    events = message if isinstance(message, list) else [message]
    if len(events) > EVENTS_MAX:
        return None
    if all(map(is_in_order, events)):
        return Read(events, range(len(events)))
    return None


def is_in_order(event: AnyEvent) -> bool:
    """Whether a device may have such a name, and so much to say."""
    if event.name.lower().startswith(RESERVED_PREFIXES) and event.name not in NAMES_OF_DEVICES:
        return False
    characters = len(event.data) if event.data is not None else 0
    if characters * CHARACTER_BYTES_MAX <= DATA_BYTES_MAX:
        return True
    return data_bytes(event) <= data_bytes_max(event.name)


def data_bytes(event: AnyEvent) -> int:
    """Characters are counted where texts are decoded; what counts for data is bytes."""
    return len(event.data.encode()) if event.data else 0


def read_one_by_one(payload: bytes) -> Read:
    try:
        message = read(decode, payload, MESSAGE_BYTES_MAX)
    except Malformed as malformed:
        return refuse_all(malformed.reason)
    published = message if isinstance(message, list) else [message]
    if len(published) > EVENTS_MAX:
        return refuse_all(f"{len(published)} events; {EVENTS_MAX} is the limit")
    events: list[DeviceEvent] = []
    places: list[int] = []
    refused: list[RefusedEvent] = []
    for index, one in enumerate(published):
        try:
            events.append(event_of(one))
            places.append(index)
        except msgspec.ValidationError as error:
            refused.append(RefusedEvent(index, id_of(one), *fault(error)))
    return Read(events, places, refused)


def event_of(published: Any) -> DeviceEvent:
    """Raises ValidationError."""
    event = msgspec.convert(published, DeviceEvent)
    if is_in_order(event):
        return event
    size, limit = data_bytes(event), data_bytes_max(event.name)
    if size > limit:
        raise msgspec.ValidationError(f"{size} bytes; {limit} is the limit - at `$.data`")
    reserved = " and ".join(RESERVED_PREFIXES)
    raise msgspec.ValidationError(f"names that start with {reserved} are the cloud's - at `$.name`")


def refuse_all(reason: str) -> Read:
    return Read((), (), [RefusedEvent(-1, "", "", reason)])


def id_of(published: Any) -> str:
    """So that the device knows which one it was, as far as that can be told."""
    found = published.get("id") if isinstance(published, dict) else None
    return found[:ID_CHARACTERS_MAX] if isinstance(found, str) else ""
