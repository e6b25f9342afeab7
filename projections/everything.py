"""Every follower there is, on one page."""

from collections.abc import Iterator
from contextlib import contextmanager

from msgspec import Struct

from projections.fleet.model import FleetModel
from projections.following import Follower
from projections.history import HistoryModel
from projections.running import Task


class Settings(Struct, frozen=True):
    database_url: str
    nats_url: str
    update_timeout_s: float


@contextmanager
def everything(settings: Settings) -> Iterator[list[Task]]:
    """The tasks to run, each in its own thread; what they share is closed afterwards."""
    yield [
        Follower(FleetModel()),
        Follower(HistoryModel()),
    ]
