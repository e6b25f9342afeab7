"""Teams in model `access`: the same rows whatever the pages, and made again; seats fall vacant."""

import random
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest

from domain.log.fleet import Fleet
from domain.log.seals import Seals
from domain.model import Command, Refused
from domain.organization import (
    AcceptOrganization,
    CreateOrganization,
    DeclineOrganization,
    OfferOrganization,
    RenameOrganization,
    WithdrawOrganizationOffer,
)
from domain.product import CreateProduct, RetireProduct
from domain.product_ownership import AcceptProduct, OfferProduct, TransferOwnership
from domain.recorded import Provenance
from domain.roles import Role
from domain.scopes import API_USER_SCOPES
from domain.team import (
    AcceptInvitation,
    ChangeMemberRole,
    DeclineInvitation,
    InviteMember,
    LeaveTeam,
    RemoveMember,
    SeatOwner,
)
from domain.team_programs import ChangeApiUser, CreateApiUser, RemoveApiUser, ReplaceApiUserToken
from domain.token import IssueToken
from projections.reactions.vacancies import Vacancies
from projections.rebuilding.rebuild import rebuild
from tests.people import MASTER_KEY, follow_access, people
from tests.projections.following import rows_of, run

NOW = "2030-01-01T10:00:00.000Z"
UNTIL = "2030-01-15T10:00:00.000Z"
BEFORE, AFTER = (datetime(2030, 1, day, 10, tzinfo=UTC) for day in (14, 15))
ADA, GRACE, JOAN = (f"{number:024x}" for number in (0xAD, 0xCE, 0x1A))
PEOPLE = (ADA, GRACE, JOAN)
ORGANIZATION = "f" * 24
TEAMS = ("7000", ORGANIZATION)
PROGRAMS = tuple(f"{number:024x}" for number in (0xF1, 0xF2))
STEPS = 150
TABLES = ("member", "api_user", "organization", "ownership_offer", "token")


class Teams:
    """A log of what happens to two teams, and the model that is told it."""

    def __init__(self, database: str, fleet: Fleet, seals: Seals) -> None:
        self.database = database
        self.fleet = fleet
        self.seals = seals
        self.tokens = 0

    def do(self, *commands: Command) -> None:
        for command in commands:
            self.fleet.execute(command, Provenance(actor=f"user:{ADA}"))

    def follow(self, page_events_max: int = 5_000) -> dict[str, Any]:
        """Every row, once the model has come to the end of the log."""
        follow_access(self.database, self.seals, page_events_max=page_events_max)
        return {table: rows_of(self.database, f"access.{table}") for table in TABLES}

    def invite(self, user_id: str = GRACE, role: Role = Role.SUPPORT, team: str = "7000") -> None:
        self.do(InviteMember(team=team, user_id=user_id, role=role, at=NOW, expires_at=UNTIL))

    def join(self, user_id: str = GRACE, team: str = "7000") -> None:
        self.invite(user_id, team=team)
        self.do(AcceptInvitation(team=team, user_id=user_id, at=NOW))

    def new_token(self) -> str:
        self.tokens += 1
        return f"{self.tokens:024x}"

    def issue(self, api_user_id: str, token_id: str) -> None:
        token_hash = f"{int(token_id, 16):064x}"
        self.do(IssueToken(token_id=token_id, token_hash=token_hash, api_user_id=api_user_id))

    def create_program(self, key: str = PROGRAMS[0], team: str = "7000") -> str:
        token_id = self.new_token()
        self.do(
            CreateApiUser(
                team=team,
                api_user_id=key,
                username=f"p+{key[-2:]}{team[:8]}@api.particle.io",
                friendly_name="Import",
                scopes=("devices:list",),
                token_id=token_id,
                scopes_held=API_USER_SCOPES,
            )
        )
        self.issue(key, token_id)
        return token_id


@pytest.fixture
def teams(database: str) -> Iterator[Teams]:
    with (
        closing(Fleet(database, pool_connections=1)) as fleet,
        closing(Seals(database, MASTER_KEY)) as seals,
    ):
        yield Teams(database, fleet, seals)


def members(teams: Teams) -> list[tuple[str, str, str]]:
    rows = teams.follow()["member"]
    return [(row["user_id"], row["role"], row["state"]) for row in rows]


def test_who_is_invited_has_a_row_until_they_decline(teams: Teams) -> None:
    teams.invite()
    (row,) = teams.follow()["member"]
    assert (row["team"], row["user_id"], row["state"]) == ("7000", GRACE, "invited")
    assert row["expires_at"] == datetime(2030, 1, 15, 10, tzinfo=UTC)
    assert row["invited_by"] == f"user:{ADA}"
    teams.do(DeclineInvitation(team="7000", user_id=GRACE))
    assert members(teams) == []


def test_who_accepts_is_a_member_and_moves_and_leaves(teams: Teams) -> None:
    teams.join()
    assert members(teams) == [(GRACE, "Support", "member")]
    teams.do(ChangeMemberRole(team="7000", user_id=GRACE, role=Role.DEVELOPER))
    assert members(teams) == [(GRACE, "Developer", "member")]
    teams.do(LeaveTeam(team="7000", user_id=GRACE))
    assert members(teams) == []


@pytest.mark.parametrize("page_events_max", [1, 5_000])
def test_only_the_token_that_the_team_knows_has_a_row(teams: Teams, page_events_max: int) -> None:
    first = teams.create_program()
    second, third = teams.new_token(), teams.new_token()
    for token_id in (second, third):
        teams.do(ReplaceApiUserToken(team="7000", api_user_id=PROGRAMS[0], token_id=token_id))
    # Whoever asked for the second was slower to issue it than whoever asked for the third.
    teams.issue(PROGRAMS[0], third)
    teams.issue(PROGRAMS[0], second)
    rows = teams.follow(page_events_max)
    assert [row["token_id"] for row in rows["token"]] == [third]
    assert first not in {row["token_id"] for row in rows["token"]}
    teams.do(RemoveApiUser(team="7000", api_user_id=PROGRAMS[0]))
    rows = teams.follow(page_events_max)
    assert (rows["token"], rows["api_user"]) == ([], [])


