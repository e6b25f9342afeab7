"""What comes of lanes, on its way into the database."""

from datetime import datetime
from typing import NamedTuple

from projections.deliveries.circuits import Tried
from projections.deliveries.claiming import LaneName, Waiting
from projections.deliveries.meters import Settled

WAITING, DELIVERED, PARKED = "waiting", "delivered", "parked"
NOT_SENT, CANCELLED = "not_sent", "cancelled"

EXCERPT_CHARACTERS_MAX = 1_000
REASON_CHARACTERS_MAX = 500


class Attempt(NamedTuple):
    """One try. `status` is None where nobody answered; `error` is empty where it was delivered."""

    at: datetime
    took_ms: int
    method: str
    host: str
    request_bytes: int
    status: int | None
    error: str
    response: str


class Result(NamedTuple):
    """What became of a delivery, and of the unit that was taken for it. What is WAITING again is
    due at that time. `said` is what the cloud publishes about it."""

    delivery: Waiting
    state: str
    reason: str = ""
    due_at: datetime | None = None
    attempt: Attempt | None = None
    unit: Settled | None = None
    tried: Tried | None = None
    said: bytes | None = None


class Left(NamedTuple):
    """A lane that is given up. Without a time it is due at once, if something waits in it; what was
    taken and not used is given back."""

    name: LaneName
    due_at: datetime | None
    unused: list[Settled]


def excerpt(text: str, characters_max: int = EXCERPT_CHARACTERS_MAX) -> str:
    """The beginning, as PostgreSQL can keep it."""
    return text[:characters_max].replace("\0", "\ufffd")
