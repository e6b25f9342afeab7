"""Every follower there is, on one page."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from msgspec import Struct

from domain.log.fleet import Fleet
from domain.log.master_keys import Source
from domain.log.seals import Seals
from projections.access.model import AccessModel
from projections.announcing.announcements import Announcements
from projections.announcing.fleet_events import FleetEvents
from projections.announcing.link import Link
from projections.announcing.nudges import NudgeModel
from projections.deliveries.dispatch import Dispatch
from projections.deliveries.speaking import Speaker
from projections.described import DescribedModel
from projections.device_events.subscribers import SubscriberModel
from projections.device_events.subscriptions import Subscriptions
from projections.device_events.system_events import SystemEvents
from projections.fleet.model import FleetModel
from projections.following import Follower
from projections.history import HistoryModel
from projections.housekeeping import Housekeeping
from projections.integrations.model import IntegrationsModel
from projections.mails.model import MailModel
from projections.mails.sender import MailSender
from projections.mails.settings import MailSettings
from projections.mails.writing import Writer
from projections.metering.model import MeteredModel
from projections.metering.task import Metering
from projections.reactions.admission import AdmissionModel
from projections.reactions.orphans import OrphanModel
from projections.reactions.reacting import ReactionModel
from projections.reactions.timers import DueUpdates, TimerModel
from projections.reactions.vacancies import Vacancies
from projections.running import Task
from projections.tracking import Tracking

FLEET_CONNECTIONS = 2  # for the commands of reactions


class Settings(Struct, frozen=True):
    database_url: str
    nats_url: str
    master_key: bytes | Source
    update_timeout_s: float
    mails: MailSettings


@contextmanager
def everything(settings: Settings) -> Iterator[list[Task]]:
    """The tasks to run, each in its own thread; what they share is closed afterwards."""

    @cache
    def open_fleet() -> Fleet:
        return Fleet(settings.database_url, pool_connections=FLEET_CONNECTIONS)

    seals = Seals(settings.database_url, settings.master_key)
    mails = settings.mails
    link = Link(settings.nats_url, "rollcall projections")
    try:
        yield [
            Follower(FleetModel()),
            Follower(HistoryModel()),
            Follower(DescribedModel(), rest_s=0.02),
            Follower(AccessModel(seals)),
            Follower(IntegrationsModel()),
            Follower(MeteredModel(), rest_s=0.1),
            Metering(open_fleet),
            Dispatch(),
            Speaker(link),
            Follower(ReactionModel(open_fleet), rest_s=0.02),
            Follower(AdmissionModel(open_fleet), rest_s=0.02),
            Follower(OrphanModel(open_fleet), behind=Tracking("fleet", "fleet"), rest_s=0.2),
            Follower(TimerModel(), rest_s=0.2),
            Follower(NudgeModel(link), behind=Tracking("fleet", "fleet"), rest_s=0.02),
            DueUpdates(link, timeout_s=settings.update_timeout_s),
            Follower(MailModel(), rest_s=0.1),
            Vacancies(open_fleet),
            Housekeeping(),
            MailSender(Writer(seals, mails.sender, mails.url), mails.post),
            SystemEvents(link),
            Follower(SubscriberModel(), behind=Tracking("fleet", "fleet"), rest_s=0.02),
            Subscriptions(link),
            Announcements(link),
            FleetEvents(link),
        ]
    finally:
        link.close()
        seals.close()
        if open_fleet.cache_info().currsize:
            open_fleet().close()
