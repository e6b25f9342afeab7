"""API users: programs in a team, each with scopes, and one token that works."""

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from domain.roles import Role
from tests.api.company import Company, until


def create(company: Company, *scopes: str, by: httpx.Client | None = None) -> dict[str, Any]:
    sent = {"friendly_name": "Nightly import", "scopes": list(scopes)}
    answer = (by or company.owner).post(company.path + "/team", json=sent)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    created: dict[str, Any] = answer.json()["created"]
    return created


def token_of(created: dict[str, Any]) -> str:
    (shown,) = created["tokens"]
    return str(shown["token"])


def status(company: Company, token: str, below: str = "/devices", method: str = "GET") -> int:
    with company.served.client(token=token) as client:
        return client.request(method, company.path + below).status_code


def test_a_program_is_created_with_a_token_that_is_shown_once(company: Company) -> None:
    created = create(company, "devices:list", "devices:get")
    assert re.fullmatch(r"nightly-import\+[a-z0-9]{10}@api\.particle\.io", created["username"])
    assert created["is_programmatic"] is True
    assert re.fullmatch("[0-9a-f]{40}", token_of(created))
    _, listed = company.listed()
    assert listed["username"] == created["username"]
    assert listed["friendly_name"] == "Nightly import"
    assert listed["scopes"] == ["devices:get", "devices:list"]
    assert (listed["is_programmatic"], listed["product_id"]) == (True, int(company.team))
    assert "tokens" not in listed


def test_a_program_is_created_by_a_form_too(company: Company) -> None:
    sent = {"friendly_name": "Import", "scopes[]": ["devices:list", "groups:list"]}
    answer = company.owner.post(company.path + "/team", data=sent)
    assert answer.json()["created"]["scopes"] == ["devices:list", "groups:list"]
    assert status(company, token_of(answer.json()["created"]), "/groups") == 200


def test_a_program_may_what_its_scopes_say_there_and_nothing_else(company: Company) -> None:
    token = token_of(create(company, "devices:list"))
    assert status(company, token) == 200
    assert status(company, token, "/groups") == 403
    with company.served.client(token=token) as client:
        assert client.get("/v1/products/64999/devices").status_code == 403
        answer = client.get("/v1/user")
        assert answer.status_code == 400
        assert answer.json()["error"] == "unauthorized"
        wanted = "API users are not allowed to call this endpoint"
        assert answer.json()["error_description"] == wanted


@pytest.mark.parametrize("scope", ["devices:explode", "*", "history:list", "products:transfer"])
def test_what_no_program_may_have_is_not_given(company: Company, scope: str) -> None:
    sent = {"friendly_name": "Import", "scopes": ["devices:list", scope]}
    error = company.refused("POST", "/team", 400, json=sent)
    assert (error["error"], error["field"]) == ("scope_not_given", "scopes")
    assert len(company.listed()) == 1


def test_a_program_gives_no_scope_and_no_role_that_it_has_not(company: Company) -> None:
    token = token_of(create(company, "teams.users:invite", "devices:list"))
    joan = company.user("joan")
    with company.served.client(token=token) as client:
        create(company, "devices:list", by=client)
        for sent in (
            {"friendly_name": "More", "scopes": ["firmware:release"]},
            {"username": joan.email, "role": "Administrator"},
        ):
            answer = client.post(company.path + "/team", json=sent)
            assert answer.status_code == 400, answer.text
            assert answer.json()["error"] in ("scope_not_given", "role_not_given")


@pytest.mark.parametrize("verb", ["PUT", "POST"])
def test_with_other_scopes_a_program_has_another_token(company: Company, verb: str) -> None:
    created = create(company, "devices:list")
    path = f"{company.path}/team/{created['username']}"
    answer = company.owner.request(verb, path, json={"scopes": ["groups:list"]})
    assert answer.status_code == 200, answer.text
    updated = answer.json()["updated"]
    assert updated["scopes"] == ["groups:list"]
    assert status(company, token_of(updated), "/groups") == 200
    assert status(company, token_of(updated), "/devices") == 403
    until(lambda: status(company, token_of(created), "/groups") == 401)


def test_with_another_name_a_program_keeps_its_token(company: Company) -> None:
    created = create(company, "devices:list")
    path = f"{company.path}/team/{created['username']}"
    answer = company.owner.put(path, json={"friendly_name": "Import", "scopes": ["devices:list"]})
    updated = answer.json()["updated"]
    assert (updated["friendly_name"], "tokens" in updated) == ("Import", False)
    assert status(company, token_of(created)) == 200
    company.refused("PUT", f"/team/{created['username']}", 400, json={})


@pytest.mark.parametrize("verb", ["PUT", "POST"])
def test_a_token_is_replaced_and_the_one_before_is_none(company: Company, verb: str) -> None:
    created = create(company, "devices:list")
    path = f"{company.path}/team/{created['username']}/token"
    updated = company.owner.request(verb, path).json()["updated"]
    assert status(company, token_of(updated)) == 200
    until(lambda: status(company, token_of(created)) == 401)


def test_of_many_tokens_asked_for_at_once_one_works(company: Company) -> None:
    created = create(company, "devices:list")
    path = f"{company.path}/team/{created['username']}/token"
    company.owner.get(company.path)

    def replace(_: int) -> str:
        return token_of(company.owner.put(path).json()["updated"])

    with ThreadPoolExecutor(6) as pool:
        tokens = list(pool.map(replace, range(6)))
    until(lambda: sum(status(company, token) == 200 for token in tokens) == 1)


def test_a_removed_program_works_no_longer(company: Company) -> None:
    created = create(company, "devices:list")
    path = f"{company.path}/team/{created['username']}"
    assert company.owner.delete(path).json() == {"ok": True}
    until(lambda: status(company, token_of(created)) == 401)
    assert company.owner.delete(path).status_code == 404
    assert len(company.listed()) == 1


def test_a_program_of_one_product_is_unknown_in_another(company: Company) -> None:
    created = create(company, "devices:list")
    other = Company(company.served, company.those)
    other.found()
    with other.clients:
        for method, below in (("GET", ""), ("DELETE", ""), ("PUT", "/token")):
            other.refused(method, f"/team/{created['username']}{below}", 404)
    assert status(company, token_of(created)) == 200


def test_developers_make_no_programs(company: Company) -> None:
    grace = company.member(Role.DEVELOPER)
    sent = {"friendly_name": "Import", "scopes": ["devices:list"]}
    answer = company.call(grace).post(company.path + "/team", json=sent)
    assert (answer.status_code, answer.json()["error"]) == (403, "insufficient_scope")
