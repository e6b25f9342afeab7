"""Updates that take too long are reported, once, by a clock that tests can set."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from nats.js.api import StreamConfig

from domain.product import LimitFailedAttempts
from domain.session import Progress
from projections.announcing.link import Link
from projections.fleet.model import FleetModel
from projections.reactions.timers import DueUpdates, TimerModel
from projections.trouble import NatsTrouble
from tests.projections.ear import at_nats, connected_link, messages
from tests.projections.following import follow, query, run
from tests.projections.world import DEVICES, World

ONE, OTHER = DEVICES[:2]
TIMEOUT_S = 900.0


@pytest.fixture
def link(nats_url: str) -> Iterator[Link]:
    with connected_link(nats_url) as link:
        yield link


@pytest.fixture
def journal(nats_url: str) -> str:
    stream = StreamConfig(name="JOURNAL", subjects=["journal.>"])
    at_nats(nats_url, lambda client: client.jetstream().add_stream(stream))
    return nats_url


@pytest.fixture
def updating(database: str, fleet_world: World) -> World:
    """Two devices have started an update to version 2."""
    fleet_world.product()
    fleet_world.upload(2)
    for one in (ONE, OTHER):
        fleet_world.member(one)
        fleet_world.hello(one, 1)
        fleet_world.progress(Progress.STARTED, 2, one)
    return fleet_world


def look(conninfo: str, link: Link, now: datetime) -> None:
    follow(conninfo, FleetModel(), TimerModel())
    run(conninfo, DueUpdates(link, timeout_s=TIMEOUT_S, now=lambda: now))


def reports(url: str) -> list[dict[str, Any]]:
    found = messages(url, "JOURNAL")
    assert all(message.subject == "journal.timers" for message in found)
    return [report for message in found for report in msgspec.json.decode(message.data or b"")]


def long_after(world: World) -> datetime:
    return world.now + timedelta(seconds=TIMEOUT_S + 1)


def test_an_update_that_takes_too_long_is_reported_to_the_journal(
    database: str, updating: World, link: Link, journal: str
) -> None:
    updating.do(LimitFailedAttempts(product_id=7000, attempts_max=7))
    now = long_after(updating)

    look(database, link, now)

    assert reports(journal) == [
        {
            "report": "time_out",
            "device_id": one,
            "at": now.isoformat(timespec="milliseconds"),
            "version": 2,
            "attempts_max": 7,
        }
        for one in (ONE, OTHER)
    ]


def test_one_that_started_a_moment_ago_is_not(
    database: str, updating: World, link: Link, journal: str
) -> None:
    look(database, link, updating.now + timedelta(seconds=TIMEOUT_S - 10))

    assert reports(journal) == []


def test_one_that_has_ended_either_way_is_not(
    database: str, updating: World, link: Link, journal: str
) -> None:
    updating.progress(Progress.FAILED, 2, ONE, "no space")
    updating.hello(OTHER, 2)

    look(database, link, long_after(updating))

    assert reports(journal) == []
    assert query(database, "SELECT * FROM follow.update_under_way") == []


def test_what_started_again_has_its_time_from_then_on(
    database: str, updating: World, link: Link, journal: str
) -> None:
    updating.progress(Progress.FAILED, 2, ONE, "no space")
    updating.now += timedelta(seconds=TIMEOUT_S)
    updating.progress(Progress.STARTED, 2, ONE)

    look(database, link, updating.now + timedelta(seconds=10))

    assert [report["device_id"] for report in reports(journal)] == [OTHER]


def test_it_is_reported_once(database: str, updating: World, link: Link, journal: str) -> None:
    for _ in range(3):
        look(database, link, long_after(updating))

    assert len(reports(journal)) == 2


def test_what_the_journal_did_not_take_is_reported_later(
    database: str, updating: World, link: Link, nats_url: str
) -> None:
    with pytest.raises(NatsTrouble):
        look(database, link, long_after(updating))
    stream = StreamConfig(name="JOURNAL", subjects=["journal.>"])
    at_nats(nats_url, lambda client: client.jetstream().add_stream(stream))

    look(database, link, long_after(updating))

    assert len(reports(nats_url)) == 2


def test_a_list_that_is_far_behind_the_log_reports_nothing_yet(
    database: str, updating: World, link: Link, journal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("projections.reactions.timers.PAGE_EVENTS_MAX", 1)
    follow(database, TimerModel())
    updating.hello(ONE, 2)
    updating.hello(OTHER, 2)

    run(database, DueUpdates(link, timeout_s=TIMEOUT_S, now=lambda: long_after(updating)))

    assert reports(journal) == []


def test_the_report_ends_the_update_as_failed(updating: World) -> None:
    """What the journal's worker makes of it."""
    updating.time_out(2, ONE)

    session = updating.fleet.load(f"session-{ONE}").state
    assert session.attempt is None
    assert (session.failures, session.failed_version) == (1, 2)
