"""Every route, called by everybody there is, against what the documents say."""

import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from api.places import CACHED_S
from api.realms import Realm
from api.routing import ANONYMOUS
from domain.device_commands import ImportDevice
from domain.log.fleet import Fleet
from domain.ownership import ClaimDevice
from domain.product_ownership import TransferOwnership
from domain.roles import Role
from domain.scopes import API_USER_SCOPES, SCOPES
from tests.api.expected import EXPECTED, Who
from tests.api.routes import BY_LINE, address, ask
from tests.api.serving import Served
from tests.api.teams import Around, Somebody, ago
from tests.api.world import World, new_id
from tests.people import people

LINES = [line for line, route in BY_LINE.items() if route.scope != ANONYMOUS]
# These end the token that they are called with.
ENDING = {"DELETE /v1/access_tokens", "DELETE /v1/access_tokens/current"}
LIMITED = "limited"
OPERATOR = "operator"
CUSTOMER, OTHER_CUSTOMER = "customer", "customer of another product"
DEAD = ("expired", "revoked")
NAMED = (Realm.PRODUCT, Realm.ORGANIZATION, Realm.DEVICE)
OF_AN_ORGANIZATION = "team of an organization"
STAGES = ["team of a product", OF_AN_ORGANIZATION]
USED = {who.program for who in EXPECTED.values()} - {""}


def test_every_route_has_an_expectation_and_every_expectation_a_route() -> None:
    assert EXPECTED.keys() == BY_LINE.keys()


def test_every_scope_of_a_route_is_somebody_s() -> None:
    assert {BY_LINE[line].scope for line in LINES} <= SCOPES


@dataclass(kw_only=True)
class Stage(Around):
    """A product with one of everybody around it; `org` is the organization that owns it, if any."""

    world: World
    other_product: int
    cast: dict[str, Somebody]
    org: str = ""
    programs: dict[frozenset[str], Somebody] = field(default_factory=dict)

    @property
    def quiet_lines(self) -> list[str]:
        """What needs no device of its own to be called."""
        left_out = {Realm.DEVICE} if self.org else {Realm.DEVICE, Realm.ORGANIZATION}
        return [
            line
            for line in LINES
            if BY_LINE[line].over not in left_out
            and (self.org or "{org}" not in BY_LINE[line].path)
        ]

    def skip_what_it_has_not(self, line: str) -> None:
        if "{org}" in BY_LINE[line].path and not self.org:
            pytest.skip("there is no organization here")

    def caller(self, line: str, name: str) -> Somebody:
        """Whoever plays that part; with tokens to lose, where the route ends them."""
        who = self.cast[name]
        if line not in ENDING or name in (*DEAD, LIMITED):
            return who
        if name in (CUSTOMER, OTHER_CUSTOMER):
            return self.customer(self.world.id if name == CUSTOMER else self.other_product)
        if who.user_id:
            return self.user(name, administrator=name == OPERATOR)
        return self.holder(product_id=self.world.id, client_id="some-client")

    def program(self, scopes: frozenset[str]) -> Somebody:
        """An API user with these scopes; the same one each time: a team has only so many."""
        if scopes not in self.programs:
            self.programs[scopes] = self.add_program(scopes)
        return self.programs[scopes]

    def outcome(self, line: str, who: Somebody) -> str:
        """What comes of a call about what is there, as far as the path says whose it is."""
        route = BY_LINE[line]
        named: dict[str, Any] = {"product": self.world.id, "org": self.org}
        if route.over is Realm.DEVICE:
            named["device"] = self.device(who)
        return outcome(ask(self.call(who), route.method, address(route.path, **named)))

    def device(self, who: Somebody) -> str:
        """A device of the product, which somebody claimed; a customer's own, if it is theirs who
        calls."""
        device_id, product_id = new_id(), self.world.id
        own = who in (self.cast[CUSTOMER], self.cast["device owner"])
        owner = who.user_id if own else self.cast["device owner"].user_id
        self.world.record(ImportDevice(device_id=device_id, product_id=product_id))
        claim = ClaimDevice(
            device_id=device_id, user_id=owner, reachable=True, product_id=product_id
        )
        self.world.record(claim)
        return device_id


