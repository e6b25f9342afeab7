"""What a device may publish, and what it is told where it published something else."""

from typing import Any

import msgspec
from msgspec import Struct

from device_edge.messages import Malformed, encode, fault, read
from domain.published import DeviceEvent, data_bytes_max

MESSAGE_BYTES_MAX = 128 * 1024  # the largest array of valid events fits, but for vitals
EVENTS_MAX = 100  # in one message


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


decode = msgspec.json.Decoder().decode


def read_message(payload: bytes) -> tuple[list[DeviceEvent], bytes]:
    """The valid events of one message, an object or an array, and the acknowledgement.

    Each event stands for itself: one that is refused does not keep the others from being stored.
    """
    try:
        message = read(decode, payload, MESSAGE_BYTES_MAX)
    except Malformed as malformed:
        return refuse_all(malformed.reason)
    published = message if isinstance(message, list) else [message]
    if len(published) > EVENTS_MAX:
        return refuse_all(f"{len(published)} events; {EVENTS_MAX} is the limit")
    events: list[DeviceEvent] = []
    refused: list[RefusedEvent] = []
    for index, one in enumerate(published):
        try:
            events.append(event_of(one))
        except msgspec.ValidationError as error:
            refused.append(RefusedEvent(index, id_of(one), *fault(error)))
    ids = [event.id for event in events if event.id]
    return events, encode(Ack(stored=len(events), ids=ids, refused=refused))


def event_of(published: Any) -> DeviceEvent:
    """Raises ValidationError."""
    event = msgspec.convert(published, DeviceEvent)
    # Characters were counted so far; what counts for data is bytes.
    size = len(event.data.encode()) if event.data else 0
    limit = data_bytes_max(event.name)
    if size > limit:
        raise msgspec.ValidationError(f"{size} bytes; {limit} is the limit - at `$.data`")
    return event


def refuse_all(reason: str) -> tuple[list[DeviceEvent], bytes]:
    return [], encode(Ack(stored=0, ids=[], refused=[RefusedEvent(-1, "", "", reason)]))


def id_of(published: Any) -> str:
    """So that the device knows which one it was, as far as that can be told."""
    found = published.get("id") if isinstance(published, dict) else None
    return found[:64] if isinstance(found, str) else ""
