"""The entries of the journal, read; an entry that cannot be read stops the reader at it."""

from typing import TypeAlias

import msgspec

from device_edge.journal.presence import Connected, Disconnected, presence_of
from device_edge.reading import Entry
from domain.session import Report
from domain.subjects import PRESENCE_CONNECT, PRESENCE_DISCONNECT

Step: TypeAlias = Report | Connected | Disconnected

decode_reports = msgspec.json.Decoder(list[Report]).decode


class Poisoned(Exception):
    """The journal's entry cannot be taken: nothing behind it is, until somebody looks at it."""

    def __init__(self, sequence: int, reason: str) -> None:
        super().__init__(f"journal entry {sequence}: {reason}")
        self.sequence = sequence
        self.reason = reason


def steps_of(entry: Entry) -> list[Step]:
    """What the entry says happened, in order. Raises MsgspecError."""
    if entry.subject in {PRESENCE_CONNECT, PRESENCE_DISCONNECT}:
        presence = presence_of(entry.subject, entry.data)
        return [presence] if presence else []
    return [*decode_reports(entry.data)]


def device_of(step: Step) -> str:
    if isinstance(step, Connected | Disconnected):
        return step.connection.device_id
    return step.device_id
