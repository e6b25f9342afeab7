"""Every follower there is, on one page."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from msgspec import Struct

from domain.log.fleet import Fleet
from projections.announcements import Announcements
from projections.fleet.model import FleetModel
from projections.fleet_events import FleetEvents
from projections.following import Follower
from projections.history import HistoryModel
from projections.link import Link
from projections.nudges import NudgeModel
from projections.reacting import ReactionModel
from projections.running import Task
from projections.timers import DueUpdates, TimerModel
from projections.tracking import Tracking

FLEET_CONNECTIONS = 2  # for the commands of reactions


class Settings(Struct, frozen=True):
    database_url: str
    nats_url: str
    update_timeout_s: float


@contextmanager
def everything(settings: Settings) -> Iterator[list[Task]]:
    """The tasks to run, each in its own thread; what they share is closed afterwards."""

    @cache
    def open_fleet() -> Fleet:
        return Fleet(settings.database_url, pool_connections=FLEET_CONNECTIONS)

    link = Link(settings.nats_url, "rollcall projections")
    try:
        yield [
            Follower(FleetModel()),
            Follower(HistoryModel()),
            Follower(ReactionModel(open_fleet), rest_s=0.02),
            Follower(TimerModel(), rest_s=0.2),
            Follower(NudgeModel(link), behind=Tracking("fleet", "fleet"), rest_s=0.02),
            DueUpdates(link, timeout_s=settings.update_timeout_s),
            Announcements(link),
            FleetEvents(link),
        ]
    finally:
        link.close()
        if open_fleet.cache_info().currsize:
            open_fleet().close()
