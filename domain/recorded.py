"""An event in its place in the log: where it stands, when and by whom it was recorded, and why."""

from datetime import datetime

from msgspec import Struct

from domain.model import Event


class Provenance(Struct, frozen=True, omit_defaults=True):
    """Who did it, from where, by which request, because of which event, under which command id.

    `cause` is the position of the event that led to this one. `command` makes a retry recognizable.
    """

    actor: str = ""
    origin: str = ""
    request: str = ""
    cause: int | None = None
    command: str = ""


class Recorded(Struct, frozen=True):
    """An event with its place. `position` and `recorded_at` are None until the log has it."""

    stream: str
    stream_version: int
    event: Event
    provenance: Provenance
    position: int | None = None
    recorded_at: datetime | None = None

    # The library's names for the place in a stream.
    @property
    def originator_id(self) -> str:
        return self.stream

    @property
    def originator_version(self) -> int:
        return self.stream_version
