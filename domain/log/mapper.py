"""Recorded events as JSON and back: stable names, format numbers, old formats upcast."""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any, Generic, TypeVar

import msgspec
from eventsourcing.persistence import (
    JSONTranscoder,
    Mapper,
    MapperDeserialisationError,
    StoredEvent,
    Transcoder,
)
from msgspec import Struct

from domain.deciders import EVENTS
from domain.model import Event
from domain.recorded import Provenance, Recorded
from domain.upcasting import UPCASTERS, Upcaster, upcast

E = TypeVar("E", bound=Event)


class Stored(Struct, Generic[E], frozen=True, omit_defaults=True):
    """What stands in the `state` column."""

    event: E
    actor: str = ""
    origin: str = ""
    request: str = ""
    cause: int | None = None
    command: str = ""


class StoredAnyhow(Struct, frozen=True):
    """The same, with the event's shape left open: an older format of it."""

    event: dict[str, Any]
    actor: str = ""
    origin: str = ""
    request: str = ""
    cause: int | None = None
    command: str = ""


class UnknownEvent(MapperDeserialisationError):
    """The log holds an event whose name this version of Rollcall does not know."""


class UnreadableEvent(MapperDeserialisationError):
    """The log holds an event whose content does not have the shape its name promises."""


class RecordedMapper(Mapper[str]):
    """Knows every event by an explicit registry: a stored name is never resolved by import."""

    def __init__(
        self,
        transcoder: Transcoder | None = None,
        compressor: object = None,
        cipher: object = None,
        *,
        events: Mapping[str, type[Event]] = EVENTS,
        upcasters: Mapping[str, Upcaster] = UPCASTERS,
    ) -> None:
        # Compressor and cipher stay off: the log is read by SQL, and personal data is sealed
        # field by field under its owner's key.
        super().__init__(transcoder or JSONTranscoder())
        self._encode = msgspec.json.Encoder().encode
        self._events = events
        self._upcasters = upcasters
        self._decode: dict[str, Callable[[bytes], Stored[Event]]] = {
            topic: msgspec.json.Decoder(Stored[kind]).decode  # type: ignore[valid-type]
            for topic, kind in events.items()
        }

    def to_state(self, event: Event, provenance: Provenance) -> bytes:
        """The JSON that is stored for an event."""
        return self._encode(
            Stored(
                event=event,
                actor=provenance.actor,
                origin=provenance.origin,
                request=provenance.request,
                cause=provenance.cause,
                command=provenance.command,
            )
        )

    def to_stored_event(self, domain_event: Any) -> StoredEvent:
        recorded: Recorded = domain_event
        return StoredEvent(
            originator_id=recorded.stream,
            originator_version=recorded.stream_version,
            topic=recorded.event.TOPIC,
            state=self.to_state(recorded.event, recorded.provenance),
        )

    def to_domain_event(self, stored_event: StoredEvent) -> Any:
        return self.read(
            str(stored_event.originator_id),
            stored_event.originator_version,
            stored_event.topic,
            stored_event.state,
        )

    def read(
        self,
        stream: str,
        stream_version: int,
        topic: str,
        state: bytes,
        position: int | None = None,
        recorded_at: datetime | None = None,
    ) -> Recorded:
        """One row of the log. Raises UnknownEvent or UnreadableEvent, naming its place."""
        decode = self._decode.get(topic)
        if decode is None and topic not in self._upcasters:
            raise UnknownEvent(f"{stream}/{stream_version}: no event is named {topic}")
        try:
            stored = decode(state) if decode else self._read_older(topic, state)
        except (msgspec.MsgspecError, LookupError, TypeError, ValueError) as error:
            raise UnreadableEvent(f"{stream}/{stream_version} {topic}: {error}") from error
        provenance = Provenance(
            stored.actor, stored.origin, stored.request, stored.cause, stored.command
        )
        return Recorded(stream, stream_version, stored.event, provenance, position, recorded_at)

    def event(self, topic: str, state: bytes) -> Event:
        """Just the event of a stored row, for readers that need nothing else of it."""
        decode = self._decode.get(topic)
        return (decode(state) if decode else self._read_older(topic, state)).event

    def decoder(self, topic: str) -> Callable[[bytes], Stored[Event]]:
        """What reads the rows of one name, for readers in a hurry.

        It raises whatever a bad row leads to; LookupError if no event is named so.
        """
        return self._decode.get(topic) or partial(self._read_older, topic)

    def _read_older(self, topic: str, state: bytes) -> Stored[Event]:
        stored = msgspec.json.decode(state, type=StoredAnyhow)
        newest, shape = upcast(topic, stored.event, self._upcasters)
        event = msgspec.convert(shape, self._events[newest])
        return Stored(
            event, stored.actor, stored.origin, stored.request, stored.cause, stored.command
        )
