"""Who may do what on a product, now and at any time before: told from events alone."""

import random
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest

from domain.model import Refused
from domain.organization import AcceptOrganization, OfferOrganization
from domain.product_ownership import AcceptProduct, OfferProduct, TransferOwnership
from domain.roles import SCOPES_OF, Role
from domain.scopes import API_USER_SCOPES
from domain.team import ChangeMemberRole, RemoveMember, SeatOwner
from domain.team_programs import ChangeApiUser, RemoveApiUser
from tests.api.company import Company
from tests.api.teams import Somebody, joining

STEPS = 40
LOOKED_AT_EVERY = 5


def permissions(company: Company, as_of: object = "") -> dict[str, Any]:
    params = {"as_of": str(as_of)} if as_of else {}
    answer = company.owner.get(company.path + "/permissions", params=params)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def of(found: dict[str, Any], who: Somebody) -> dict[str, Any] | None:
    key = "user_id" if who.user_id else "api_user_id"
    wanted = who.user_id or who.api_user_id
    mine = [one for one in found["permissions"] if one[key] == wanted]
    assert len(mine) <= 1
    return mine[0] if mine else None


def head(company: Company) -> int:
    position: int = permissions(company)["position"]
    return position


def test_the_owner_may_everything_and_administrators_of_rollcall_may(company: Company) -> None:
    found = permissions(company)
    assert found["owner"] == f"user:{company.ada.user_id}"
    ada = of(found, company.ada)
    assert ada is not None
    assert (ada["username"], ada["role"]) == (company.ada.email, "Owner")
    assert ada["through"] == ["ownership"]
    assert ada["scopes"] == sorted(SCOPES_OF[Role.OWNER])
    operators = [one for one in found["permissions"] if one["through"] == ["installation"]]
    assert operators
    assert all((one["scopes"], one["role"]) == (["*"], None) for one in operators)


def test_a_member_is_there_from_acceptance_to_removal(company: Company) -> None:
    before = head(company)
    grace = company.member(Role.SUPPORT)
    as_support = head(company)
    company.owner.put(f"{company.path}/team/{grace.email}", json={"role": "Developer"})
    as_developer = head(company)
    company.owner.delete(f"{company.path}/team/{grace.email}")
    assert of(permissions(company), grace) is None

    assert of(permissions(company, before), grace) is None
    for position, role in ((as_support, Role.SUPPORT), (as_developer, Role.DEVELOPER)):
        then = of(permissions(company, position), grace)
        assert then is not None
        assert (then["role"], then["through"]) == (role.value, ["product"])
        assert then["scopes"] == sorted(SCOPES_OF[role])


def test_who_was_only_invited_might_do_nothing(company: Company) -> None:
    grace = company.user("grace")
    company.invite(grace)
    assert of(permissions(company), grace) is None
    assert of(permissions(company, head(company)), grace) is None


def test_an_instant_is_as_good_as_a_position(company: Company) -> None:
    grace = company.member(Role.SUPPORT)
    time.sleep(0.01)
    instant = datetime.now(UTC).isoformat()
    time.sleep(0.01)
    company.owner.delete(f"{company.path}/team/{grace.email}")
    assert of(permissions(company, instant), grace) is not None
    assert of(permissions(company), grace) is None


def test_before_the_product_was_there_it_is_as_if_it_were_not(company: Company) -> None:
    answer = company.owner.get(company.path + "/permissions", params={"as_of": "1"})
    assert (answer.status_code, answer.json()["error"]) == (403, "permission_denied")


def test_a_right_by_the_organization_says_so(company: Company) -> None:
    team, key = company.team, company.organization(company.ada)
    company.team = key
    grace = company.member(Role.VIEW_ONLY)
    company.team = team
    alone = head(company)
    company.owner.post(company.path + "/transfer", json={"organization": key})
    for as_of in ("", head(company)):
        found = permissions(company, as_of)
        assert found["owner"] == f"organization:{key}"
        assert {"role": "View-only", "through": ["organization"]}.items() <= (
            of(found, grace) or {}
        ).items()
        assert {"role": "Owner", "through": ["organization"]}.items() <= (
            of(found, company.ada) or {}
        ).items()
    assert of(permissions(company, alone), grace) is None


def test_a_program_is_listed_with_its_scopes_as_they_were(company: Company) -> None:
    program = company.add_program(["devices:list", "groups:list"])
    before = head(company)
    company.those.do(
        ChangeApiUser(
            team=company.team,
            api_user_id=program.api_user_id,
            token_id=secrets.token_hex(12),
            scopes_held=API_USER_SCOPES,
            scopes=("groups:get",),
        )
    )
    assert (of(permissions(company), program) or {})["scopes"] == ["groups:get"]
    then = of(permissions(company, before), program)
    assert then is not None
    assert then["scopes"] == ["devices:list", "groups:list"]
    assert then["username"].endswith("@api.particle.io")


