"""Reactions: what follows from what happened, in the log, however often it is gone through."""

from datetime import timedelta
from itertools import count

import pytest

from domain.claim_code import ClaimCodeShown, IssueClaimCode, hash_of
from domain.device import Device
from domain.device_commands import DenyDevice, ImportDevice, RemoveDevice
from domain.device_events import (
    BillingStarted,
    DeviceDenied,
    DeviceJoined,
    DeviceQuarantined,
    Standing,
)
from domain.firmware import DeleteFirmware, FirmwareProven
from domain.hello import Told
from domain.log.recorder import POSITION_MAX
from domain.model import Event
from domain.ownership import ClaimDevice, DeviceClaimed
from domain.product import AllowAutoApproval
from domain.recorded import Recorded
from projections.reactions.reacting import ReactionModel
from projections.reactions.reactions import REACTIONS
from projections.trouble import Stopped
from tests.projections.following import follow, query
from tests.projections.world import DEVICES, World, device_id

ONE, OTHER = DEVICES[:2]


@pytest.fixture
def product(fleet_world: World) -> World:
    fleet_world.product()
    return fleet_world


def react(conninfo: str, world: World, *, page_events_max: int = 5_000) -> None:
    model = ReactionModel(lambda: world.fleet)
    model.page_events_max = page_events_max
    follow(conninfo, model)


def of_kind(world: World, kind: type[Event]) -> list[Recorded]:
    rows = world.fleet.recorder.select_rows(0, 10_000, POSITION_MAX, [kind.TOPIC])
    return [world.fleet.mapper.read(*row) for row in rows]


def device(world: World, one: str = ONE) -> Device:
    state = world.fleet.load(f"device-{one}").state
    assert isinstance(state, Device)
    return state


def test_billing_starts_when_a_member_first_comes_online(database: str, product: World) -> None:
    product.member()
    react(database, product)
    assert not of_kind(product, BillingStarted)

    product.hello(ONE, 1)
    hello_at = product.position() - 1
    react(database, product)

    [started] = of_kind(product, BillingStarted)
    assert started.event == BillingStarted(device_id=ONE, product_id=7000)
    assert started.provenance.actor == "reaction:start_billing"
    assert started.provenance.cause == hello_at


def test_billing_starts_once(database: str, product: World) -> None:
    product.member()
    for version in (1, 2, 1, 1):
        product.hello(ONE, version)
        react(database, product, page_events_max=1)

    assert len(of_kind(product, BillingStarted)) == 1


def test_a_version_is_proven_by_the_first_member_that_runs_it(
    database: str, product: World
) -> None:
    product.upload(2)
    product.member(ONE)
    product.member(OTHER)
    product.hello(ONE, 2)
    product.hello(OTHER, 2)

    react(database, product)

    [proven] = of_kind(product, FirmwareProven)
    assert proven.event == FirmwareProven(product_id=7000, version=2, device_id=ONE)
    assert proven.provenance.actor == "reaction:prove_firmware"


def test_a_stranger_proves_nothing(database: str, product: World) -> None:
    product.upload(2)
    product.hello(ONE, 2)

    react(database, product)

    assert not of_kind(product, FirmwareProven)
    assert not of_kind(product, BillingStarted)


def test_a_stranger_that_was_approved_proves_and_is_billed_at_its_next_handshake(
    database: str, product: World
) -> None:
    product.upload(2)
    product.hello(ONE, 2)
    react(database, product)
    product.do(ImportDevice(device_id=ONE, product_id=7000))
    react(database, product)
    assert not of_kind(product, BillingStarted)

    product.hello(ONE, 2)
    react(database, product)

    assert len(of_kind(product, BillingStarted)) == len(of_kind(product, FirmwareProven)) == 1


def test_a_version_that_is_uploaded_later_is_proven_by_who_comes_after(
    database: str, product: World
) -> None:
    product.member(ONE)
    product.hello(ONE, 2)
    react(database, product)
    product.upload(2)
    react(database, product)
    assert not of_kind(product, FirmwareProven)

    product.hello(ONE, 2)
    react(database, product)

    assert len(of_kind(product, FirmwareProven)) == 1


