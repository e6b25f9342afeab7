"""Organizations: made, named, owning products; and their teams, who work on all of them."""

import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from domain.roles import Role
from tests.api.company import Company, until
from tests.api.teams import Somebody


class Acme:
    """An organization of the company's owner, and what calls about it are answered."""

    def __init__(self, company: Company) -> None:
        self.company = company
        self.slug = f"acme-{secrets.token_hex(4)}"
        answer = company.owner.post("/v1/orgs", json={"name": "Acme", "slug": self.slug})
        assert answer.status_code == 201, answer.text
        self.object: dict[str, Any] = answer.json()["organization"]
        self.id = str(self.object["id"])
        self.path = f"/v1/orgs/{self.id}"

    def product(self, by: httpx.Client | None = None) -> str:
        """The path of a new product of the organization."""
        wanted = {"product": {"name": "Bulb", "platform_id": 6}}
        answer = (by or self.company.owner).post(self.path + "/products", json=wanted)
        assert answer.status_code == 201, answer.text
        return f"/v1/products/{answer.json()['product']['id']}"

    def member(self, role: Role) -> Somebody:
        who = self.company.user(role.value)
        answer = self.company.owner.post(
            f"/v1/orgs/{self.slug}/team", json={"username": who.email, "role": role.value}
        )
        assert answer.status_code == 200, answer.text
        answer = self.company.call(who).post(f"/v1/user/invitations/{self.id}/accept")
        assert answer.status_code == 200, answer.text
        return who


@pytest.fixture
def acme(company: Company) -> Acme:
    return Acme(company)


def test_an_organization_is_created_and_found_by_id_and_slug(company: Company, acme: Acme) -> None:
    assert acme.object == {"id": acme.id, "slug": acme.slug, "name": "Acme"}
    for named in (acme.id, acme.slug):
        assert company.owner.get(f"/v1/orgs/{named}").json() == {"organization": acme.object}
    assert acme.object in company.owner.get("/v1/orgs").json()["organizations"]


def test_without_a_slug_it_gets_one_of_its_name(company: Company) -> None:
    answer = company.owner.post("/v1/orgs", json={"organization": {"name": "Lámpen & Co"}})
    slug = answer.json()["organization"]["slug"]
    assert slug.startswith("l-mpen-co-")
    assert company.owner.get(f"/v1/orgs/{slug}").status_code == 200


@pytest.mark.parametrize("slug", ["", "Acme", "a b", "-a", "a" * 65, "e" * 24, 7])
def test_a_slug_that_cannot_be_is_refused(company: Company, slug: object) -> None:
    answer = company.owner.post("/v1/orgs", json={"name": "Acme", "slug": slug})
    assert (answer.status_code, answer.json()["field"]) == (400, "slug")


def test_of_many_who_take_the_same_slug_one_has_it(company: Company) -> None:
    slug = f"acme-{secrets.token_hex(4)}"

    def create(_: int) -> int:
        return company.owner.post("/v1/orgs", json={"name": "A", "slug": slug}).status_code

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(create, range(6))) == [201] + [409] * 5


def test_the_same_call_again_creates_no_second_one(company: Company) -> None:
    sent = {"json": {"name": "Acme"}, "headers": {"Idempotency-Key": secrets.token_hex(8)}}
    first, second = (company.owner.post("/v1/orgs", **sent) for _ in range(2))  # type: ignore[arg-type]
    assert first.json() == second.json()


def test_an_organization_is_renamed_and_keeps_its_slug(company: Company, acme: Acme) -> None:
    answer = company.owner.put(acme.path, json={"name": "Licht AG"})
    renamed = {**acme.object, "name": "Licht AG"}
    assert answer.json() == {"organization": renamed}
    assert company.owner.get(acme.path).json() == {"organization": renamed}


def test_its_products_are_its_own(company: Company, acme: Acme) -> None:
    product = acme.product()
    found = company.owner.get(product).json()["product"]
    assert (found["organization_id"], found["user"]) == (acme.id, None)
    listed = company.owner.get(acme.path + "/products").json()["products"]
    assert [one["id"] for one in listed] == [found["id"]]
    mine = [one["id"] for one in company.owner.get("/v1/user/products").json()["products"]]
    assert set(mine) == {found["id"], int(company.team)}


