"""Who may do what on a product: joined from whose it is, who is on its teams, and what roles may.

The same rule answers for now, from the read models, and for any time, from events alone.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum

from msgspec import Struct

from domain.roles import (
    ORGANIZATION_PREFIX,
    Grants,
    InProduct,
    Role,
    owner_of,
    role_on,
    scopes_on,
    teams_over,
)
from domain.team import Team


class Through(StrEnum):
    """What somebody's right comes by."""

    OWNERSHIP = "ownership"
    PRODUCT = "product"
    ORGANIZATION = "organization"
    INSTALLATION = "installation"


class Program(Struct, frozen=True):
    """An API user, as far as its rights go."""

    username: str
    scopes: frozenset[str]


class TeamFacts(Struct, frozen=True):
    """Roles by user, and programs by id; who is only invited is not among them."""

    members: Mapping[str, str] = {}
    programs: Mapping[str, Program] = {}


class Facts(Struct, frozen=True):
    """All that rights on one product follow from.

    `owner` is `user:<id>` or `organization:<id>`, `organization_owner` the user whose that
    organization is. `people` are the users who are not erased, `administrators` those among them
    who may everything everywhere.
    """

    product_id: int
    owner: str = ""
    organization_owner: str = ""
    team: TeamFacts = TeamFacts()
    organization_team: TeamFacts = TeamFacts()
    administrators: frozenset[str] = frozenset()
    people: frozenset[str] = frozenset()

    @property
    def place(self) -> InProduct:
        return InProduct(self.product_id, self.owner)

    @property
    def organization_id(self) -> str:
        """Empty if the product is no organization's."""
        return organization_in(self.owner)


class Permit(Struct, frozen=True, order=True):
    """What a user, or an API user, may do; `username` is that of the latter."""

    user_id: str = ""
    api_user_id: str = ""
    username: str = ""
    role: Role | None = None
    through: tuple[Through, ...] = ()
    scopes: tuple[str, ...] = ()


def organization_in(owner: str) -> str:
    if not owner.startswith(ORGANIZATION_PREFIX):
        return ""
    return owner.removeprefix(ORGANIZATION_PREFIX)


def team_facts(team: Team) -> TeamFacts:
    programs = {
        key: Program(program.username, frozenset(program.scopes))
        for key, program in team.api_users.items()
        if not program.removed
    }
    return TeamFacts(team.members, programs)


def users_in(facts: Facts) -> set[str]:
    """Everybody who may have a right here."""
    owners = {owner_of(facts.place), facts.organization_owner} - {""}
    seated = {*facts.team.members, *facts.organization_team.members}
    return owners | seated | facts.administrators


def permits(facts: Facts) -> list[Permit]:
    """Everybody who may do anything on the product, people first."""
    people = [permit_of(facts, user_id) for user_id in sorted(users_in(facts) & facts.people)]
    return [*people, *programs_permitted(facts)]


def permit_of(facts: Facts, user_id: str) -> Permit:
    organization = facts.organization_id
    seats = {
        str(facts.product_id): facts.team.members.get(user_id),
        organization: facts.organization_team.members.get(user_id),
    }
    if organization and user_id == facts.organization_owner:
        seats[organization] = Role.OWNER
    grants = Grants(
        user_id=user_id,
        administrator=user_id in facts.administrators,
        teams={team: Role(role) for team, role in seats.items() if role},
    )
    return Permit(
        user_id=user_id,
        role=role_on(grants, facts.place),
        through=tuple(ways(facts, grants)),
        scopes=tuple(sorted(scopes_on(grants, facts.place))),
    )


def ways(facts: Facts, grants: Grants) -> Iterator[Through]:
    if owner_of(facts.place) == grants.user_id:
        yield Through.OWNERSHIP
    if str(facts.product_id) in grants.teams:
        yield Through.PRODUCT
    if facts.organization_id in grants.teams:
        yield Through.ORGANIZATION
    if grants.administrator:
        yield Through.INSTALLATION


def programs_permitted(facts: Facts) -> Iterator[Permit]:
    through = (Through.PRODUCT, Through.ORGANIZATION)
    teams = (facts.team, facts.organization_team)
    for key, team, way in zip(teams_over(facts.place), teams, through, strict=False):
        for api_user_id, program in sorted(team.programs.items()):
            grants = Grants(api_user_id=api_user_id, team=key, team_scopes=program.scopes)
            yield Permit(
                api_user_id=api_user_id,
                username=program.username,
                through=(way,),
                scopes=tuple(sorted(scopes_on(grants, facts.place))),
            )
