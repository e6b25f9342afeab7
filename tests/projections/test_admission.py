"""A product that takes whoever asks takes devices of its team, and has those of others wait."""

from collections.abc import Callable

import pytest

from domain.device_commands import DenyDevice, ImportDevice
from domain.device_events import DeviceJoined, Standing
from domain.hello import Told
from domain.model import Command
from domain.organization import CreateOrganization
from domain.ownership import ClaimDevice, UnclaimDevice
from domain.product import AllowAutoApproval, CreateProduct, ForbidAutoApproval, RetireProduct
from domain.roles import Role
from domain.team import AcceptInvitation, InviteMember, LeaveTeam
from projections.announcing.link import Link
from projections.announcing.nudges import NudgeModel
from projections.fleet.model import FleetModel
from projections.reactions.admission import AdmissionModel
from tests.projections.ear import connected_link, listening
from tests.projections.following import follow, query
from tests.projections.test_reactions import device, of_kind, react
from tests.projections.world import DEVICES, PLATFORM, USERS, World

ONE, OTHER, THIRD = DEVICES[:3]
ADA, BOB = USERS
PRODUCT, OF_ORGANIZATION = 7000, 7001
ORGANIZATION = "0" * 23 + "9"
NOW, LATER = "2030-01-01T10:00:00.000Z", "2030-01-02T10:00:00.000Z"


@pytest.fixture
def open_product(fleet_world: World) -> World:
    """Ada's, which takes whoever asks."""
    make_product(fleet_world, PRODUCT, f"user:{ADA}")
    fleet_world.do(AllowAutoApproval(product_id=PRODUCT))
    return fleet_world


def make_product(world: World, product_id: int, owner: str) -> None:
    slug = f"p{product_id}"
    world.do(
        CreateProduct(
            product_id=product_id, platform_id=PLATFORM, name="Lamp", slug=slug, owner=owner
        )
    )


def claim(world: World, user_id: str, one: str = ONE) -> None:
    world.do(ClaimDevice(device_id=one, user_id=user_id, reachable=True))


def invite(world: World, user_id: str, team: str) -> None:
    world.do(
        InviteMember(
            team=team,
            user_id=user_id,
            role=Role.VIEW_ONLY,
            owner=ADA,
            scopes_held=frozenset({"*"}),
            expires_at=LATER,
            at=NOW,
        )
    )


def join_team(world: World, user_id: str, team: str) -> None:
    invite(world, user_id, team)
    world.do(AcceptInvitation(team=team, user_id=user_id, at=NOW))


def join_and_leave_team(world: World, user_id: str, team: str) -> None:
    join_team(world, user_id, team)
    world.do(LeaveTeam(team=team, user_id=user_id))


def admit(conninfo: str, world: World, *, page_events_max: int = 5_000) -> None:
    """What follows from a handshake, and what follows from that."""
    react(conninfo, world, page_events_max=page_events_max)
    model = AdmissionModel(lambda: world.fleet)
    model.page_events_max = page_events_max
    follow(conninfo, model)


def standing(world: World, one: str = ONE) -> Standing | None:
    return device(world, one).standing


@pytest.mark.parametrize("page_events_max", [1, 5_000])
def test_a_device_of_the_team_is_let_in_and_one_of_an_outsider_waits(
    database: str, open_product: World, page_events_max: int
) -> None:
    claim(open_product, ADA, ONE)
    claim(open_product, BOB, OTHER)
    for one in (ONE, OTHER):
        assert open_product.hello(one, 1).told == Told.QUARANTINED
    assert open_product.hello(THIRD, 1).joins

    admit(database, open_product, page_events_max=page_events_max)

    assert standing(open_product, ONE) == Standing.MEMBER
    assert standing(open_product, OTHER) == Standing.QUARANTINED
    assert standing(open_product, THIRD) == Standing.MEMBER
    joined = {one.event.device_id: one for one in of_kind(open_product, DeviceJoined)}  # type: ignore[attr-defined]
    assert joined[ONE].provenance.actor == "reaction:admission"
    assert joined[THIRD].provenance.actor == "reaction:take_in_stranger"
    assert open_product.hello(ONE, 1).told == Told.NOTHING


Prepare = Callable[[World], None]
TEAMS: dict[str, tuple[Prepare, Standing]] = {
    "a member": (
        lambda world: join_team(world, BOB, str(PRODUCT)),
        Standing.MEMBER,
    ),
    "who is only invited": (
        lambda world: invite(world, BOB, str(PRODUCT)),
        Standing.QUARANTINED,
    ),
    "who has left": (
        lambda world: join_and_leave_team(world, BOB, str(PRODUCT)),
        Standing.QUARANTINED,
    ),
}


