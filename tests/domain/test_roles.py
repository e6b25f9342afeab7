"""Who may do what, where: roles, programs, tokens."""

from itertools import pairwise

import pytest

from domain.roles import (
    SCOPES_OF,
    AtDevice,
    Grants,
    InOrganization,
    InProduct,
    Installation,
    OwnThings,
    Role,
    allows,
    knows,
    role_named,
    role_on,
    scopes_on,
)
from domain.scopes import API_USER_SCOPES, EVERYTHING, SCOPES

ANN, BOB = "a" * 24, "b" * 24
ACME = "0" * 23 + "1"
PRODUCT = InProduct(20001, f"user:{ANN}")
ACMES = InProduct(20002, f"organization:{ACME}")
OTHER = InProduct(20003, f"user:{'c' * 24}")
OF_OLD = InProduct(20004)
ORGANIZATION = InOrganization(ACME, ANN)

# The matrix: what the lowest role is that may do each of these.
LOWEST = {
    "devices:list": Role.VIEW_ONLY,
    "firmware:get": Role.VIEW_ONLY,
    "groups.impact:get": Role.VIEW_ONLY,
    "teams.users:list": Role.VIEW_ONLY,
    "history:list": Role.VIEW_ONLY,
    "devices.diagnostics:get": Role.VIEW_ONLY,
    "devices.diagnostics:update": Role.SUPPORT,
    "devices.variable:get": Role.SUPPORT,
    "devices.function:call": Role.SUPPORT,
    "devices:ping": Role.SUPPORT,
    "sims:update": Role.SUPPORT,
    "devices:update": Role.DEVELOPER,
    "devices:remove": Role.DEVELOPER,
    "devices:release": Role.DEVELOPER,
    "events:send": Role.DEVELOPER,
    "groups:create": Role.DEVELOPER,
    "firmware:release": Role.DEVELOPER,
    "clients:create": Role.DEVELOPER,
    "products:create": Role.DEVELOPER,
    "teams.users:invite": Role.ADMINISTRATOR,
    "products:update": Role.ADMINISTRATOR,
    "service_agreements:list": Role.ADMINISTRATOR,
    "products:transfer": Role.OWNER,
    "products:remove": Role.OWNER,
    "billing:update": Role.OWNER,
}


@pytest.mark.parametrize(("scope", "lowest"), LOWEST.items())
def test_a_role_may_what_the_matrix_says(scope: str, lowest: Role) -> None:
    ranks = [*Role]
    for role in Role:
        may = ranks.index(role) <= ranks.index(lowest)
        assert (scope in SCOPES_OF[role]) == may, role


def test_every_role_may_all_that_a_lower_one_may() -> None:
    ranks = [SCOPES_OF[role] for role in Role]
    assert all(higher > lower for higher, lower in pairwise(ranks))


def test_who_a_product_belongs_to_is_its_owner() -> None:
    assert role_on(Grants(user_id=ANN), PRODUCT) is Role.OWNER
    assert scopes_on(Grants(user_id=ANN), PRODUCT) == SCOPES_OF[Role.OWNER]


def test_a_member_has_the_scopes_of_the_role_in_that_product_alone() -> None:
    bob = Grants(user_id=BOB, teams={"20001": Role.SUPPORT})
    assert scopes_on(bob, PRODUCT) == SCOPES_OF[Role.SUPPORT]
    assert scopes_on(bob, OTHER) == frozenset()
    assert scopes_on(bob, ACMES) == frozenset()


def test_an_organization_s_roles_reach_all_its_products() -> None:
    bob = Grants(user_id=BOB, teams={ACME: Role.DEVELOPER})
    assert role_on(bob, ORGANIZATION) is Role.DEVELOPER
    assert role_on(bob, ACMES) is Role.DEVELOPER
    assert role_on(bob, PRODUCT) is None


def test_of_two_roles_the_higher_counts() -> None:
    teams = {ACME: Role.VIEW_ONLY, "20002": Role.DEVELOPER}
    assert role_on(Grants(user_id=BOB, teams=teams), ACMES) is Role.DEVELOPER
    teams = {ACME: Role.ADMINISTRATOR, "20002": Role.VIEW_ONLY}
    assert role_on(Grants(user_id=BOB, teams=teams), ACMES) is Role.ADMINISTRATOR


def test_a_product_of_old_belongs_to_nobody() -> None:
    assert role_on(Grants(user_id=ANN), OF_OLD) is None
    assert role_on(Grants(), OF_OLD) is None
    assert not knows(Grants(), OF_OLD)
    assert scopes_on(Grants(administrator=True, user_id=ANN), OF_OLD) == EVERYTHING


def test_an_administrator_may_everything_everywhere() -> None:
    root = Grants(user_id=ANN, administrator=True)
    for place in (OTHER, ORGANIZATION, AtDevice(BOB), Installation(), OwnThings()):
        assert scopes_on(root, place) == EVERYTHING
        assert allows(scopes_on(root, place), "anything:at-all")


def test_nobody_else_may_look_at_the_installation() -> None:
    assert (
        scopes_on(Grants(user_id=ANN, teams={"20001": Role.OWNER}), Installation()) == frozenset()
    )


def test_a_token_limits_whoever_uses_it() -> None:
    limits = frozenset({"devices:list", "status:get"})
    assert scopes_on(Grants(user_id=ANN, limits=limits), PRODUCT) == {"devices:list"}
    assert scopes_on(Grants(user_id=ANN, administrator=True, limits=limits), PRODUCT) == limits
    assert knows(Grants(user_id=ANN, limits=frozenset()), PRODUCT)