@pytest.fixture(scope="module", params=STAGES)
def stage(served: Served, fleet: Fleet, request: pytest.FixtureRequest) -> Iterator[Stage]:
    with people(served.database) as those, ExitStack() as clients:
        nowhere = Around(served, those, clients=clients)
        owner = nowhere.user("owner")
        world = World(nowhere.call(owner), fleet, name=f"stage {secrets.token_hex(4)}")
        world.import_devices()  # a product that has devices is not retired
        other = World(nowhere.call(nowhere.user("other")), fleet, f"other {secrets.token_hex(4)}")
        stage = Stage(
            *(served, those, str(world.id)),
            clients=clients,
            world=world,
            other_product=other.id,
            cast={},
        )
        if request.param == OF_AN_ORGANIZATION:
            stage.team = stage.org = nowhere.organization(owner)
            owned = TransferOwnership(product_id=world.id, owner=f"organization:{stage.org}")
            world.record(owned)
            time.sleep(CACHED_S)  # until nobody takes the product for the user's own
        stage.cast |= {
            Role.OWNER.value: owner,
            **{role.value: stage.member(role) for role in Role if role is not Role.OWNER},
            "device owner": stage.user("claimer"),
            "stranger": stage.user("stranger"),
            "expired": stage.holder(owner.user_id, expires_at=ago(minutes=1)),
            "revoked": stage.holder(owner.user_id),
            LIMITED: stage.holder(owner.user_id, scopes=("nothing:at-all",)),
            "bearer": stage.holder(product_id=world.id, client_id="some-client"),
            CUSTOMER: stage.customer(world.id),
            OTHER_CUSTOMER: stage.customer(stage.other_product),
            "elsewhere": stage.holder(product_id=world.id - 1, client_id="some-client"),
            OPERATOR: stage.user(OPERATOR, administrator=True),
        }
        those.revoke(stage.cast["revoked"].token_id)
        yield stage


def outcome(answer: httpx.Response) -> str:
    """What came of a call at the gate; "through" if the gate let it pass, whatever came then."""
    error = answer.json().get("error") if answer.status_code >= 400 else None
    match answer.status_code, error:
        case 400, "unauthorized":
            return "not for programs"
        case 400, "invalid_request" if "was not found" in answer.json()["error_description"]:
            return "no token"
        case 401, "invalid_token":
            return "no such token"
        case 403, "insufficient_scope":
            return "no such right"
        case 403, "permission_denied" | "Permission Denied":
            return "no such thing"
    return "through"


def expected(line: str, name: str) -> str:
    """What should come of it."""
    who, realm = EXPECTED[line], BY_LINE[line].over
    named = realm in NAMED
    if name in DEAD:
        return "no such token"
    if name == OPERATOR:
        return "through"
    if name == LIMITED:
        return "no such right"
    if name == CUSTOMER:
        return expected_of_customer(who, realm)
    if name == OTHER_CUSTOMER and not named:
        return "through" if who.customer else "no such right"
    if name in ("device owner", "stranger", "elsewhere", OTHER_CUSTOMER) and named:
        if name == "device owner" and realm is Realm.DEVICE:
            return "through" if who.device_owner else "no such right"
        return "no such thing"
    if name in ("bearer", "elsewhere"):
        if realm is Realm.ORGANIZATION:
            return "no such thing"
        return "through" if may_bearer(who) else "no such right"
    if not named:
        return "through" if who.account else "no such right"
    assert who.role
    ranks = [role.value for role in Role]
    return "through" if ranks.index(name) <= ranks.index(who.role.value) else "no such right"


def expected_of_customer(who: Who, realm: Realm) -> str:
    """A customer knows their product and their device, and no organization."""
    if realm is Realm.ORGANIZATION:
        return "no such thing"
    return "through" if who.customer else "no such right"


def may_bearer(who: Who) -> bool:
    """A product's own token is a developer's in the product."""
    if who.role is None:
        return who.bearer
    return who.role not in (Role.OWNER, Role.ADMINISTRATOR)


@pytest.mark.parametrize("line", LINES)
def test_who_may(stage: Stage, line: str) -> None:
    stage.skip_what_it_has_not(line)
    found, wanted = {}, {}
    for name in stage.cast:
        found[name] = stage.outcome(line, stage.caller(line, name))
        wanted[name] = expected(line, name)
    assert found == wanted


@pytest.mark.parametrize("line", LINES)
def test_which_programs_may(stage: Stage, line: str) -> None:
    """An API user with every scope but one, and with that one alone, for each that a route has."""
    stage.skip_what_it_has_not(line)
    scope = EXPECTED[line].program
    allowed = "through" if scope else "not for programs"
    assert stage.outcome(line, stage.program(API_USER_SCOPES)) == allowed
    if scope:
        assert BY_LINE[line].scope == scope
        assert stage.outcome(line, stage.program(frozenset({scope}))) == "through"
        assert stage.outcome(line, stage.program(API_USER_SCOPES - {scope})) == "no such right"


@pytest.mark.parametrize("scope", [*sorted(USED), "all others"])
def test_a_scope_opens_the_routes_that_name_it_and_no_other(stage: Stage, scope: str) -> None:
    if stage.org:
        pytest.skip("a scope is one, whichever team gives it")
    program = stage.program(frozenset({scope}) if scope in USED else API_USER_SCOPES - USED)
    opened = {line for line in stage.quiet_lines if stage.outcome(line, program) == "through"}
    assert opened == {line for line in stage.quiet_lines if EXPECTED[line].program == scope}


def test_a_program_of_another_product_learns_nothing(stage: Stage) -> None:
    other = Around(stage.served, stage.those, str(stage.world.id - 1))
    program = other.add_program(API_USER_SCOPES)
    for line in stage.quiet_lines:
        if BY_LINE[line].over in NAMED and EXPECTED[line].program:
            assert stage.outcome(line, program) == "no such thing", line