@pytest.mark.parametrize("who", TEAMS)
def test_the_team_is_its_members(database: str, open_product: World, who: str) -> None:
    prepare, expected = TEAMS[who]
    prepare(open_product)
    claim(open_product, BOB)
    open_product.hello(ONE, 1)

    admit(database, open_product)

    assert standing(open_product) == expected


def test_the_team_of_an_organizations_product_is_the_organizations_too(
    database: str, fleet_world: World
) -> None:
    fleet_world.do(
        CreateOrganization(organization_id=ORGANIZATION, slug="acme", name="Acme", owner=ADA)
    )
    make_product(fleet_world, OF_ORGANIZATION, f"organization:{ORGANIZATION}")
    fleet_world.do(AllowAutoApproval(product_id=OF_ORGANIZATION))
    join_team(fleet_world, BOB, ORGANIZATION)
    for user_id, one in ((ADA, ONE), (BOB, OTHER), ("c" * 24, THIRD)):
        claim(fleet_world, user_id, one)
        fleet_world.hello(one, 1, OF_ORGANIZATION)

    admit(database, fleet_world)

    found = [standing(fleet_world, one) for one in (ONE, OTHER, THIRD)]
    assert found == [Standing.MEMBER, Standing.MEMBER, Standing.QUARANTINED]


def test_who_was_given_up_since_it_was_told_to_wait_is_let_in(
    database: str, open_product: World
) -> None:
    claim(open_product, BOB)
    open_product.hello(ONE, 1)
    open_product.do(UnclaimDevice(device_id=ONE, user_id=BOB))

    admit(database, open_product)

    assert standing(open_product) == Standing.MEMBER


def test_a_product_that_asks_its_team_about_everybody_is_not_decided_for(
    database: str, open_product: World
) -> None:
    """Nor is it once it takes whoever asks: that is not said of those who asked before."""
    open_product.do(ForbidAutoApproval(product_id=PRODUCT))
    claim(open_product, ADA)
    open_product.hello(ONE, 1)
    react(database, open_product)
    open_product.do(AllowAutoApproval(product_id=PRODUCT))

    admit(database, open_product)

    assert standing(open_product) == Standing.QUARANTINED


AFTERWARDS: dict[str, tuple[Command, Standing | None]] = {
    "denied": (DenyDevice(device_id=ONE, product_id=PRODUCT), Standing.DENIED),
    "taken in elsewhere": (
        ImportDevice(device_id=ONE, product_id=OF_ORGANIZATION),
        Standing.MEMBER,
    ),
    "asked for by a product that is gone": (
        RetireProduct(product_id=PRODUCT, devices=0),
        Standing.QUARANTINED,
    ),
}


@pytest.mark.parametrize("what", AFTERWARDS)
def test_what_somebody_decided_meanwhile_stands(
    database: str, open_product: World, what: str
) -> None:
    command, expected = AFTERWARDS[what]
    claim(open_product, ADA)
    open_product.hello(ONE, 1)
    react(database, open_product)
    open_product.do(command)
    before = open_product.position()

    admit(database, open_product)

    assert standing(open_product) == expected
    assert open_product.position() == before


def test_gone_through_again_it_does_nothing_more(database: str, open_product: World) -> None:
    claim(open_product, ADA)
    open_product.hello(ONE, 1)
    admit(database, open_product)
    open_product.do(DenyDevice(device_id=ONE, product_id=PRODUCT))
    before = open_product.position()

    query(database, "DELETE FROM follow.tracking RETURNING 1")
    admit(database, open_product)

    assert open_product.position() == before


@pytest.mark.parametrize("owner", [ADA, ""])
def test_who_was_told_to_wait_is_nudged_once_it_is_let_in_and_nobody_else(
    database: str, nats_url: str, open_product: World, owner: str
) -> None:
    """Who joined by asking was told everything then."""
    if owner:
        claim(open_product, owner)
    open_product.hello(ONE, 1)
    admit(database, open_product)
    follow(database, FleetModel())

    with connected_link(nats_url) as link, listening(nats_url, "d.*.dn.>") as ear:
        follow(database, nudges(link))

        if owner:
            expected = [(f"d.{ONE}.dn.again", {"position": open_product.position()})]
            assert ear.heard(1) == expected
        assert ear.nothing_more()


def nudges(link: Link) -> NudgeModel:
    return NudgeModel(link)