def test_a_version_that_was_deleted_and_uploaded_again_is_proven_again(
    database: str, product: World
) -> None:
    model = ReactionModel(lambda: product.fleet)
    product.upload(2)
    product.member(ONE)
    product.hello(ONE, 2)
    follow(database, model)
    product.do(DeleteFirmware(product_id=7000, version=2))
    product.upload(2)
    follow(database, model)
    assert len(of_kind(product, FirmwareProven)) == 1

    product.hello(ONE, 2)
    follow(database, model)

    assert len(of_kind(product, FirmwareProven)) == 2


def test_a_stranger_is_quarantined_or_joins_as_the_product_says(
    database: str, product: World
) -> None:
    assert product.hello(ONE, 1).told == Told.QUARANTINED
    react(database, product)
    product.do(AllowAutoApproval(product_id=7000))
    assert product.hello(OTHER, 1).joins
    react(database, product)

    assert device(product, ONE).standing == Standing.QUARANTINED
    assert device(product, OTHER).standing == Standing.MEMBER
    assert [one.event.device_id for one in of_kind(product, BillingStarted)] == [OTHER]  # type: ignore[attr-defined]
    assert len(of_kind(product, DeviceQuarantined)) == len(of_kind(product, DeviceJoined)) == 1


def test_a_removed_device_that_still_asks_is_denied(database: str, product: World) -> None:
    product.member(ONE)
    product.do(RemoveDevice(device_id=ONE, product_id=7000))
    assert product.hello(ONE, 1).told == Told.DENIED

    react(database, product)

    assert device(product).standing == Standing.DENIED
    assert len(of_kind(product, DeviceDenied)) == 1


def test_a_denied_device_that_asks_again_changes_nothing(database: str, product: World) -> None:
    product.hello(ONE, 1)
    react(database, product)
    product.do(DenyDevice(device_id=ONE, product_id=7000))
    product.hello(ONE, 1)
    react(database, product)
    before = product.position()

    product.hello(ONE, 1)
    react(database, product)

    assert product.position() == before + 1  # its handshake


def test_a_device_that_has_found_another_product_meanwhile_is_left_there(
    database: str, product: World
) -> None:
    product.product(7001)
    product.hello(ONE, 1)
    product.do(ImportDevice(device_id=ONE, product_id=7001))

    react(database, product)

    assert device(product).product_id == 7001


def test_going_through_all_of_it_again_changes_nothing(database: str, product: World) -> None:
    product.upload(1)
    product.do(AllowAutoApproval(product_id=7000))
    for one in DEVICES:
        product.hello(one, 1)
    react(database, product)
    react(database, product)
    before = product.position()
    assert len(of_kind(product, BillingStarted)) == len(DEVICES)

    query(database, "DELETE FROM follow.tracking RETURNING 1")
    react(database, product)
    query(database, "DELETE FROM follow.tracking RETURNING 1")
    react(database, product, page_events_max=1)

    assert product.position() == before