def test_a_role_in_the_organization_is_the_role_in_each_of_its_products(
    company: Company, acme: Acme
) -> None:
    product = acme.product()
    viewer, developer = acme.member(Role.VIEW_ONLY), acme.member(Role.DEVELOPER)
    later = acme.product()
    for path in (product, later):
        for who, created in ((viewer, 403), (developer, 201)):
            answer = company.call(who).post(path + "/groups", json={"name": "beta"})
            assert answer.status_code == created, answer.text
    assert company.call(developer).get(company.path).status_code == 403
    assert acme.product(company.call(developer))
    wanted = {"name": "Bulb", "platform_id": 6}
    refused = company.call(viewer).post(acme.path + "/products", json=wanted)
    assert (refused.status_code, refused.json()["error"]) == (403, "insufficient_scope")
    known = [one["id"] for one in company.call(viewer).get("/v1/orgs").json()["organizations"]]
    assert known == [acme.id]


def test_who_is_removed_from_the_organization_loses_all_its_products(
    company: Company, acme: Acme
) -> None:
    product, grace = acme.product(), acme.member(Role.ADMINISTRATOR)
    client = company.call(grace)
    assert client.get(product).status_code == 200
    assert company.owner.delete(f"{acme.path}/team/{grace.email}").status_code == 200
    until(lambda: client.get(product).status_code == 403)
    until(lambda: client.get(acme.path).status_code == 403)


def test_the_higher_of_two_roles_counts(company: Company, acme: Acme) -> None:
    product, grace = acme.product(), acme.member(Role.VIEW_ONLY)
    answer = company.owner.post(
        product + "/team", json={"username": grace.email, "role": "Developer"}
    )
    assert answer.status_code == 200, answer.text
    number = product.rpartition("/")[2]
    client = company.call(grace)
    assert client.post(f"/v1/user/invitations/{number}/accept").status_code == 200
    assert client.post(product + "/groups", json={"name": "beta"}).status_code == 201


def test_a_program_of_the_organization_works_on_its_products_and_stands_on_their_lists(
    company: Company, acme: Acme
) -> None:
    product = acme.product()
    sent = {"friendly_name": "Import", "scopes": ["groups:list", "products:list"]}
    created = company.owner.post(acme.path + "/team", json=sent).json()["created"]
    with company.served.client(token=created["tokens"][0]["token"]) as client:
        assert client.get(product + "/groups").status_code == 200
        assert client.get(company.path + "/groups").status_code == 403
        assert client.get(acme.path + "/products").json()["products"][0]["name"] == "Bulb"
        assert client.get(acme.path).status_code == 403
    for path in (product, acme.path):
        programs = [
            one
            for one in company.owner.get(path + "/team").json()["team"]
            if one.get("is_programmatic")
        ]
        assert [one["organization_id"] for one in programs] == [acme.id]
    # It is the organization's: from the product it is seen, not governed.
    path = f"{product}/team/{created['username']}"
    assert company.owner.delete(path).status_code == 404


def test_to_others_an_organization_is_not_there(company: Company, acme: Acme) -> None:
    stranger = company.user("stranger")
    client = company.call(stranger)
    assert client.get("/v1/orgs").json() == {"organizations": []}
    for named in (acme.id, acme.slug):
        for below in ("", "/products", "/team"):
            answer = client.get(f"/v1/orgs/{named}{below}")
            unknown = client.get(f"/v1/orgs/unheard-of{below}")
            assert answer.status_code == unknown.status_code == 403
            assert answer.json() == unknown.json()


def test_its_team_is_told_as_it_was(company: Company, acme: Acme) -> None:
    grace = acme.member(Role.SUPPORT)
    then = company.owner.get(acme.path + "/team").headers["X-Rollcall-Position"]
    company.owner.delete(f"{acme.path}/team/{grace.email}")
    answer = company.owner.get(acme.path + "/team", params={"as_of": then})
    roles = {one["username"]: one["role"]["name"] for one in answer.json()["team"]}
    assert roles == {company.ada.email: "Owner", grace.email: "Support"}


def test_its_owner_is_on_its_teams_list_and_nowhere_removed(company: Company, acme: Acme) -> None:
    (owner,) = company.owner.get(acme.path + "/team").json()["team"]
    assert (owner["username"], owner["role"]["name"]) == (company.ada.email, "Owner")
    assert company.owner.get(acme.product() + "/team").json()["team"] == []
    answer = company.owner.delete(f"{acme.path}/team/{company.ada.email}")
    assert (answer.status_code, answer.json()["error"]) == (409, "owner_stays")