@pytest.mark.parametrize("every", ["*", "*:*"])
def test_a_token_of_every_scope_limits_nothing(every: str) -> None:
    grants = Grants(user_id=ANN, limits=frozenset({every}))
    assert scopes_on(grants, PRODUCT) == SCOPES_OF[Role.OWNER]


def test_an_api_user_has_its_scopes_in_its_team_alone() -> None:
    program = Grants(api_user_id="p", team="20001", team_scopes=frozenset({"devices:list"}))
    assert scopes_on(program, PRODUCT) == {"devices:list"}
    assert scopes_on(program, OTHER) == frozenset()
    assert not knows(program, OTHER)


def test_an_api_user_of_an_organization_reaches_its_products() -> None:
    program = Grants(api_user_id="p", team=ACME, team_scopes=frozenset({"devices:list"}))
    assert scopes_on(program, ACMES) == {"devices:list"}
    assert scopes_on(program, ORGANIZATION) == {"devices:list"}
    assert scopes_on(program, PRODUCT) == frozenset()


def test_an_api_user_never_has_more_than_api_users_may() -> None:
    scopes = frozenset({"products:update", "products:remove", "history:list", "devices:get"})
    program = Grants(api_user_id="p", team="20001", team_scopes=scopes)
    assert scopes_on(program, PRODUCT) == {"devices:get"}
    assert "customers:create" not in API_USER_SCOPES


def test_an_api_user_without_scopes_knows_its_product_still() -> None:
    program = Grants(api_user_id="p", team="20001")
    assert knows(program, PRODUCT)
    assert not knows(program, ACMES)


def test_a_product_s_own_token_is_a_developer_s_there_and_nothing_elsewhere() -> None:
    token = Grants(product_id=20001)
    assert "devices:update" in scopes_on(token, PRODUCT)
    assert "teams.users:invite" not in scopes_on(token, PRODUCT)
    assert "products:update" not in scopes_on(token, PRODUCT)
    assert scopes_on(token, ACMES) == frozenset()
    assert scopes_on(token, ORGANIZATION) == frozenset()
    assert "products:create" not in scopes_on(token, OwnThings())


def test_a_device_is_its_owner_s_and_its_product_team_s() -> None:
    device = AtDevice(BOB, PRODUCT)
    own = scopes_on(Grants(user_id=BOB), device)
    assert {"devices:get", "devices:release", "devices.function:call"} <= own
    assert "devices:remove" not in own
    assert scopes_on(Grants(user_id=ANN), device) == SCOPES_OF[Role.OWNER]
    assert scopes_on(Grants(user_id="c" * 24), device) == frozenset()


def test_a_device_that_nobody_claimed_is_not_everybody_s() -> None:
    assert scopes_on(Grants(), AtDevice()) == frozenset()
    assert scopes_on(Grants(product_id=1), AtDevice()) == frozenset()
    assert scopes_on(Grants(user_id=ANN), AtDevice()) == frozenset()


CUSTOMER = Grants(customer_id="d" * 24, product_id=20001)
HOLDER = f"customer:{'d' * 24}"


def test_a_customer_has_devices_and_what_lets_them_in() -> None:
    assert "devices:list" in scopes_on(CUSTOMER, OwnThings())
    for scope in ("user:get", "products:list", "clients:create", "serial_numbers:get"):
        assert scope not in scopes_on(CUSTOMER, OwnThings())


def test_a_customer_may_do_nothing_in_their_product_but_claim() -> None:
    assert scopes_on(CUSTOMER, PRODUCT) == {"devices:claim"}
    for place in (ACMES, OTHER, ORGANIZATION, Installation()):
        assert scopes_on(CUSTOMER, place) == frozenset()


def test_a_device_of_the_product_is_a_customer_s_if_they_claimed_it() -> None:
    own = scopes_on(CUSTOMER, AtDevice(HOLDER, PRODUCT))
    assert {"devices:get", "devices:release", "devices.function:call"} <= own
    assert not {"history:list", "devices:transfer", "devices.diagnostics:get"} & own
    for device in (
        AtDevice("", PRODUCT),
        AtDevice(ANN, PRODUCT),
        AtDevice(f"customer:{'e' * 24}", PRODUCT),
        AtDevice("d" * 24, PRODUCT),
        AtDevice(HOLDER, ACMES),
        AtDevice(HOLDER),
    ):
        assert scopes_on(CUSTOMER, device) == frozenset()
        assert not knows(CUSTOMER, device)


def test_a_user_is_no_customer_of_the_same_id() -> None:
    assert scopes_on(Grants(user_id="d" * 24), AtDevice(HOLDER, OTHER)) == frozenset()


def test_a_limited_token_limits_a_customer_too() -> None:
    limited = Grants(
        customer_id="d" * 24, product_id=20001, limits=frozenset({"devices:list", "user:get"})
    )
    assert scopes_on(limited, OwnThings()) == {"devices:list"}
    assert scopes_on(limited, AtDevice(HOLDER, PRODUCT)) == frozenset()


def test_without_a_token_nothing_is_one_s_own() -> None:
    assert scopes_on(Grants(), OwnThings()) == frozenset()


@pytest.mark.parametrize("text", ["View-only", "view_only", " VIEW ONLY ", "view-only"])
def test_a_role_is_understood_however_it_is_spelled(text: str) -> None:
    assert role_named(text) is Role.VIEW_ONLY


def test_what_is_no_role_is_none() -> None:
    assert role_named("root") is None


def test_scopes_are_spelled_like_scopes() -> None:
    assert all(scope.count(":") == 1 and scope == scope.lower() for scope in SCOPES)