def test_a_thousand_devices_that_come_at_once_are_billed_in_bulk(
    database: str, product: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    bulks: list[int] = []
    record_many = product.fleet.record_many
    monkeypatch.setattr(
        product.fleet,
        "record_many",
        lambda recorded: (bulks.append(len(recorded)), record_many(recorded))[1],
    )
    query(database, MANY, 1000)

    react(database, product)

    assert bulks == [1000]
    assert len(of_kind(product, BillingStarted)) == 1000


MANY = """
    WITH device AS (SELECT to_char(n, 'FM000000000000000000000000') AS id
                    FROM generate_series(1, %s) AS n),
    said (stream, version, topic, event) AS (
        SELECT 'device-' || id, 1, 'DeviceImported.1',
               jsonb_build_object('device_id', id, 'product_id', 7000) FROM device
        UNION ALL
        SELECT 'session-' || id, 1, 'FirmwareSeenRunning.1',
               jsonb_build_object('device_id', id, 'product_id', 7000, 'version', 1) FROM device
    )
    INSERT INTO log.fleet_events (originator_id, originator_version, topic, state)
    SELECT stream, version, topic, convert_to(jsonb_build_object('event', event)::text, 'UTF8')
    FROM said RETURNING 1
"""


def test_a_writer_that_was_faster_makes_it_look_and_decide_again(
    database: str, product: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    query(database, MANY, 200)
    record_many = product.fleet.record_many
    calls = count()

    def meanwhile(recorded: list[Recorded]) -> object:
        if next(calls) == 0:
            product.do(RemoveDevice(device_id=device_id(7), product_id=7000))
        return record_many(recorded)

    monkeypatch.setattr(product.fleet, "record_many", meanwhile)

    react(database, product)

    billed = {one.event.device_id for one in of_kind(product, BillingStarted)}  # type: ignore[attr-defined]
    assert len(billed) == 199
    assert device_id(7) not in billed


def test_a_refusal_that_nobody_expects_stops_the_reactions(
    database: str, product: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    product.product(7001)
    product.hello(ONE, 1)
    cause = product.position() - 1
    product.do(ImportDevice(device_id=ONE, product_id=7001))
    monkeypatch.setattr(
        "projections.reactions.reacting.REACTIONS",
        [reaction._replace(expected=()) for reaction in REACTIONS],
    )

    with pytest.raises(Stopped, match="belongs to another product") as stopped:
        react(database, product)

    assert stopped.value.position == cause


CODE = hash_of("a claim code")


def issue(world: World, *, product_id: int | None = None) -> None:
    soon = (world.now + timedelta(minutes=1)).isoformat()
    world.do(IssueClaimCode(code_hash=CODE, user_id="ann", expires_at=soon, product_id=product_id))


def owner(world: World, one: str = ONE) -> str:
    return device(world, one).ownership.owner


def test_a_device_that_shows_a_claim_code_is_claimed_once_however_often_it_is_gone_through(
    database: str, fleet_world: World
) -> None:
    issue(fleet_world)
    fleet_world.hello(ONE, product_id=None, claim_code=CODE)
    for _ in range(3):
        react(database, fleet_world)
        query(database, "DELETE FROM follow.tracking RETURNING 1")

    [shown], [claimed] = of_kind(fleet_world, ClaimCodeShown), of_kind(fleet_world, DeviceClaimed)
    assert claimed.event == DeviceClaimed(device_id=ONE, user_id="ann")
    assert claimed.provenance.cause == shown.position
    assert claimed.provenance.actor == "reaction:claim_device"
    assert shown.provenance.actor == "reaction:show_claim_code"


@pytest.mark.parametrize("page_events_max", [1, 5_000])
def test_of_two_devices_that_show_a_code_the_first_is_claimed(
    database: str, fleet_world: World, page_events_max: int
) -> None:
    issue(fleet_world)
    for one in (ONE, OTHER, ONE):
        fleet_world.hello(one, product_id=None, claim_code=CODE)
    react(database, fleet_world, page_events_max=page_events_max)

    assert (owner(fleet_world), owner(fleet_world, OTHER)) == ("ann", "")


def test_a_code_that_is_too_old_or_nobodys_stops_nothing(database: str, fleet_world: World) -> None:
    issue(fleet_world)
    fleet_world.now += timedelta(minutes=2)
    fleet_world.hello(ONE, product_id=None, claim_code=CODE)
    fleet_world.hello(OTHER, product_id=None, claim_code=hash_of("another one"))
    react(database, fleet_world)

    assert (owner(fleet_world), owner(fleet_world, OTHER)) == ("", "")


def test_what_belongs_to_somebody_stays_theirs_whatever_code_it_shows(
    database: str, fleet_world: World
) -> None:
    issue(fleet_world)
    fleet_world.do(ClaimDevice(device_id=ONE, user_id="bob", reachable=True))
    fleet_world.hello(ONE, product_id=None, claim_code=CODE)
    react(database, fleet_world)

    assert owner(fleet_world) == "bob"


def test_a_newcomer_that_joins_a_product_is_claimed_by_a_code_of_the_product(
    database: str, product: World
) -> None:
    product.do(AllowAutoApproval(product_id=7000))
    issue(product, product_id=7000)
    product.hello(ONE, 1, claim_code=CODE)
    react(database, product)

    assert (device(product).standing, owner(product)) == (Standing.MEMBER, "ann")


def test_a_code_of_a_product_claims_nothing_elsewhere(database: str, product: World) -> None:
    issue(product, product_id=7000)
    product.hello(ONE, product_id=None, claim_code=CODE)
    react(database, product)

    assert owner(product) == ""
