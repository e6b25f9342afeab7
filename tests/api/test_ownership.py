"""Ownership of products and organizations: offered, accepted, declined, handed over."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from domain.roles import Role
from tests.api.company import Company, until
from tests.api.teams import Somebody


def offer(company: Company, who: Somebody) -> None:
    answer = company.owner.post(company.path + "/transfer", json={"username": who.email})
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"ok": True, "pending": True}


def offers_to(company: Company, who: Somebody) -> list[dict[str, Any]]:
    offers: list[dict[str, Any]] = company.call(who).get("/v1/user/transfers").json()["transfers"]
    return offers


def answered(company: Company, who: Somebody, word: str, team: str = "") -> int:
    path = f"/v1/user/transfers/{team or company.team}/{word}"
    return company.call(who).post(path).status_code


def test_a_product_is_offered_and_belongs_to_who_accepts(company: Company) -> None:
    grace = company.member(Role.DEVELOPER)
    offer(company, grace)
    (asked,) = offers_to(company, grace)
    assert (asked["product_id"], asked["name"]) == (int(company.team), "Lamp")
    assert asked["offered_by"] == company.ada.email
    assert company.roles() == {company.ada.email: "Owner", grace.email: "Developer"}

    assert answered(company, grace, "accept") == 200
    assert offers_to(company, grace) == []
    client = company.call(grace)
    assert client.get(company.path).json()["product"]["user"] == grace.email
    until(lambda: company.owner.delete(company.path + "/transfer").status_code == 403)
    # Who had it stays, and may all but what owners may.
    team = {
        one["username"]: one["role"]["name"]
        for one in client.get(company.path + "/team").json()["team"]
    }
    assert team == {grace.email: "Owner", company.ada.email: "Administrator"}
    until(lambda: client.delete(f"{company.path}/team/{company.ada.email}").status_code == 200)
    until(lambda: company.owner.get(company.path).status_code == 403)


def test_whose_it_was_is_known_of_any_time(company: Company) -> None:
    grace = company.member(Role.DEVELOPER)
    before = company.owner.get(company.path).headers["X-Rollcall-Position"]
    offer(company, grace)
    assert answered(company, grace, "accept") == 200
    for as_of, owner in (({"as_of": before}, company.ada), ({}, grace)):
        product = company.call(grace).get(company.path, params=as_of).json()["product"]
        assert product["user"] == owner.email


def test_there_is_always_somebody_who_may_everything(company: Company) -> None:
    grace = company.member(Role.VIEW_ONLY)
    offer(company, grace)
    assert answered(company, grace, "accept") == 200
    error = company.call(grace).delete(f"/v1/user/memberships/{company.team}")
    assert (error.status_code, error.json()["error"]) == (409, "owner_stays")


def test_only_members_become_owners(company: Company) -> None:
    stranger = company.user("stranger")
    for email in (stranger.email, "nobody@example.com"):
        error = company.refused("POST", "/transfer", 400, json={"username": email})
        assert (error["error"], error["field"]) == ("new_owner_unrelated", "username")
    assert company.refused("POST", "/transfer", 400, json={})["field"] == "username"


def test_who_was_removed_meanwhile_does_not_accept(company: Company) -> None:
    grace = company.member(Role.DEVELOPER)
    offer(company, grace)
    company.owner.delete(f"{company.path}/team/{grace.email}")
    assert answered(company, grace, "accept") == 400
    assert company.roles() == {company.ada.email: "Owner"}


def test_only_the_owner_offers(company: Company) -> None:
    grace = company.member(Role.ADMINISTRATOR)
    answer = company.call(grace).post(company.path + "/transfer", json={"username": grace.email})
    assert (answer.status_code, answer.json()["error"]) == (403, "insufficient_scope")


def test_an_offer_is_declined_or_withdrawn(company: Company) -> None:
    grace = company.member(Role.DEVELOPER)
    offer(company, grace)
    assert answered(company, grace, "decline") == 200
    assert answered(company, grace, "accept") == 404
    offer(company, grace)
    assert company.owner.delete(company.path + "/transfer").json() == {"ok": True}
    assert offers_to(company, grace) == []
    assert answered(company, grace, "accept") == 404


def test_nobody_accepts_what_another_is_offered(company: Company) -> None:
    grace, joan = company.member(Role.DEVELOPER), company.member(Role.DEVELOPER)
    offer(company, grace)
    for word in ("accept", "decline"):
        assert answered(company, joan, word) == 404
        assert answered(company, joan, word, "64999") == 404
    offer(company, joan)
    assert answered(company, grace, "accept") == 404


def test_of_many_acceptances_at_once_one_transfers(company: Company) -> None:
    grace = company.member(Role.DEVELOPER)
    offer(company, grace)
    company.call(grace)
    with ThreadPoolExecutor(6) as pool:
        statuses = set(pool.map(lambda _: answered(company, grace, "accept"), range(6)))
    assert statuses <= {200, 404}
    history = company.call(grace).get(
        company.path + "/history", params={"name": "OwnershipTransferred"}
    )
    (event,) = history.json()["events"]
    assert event["event"]["owner"] == f"user:{grace.user_id}"
    assert event["event"]["before"] == f"user:{company.ada.user_id}"


def test_who_is_removed_while_they_accept_owns_it_or_is_gone(company: Company) -> None:
    for _ in range(4):
        grace = company.member(Role.DEVELOPER)
        offer(company, grace)
        company.call(grace)
        with ThreadPoolExecutor(2) as pool:
            accepted = pool.submit(answered, company, grace, "accept")
            removed = pool.submit(company.owner.delete, f"{company.path}/team/{grace.email}")
            status = removed.result().status_code
        assert (accepted.result(), status) in {(200, 409), (200, 403), (400, 200), (404, 200)}
        if accepted.result() == 200:
            return


def test_a_product_goes_to_an_organization_that_one_administers_at_once(
    company: Company,
) -> None:
    slug = f"lamps-{company.team}"
    answer = company.owner.post("/v1/orgs", json={"name": "Lamps", "slug": slug})
    organization_id = answer.json()["organization"]["id"]
    answer = company.owner.post(company.path + "/transfer", json={"organization": slug})
    assert answer.json() == {"ok": True, "pending": False}
    product = company.owner.get(company.path).json()["product"]
    assert (product["organization_id"], product["user"]) == (organization_id, None)
    until(lambda: company.owner.get(f"/v1/orgs/{slug}/products").json()["products"] != [])


def test_a_product_goes_to_no_organization_of_others(company: Company) -> None:
    theirs = company.organization(company.user("joan"))
    for named in (theirs, "unheard-of"):
        error = company.refused("POST", "/transfer", 404, json={"organization": named})
        assert error["error_description"] == "Organization not found."


def test_an_organization_is_offered_and_accepted(company: Company) -> None:
    key = company.organization(company.ada)
    company.team, number = key, company.team
    grace = company.member(Role.DEVELOPER)
    company.team = number
    path = f"/v1/orgs/{key}/transfer"
    assert company.owner.post(path, json={"username": grace.email}).json()["pending"] is True
    (asked,) = offers_to(company, grace)
    assert (asked["organization_id"], asked["product_id"]) == (key, None)
    assert answered(company, grace, "accept", key) == 200
    client = company.call(grace)
    until(lambda: client.delete(path).status_code == 200)
    team = {
        one["username"]: one["role"]["name"]
        for one in client.get(f"/v1/orgs/{key}/team").json()["team"]
    }
    assert team == {grace.email: "Owner", company.ada.email: "Administrator"}