def test_a_token_for_a_program_that_is_gone_never_works(teams: Teams) -> None:
    teams.issue(PROGRAMS[0], teams.new_token())
    assert teams.follow()["token"] == []


def random_command(teams: Teams, chance: random.Random) -> Command:
    """Anything that anybody may want, of few people, teams and programs."""
    team, user_id, role = chance.choice(TEAMS), chance.choice(PEOPLE), chance.choice([*Role][1:])
    key = chance.choice(PROGRAMS)
    asked: Any = {"user_id": user_id, "is_member": True}
    of_organization: Any = {"organization_id": ORGANIZATION}
    of_member: Any = {"team": team, "user_id": user_id}
    made: list[Command] = [
        InviteMember(role=role, at=NOW, expires_at=UNTIL, **of_member),
        AcceptInvitation(at=NOW, **of_member),
        AcceptInvitation(at=NOW, **of_member),
        DeclineInvitation(**of_member),
        ChangeMemberRole(role=role, **of_member),
        RemoveMember(**of_member),
        SeatOwner(**of_member),
        ChangeApiUser(
            team=team,
            api_user_id=key,
            token_id=teams.new_token(),
            scopes_held=API_USER_SCOPES,
            scopes=tuple(chance.sample(sorted(API_USER_SCOPES), 2)),
        ),
        ReplaceApiUserToken(team=team, api_user_id=key, token_id=teams.new_token()),
        RemoveApiUser(team=team, api_user_id=key),
        RenameOrganization(name=chance.choice(["Lamps", "Bulbs"]), **of_organization),
        OfferOrganization(**of_organization, **asked),
        AcceptOrganization(**of_organization, **asked),
        DeclineOrganization(user_id=user_id, **of_organization),
        WithdrawOrganizationOffer(**of_organization),
        OfferProduct(product_id=7000, **asked),
        AcceptProduct(product_id=7000, **asked),
        TransferOwnership(product_id=7000, owner=f"organization:{ORGANIZATION}"),
    ]
    return chance.choice(made)


def tell(teams: Teams, seed: int) -> None:
    """A random history, tokens issued as teams come to know them."""
    chance = random.Random(seed)
    found = CreateOrganization(organization_id=ORGANIZATION, slug="lamps", name="Lamps", owner=ADA)
    product = CreateProduct(product_id=7000, platform_id=6, name="B", slug="b", owner=f"user:{ADA}")
    teams.do(found, product)
    for number, key in enumerate(PROGRAMS):
        teams.create_program(key, TEAMS[number])
    for _ in range(STEPS):
        command = random_command(teams, chance)
        try:
            teams.do(command)
        except Refused:
            continue
        token_id = getattr(command, "token_id", "")
        if token_id and chance.random() < 0.8:  # or whoever was to issue it died
            teams.issue(getattr(command, "api_user_id", ""), token_id)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_rebuilt_model_is_the_one_that_was_followed_in_pages_of_any_size(
    teams: Teams, seed: int
) -> None:
    tell(teams, seed)
    followed = teams.follow(page_events_max=7)
    assert all(followed[table] for table in ("member", "organization"))
    said: list[str] = []
    rebuild(teams.database, "access", accept=False, say=said.append, seals=teams.seals)
    assert not any("DIFFERENT" in line for line in said)
    assert teams.follow() == followed


def test_a_retired_product_is_offered_to_nobody(teams: Teams) -> None:
    owner = f"user:{ADA}"
    teams.do(
        CreateProduct(product_id=7000, platform_id=6, name="B", slug="b", owner=owner),
        OfferProduct(product_id=7000, user_id=GRACE, is_member=True),
    )
    assert len(teams.follow()["ownership_offer"]) == 1
    teams.do(RetireProduct(product_id=7000, devices=0))
    assert teams.follow()["ownership_offer"] == []


def empty_seats(teams: Teams, now: datetime) -> None:
    teams.follow()
    run(teams.database, Vacancies(lambda: teams.fleet, now=lambda: now))


def test_an_invitation_expires_when_its_time_has_come_and_once(teams: Teams) -> None:
    teams.invite(GRACE)
    teams.join(JOAN)
    empty_seats(teams, BEFORE)
    assert len(members(teams)) == 2
    for _ in range(2):
        empty_seats(teams, AFTER)
    assert members(teams) == [(JOAN, "Support", "member")]
    assert teams.fleet.load("team-7000").version == 4


def test_a_task_that_runs_ahead_of_the_read_model_comes_to_rest(teams: Teams) -> None:
    teams.invite(GRACE)
    teams.follow()
    run(teams.database, Vacancies(lambda: teams.fleet, now=lambda: AFTER))
    # Not followed: the row still says that the invitation is open.
    run(teams.database, Vacancies(lambda: teams.fleet, now=lambda: AFTER))
    assert teams.fleet.load("team-7000").version == 2


def test_who_is_erased_leaves_every_team(teams: Teams) -> None:
    with people(teams.database) as those:
        grace = those.sign_up("grace@example.com")
        teams.join(grace)
        teams.join(grace, ORGANIZATION)
        teams.invite(grace, team="7001")
        teams.join(JOAN)
        those.erase(grace)
    empty_seats(teams, BEFORE)
    assert members(teams) == [(JOAN, "Support", "member")]
    assert grace not in teams.fleet.load("team-7000").state.members