def test_who_is_erased_might_what_they_might_and_has_no_name(company: Company) -> None:
    grace = company.member(Role.SUPPORT)
    before = head(company)
    company.those.erase(grace.user_id)
    for as_of in ("", head(company)):
        assert of(permissions(company, as_of), grace) is None
    then = of(permissions(company, before), grace)
    assert then is not None
    assert (then["username"], then["role"]) == (None, "Support")


def test_members_see_it_and_programs_and_strangers_do_not(company: Company) -> None:
    path = company.path + "/permissions"
    assert company.call(company.member(Role.VIEW_ONLY)).get(path).status_code == 200
    assert company.call(company.add_program(["devices:list"])).get(path).status_code == 400
    assert company.call(company.user("stranger")).get(path).status_code == 403


def settled(company: Company) -> dict[str, Any]:
    """What is said now, by read models that have come to the end of the log."""
    end = company.owner.get("/v1/status").json()["position"]
    answer = company.owner.get(company.path, params={"at_least": end})
    assert "X-Rollcall-Behind" not in answer.headers
    return permissions(company)


class Drama:
    """A random history of rights on one product, by everything that changes them."""

    def __init__(self, company: Company, seed: int) -> None:
        self.company = company
        self.chance = random.Random(seed)
        self.number = int(company.team)
        self.organizations = [company.organization(company.ada) for _ in range(2)]
        self.people = [company.user("actor") for _ in range(5)]
        self.programs: list[tuple[str, Somebody]] = []

    def step(self) -> None:
        # What makes histories interesting comes up more often.
        often = [self.join, self.join, self.own, self.own]
        rest = [self.move, self.remove, self.seat, self.give, self.lead]
        act: Callable[[], None] = self.chance.choice([*often, *rest, self.program, self.reprogram])
        with suppress(Refused):  # it could not be: so nothing changed
            act()

    @property
    def team(self) -> str:
        return self.chance.choice([str(self.number), *self.organizations])

    @property
    def user_id(self) -> str:
        return self.chance.choice(self.people).user_id

    @property
    def role(self) -> Role:
        role: Role = self.chance.choice([*Role][1:])
        return role

    def join(self) -> None:
        self.company.those.do(*joining(self.team, self.user_id, self.role))

    def move(self) -> None:
        command = ChangeMemberRole(team=self.team, user_id=self.user_id, role=self.role)
        self.company.those.do(command)

    def remove(self) -> None:
        self.company.those.do(RemoveMember(team=self.team, user_id=self.user_id))

    def seat(self) -> None:
        self.company.those.do(SeatOwner(team=self.team, user_id=self.user_id))

    def own(self) -> None:
        user_id, key = self.user_id, self.number
        self.company.those.do(
            OfferProduct(product_id=key, user_id=user_id, is_member=True),
            AcceptProduct(product_id=key, user_id=user_id, is_member=True),
        )

    def give(self) -> None:
        owner = f"organization:{self.chance.choice(self.organizations)}"
        self.company.those.do(TransferOwnership(product_id=self.number, owner=owner))

    def lead(self) -> None:
        user_id, key = self.user_id, self.chance.choice(self.organizations)
        self.company.those.do(
            OfferOrganization(organization_id=key, user_id=user_id, is_member=True),
            AcceptOrganization(organization_id=key, user_id=user_id, is_member=True),
        )

    def program(self) -> None:
        self.company.team = self.team
        scopes = self.chance.sample(sorted(API_USER_SCOPES), 3)
        self.programs.append((self.company.team, self.company.add_program(scopes)))

    def reprogram(self) -> None:
        if not self.programs:
            return
        team, program = self.chance.choice(self.programs)
        key = program.api_user_id
        if self.chance.random() < 0.5:
            self.company.those.do(RemoveApiUser(team=team, api_user_id=key))
            return
        scopes = tuple(self.chance.sample(sorted(API_USER_SCOPES), 2))
        self.company.those.do(
            ChangeApiUser(
                team=team,
                api_user_id=key,
                token_id=secrets.token_hex(12),
                scopes_held=API_USER_SCOPES,
                scopes=scopes,
            )
        )


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_law_what_events_say_of_any_time_is_what_was_said_then(company: Company, seed: int) -> None:
    drama = Drama(company, seed)
    # Whoever looks is no party to it.
    operator = company.user("operator", administrator=True)
    company.ada = operator
    told = []
    for number in range(STEPS):
        drama.step()
        if number % LOOKED_AT_EVERY == 0:
            told.append(settled(company))
    told.append(settled(company))
    for then in told:
        assert permissions(company, then["position"]) == then
    assert len({str(then["permissions"]) for then in told}) > 1
