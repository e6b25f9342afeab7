"""Teams of products: who is on them, how people come and go, and what that does to their rights."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.roles import Role
from domain.team import InviteMember
from tests.api.company import Company, until
from tests.api.teams import Somebody, ago


def test_at_first_the_owner_is_alone(company: Company) -> None:
    (owner,) = company.listed()
    assert owner["_id"] == company.ada.user_id
    assert owner["username"] == company.ada.email
    assert owner["role"] == {"id": "owner", "name": "Owner"}
    slash = company.owner.get(company.path + "/team/")
    assert slash.json() == company.owner.get(company.path + "/team").json()


def test_an_account_is_invited_and_pends_until_it_accepts(company: Company) -> None:
    grace = company.user("grace")
    invited = company.invite(grace, role="Support")
    assert invited["username"] == grace.email
    _, pending = company.listed()
    assert pending["pending"] is True
    assert pending["role"] == {"id": "support", "name": "Support"}
    assert company.call(grace).get(company.path).status_code == 403

    (asked,) = company.call(grace).get("/v1/user/invitations").json()["invitations"]
    assert asked["team"]["product_id"] == int(company.team)
    assert asked["role"]["name"] == "Support"
    assert asked["invited_by"] == company.ada.email
    assert asked["expired"] is False
    left = datetime.fromisoformat(asked["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=13, hours=23) < left < timedelta(days=14)

    company.answer(grace, "accept")
    assert company.roles() == {company.ada.email: "Owner", grace.email: "Support"}
    # What was just given works at once.
    assert company.call(grace).get(company.path).status_code == 200
    assert company.call(grace).get("/v1/user/invitations").json()["invitations"] == []
    (seat,) = company.call(grace).get("/v1/user/memberships").json()["memberships"]
    assert (seat["team"]["name"], seat["role"]["name"]) == ("Lamp", "Support")


def test_who_is_invited_without_a_role_becomes_a_developer(company: Company) -> None:
    grace = company.user("grace")
    answer = company.owner.post(
        company.path + "/team", data={"username": f" {grace.email.upper()}"}
    )
    assert answer.json()["invited"]["role"]["name"] == "Developer"


def test_an_e_mail_that_no_account_has_is_refused_and_nothing_is_made(company: Company) -> None:
    error = company.refused("POST", "/team", 400, json={"username": "nobody@example.com"})
    assert (error["error"], error["field"]) == ("user_not_found", "username")
    assert len(company.listed()) == 1


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({}, "username"),
        ({"username": ""}, "username"),
        ({"username": "a" * 255}, "username"),
        ({"username": "ada@example.com", "role": "King"}, "role"),
        ({"username": ["ada@example.com"]}, "username"),
        ({"friendly_name": "Import"}, "scopes"),
        ({"scopes": ["devices:list"]}, "friendly_name"),
        ({"friendly_name": "", "scopes": ["devices:list"]}, "friendly_name"),
    ],
)
def test_an_invitation_that_cannot_be_is_refused(
    company: Company, sent: dict[str, Any], field: str
) -> None:
    assert company.refused("POST", "/team", 400, json=sent)["field"] == field


def test_nobody_is_invited_to_own(company: Company) -> None:
    grace = company.user("grace")
    sent = {"username": grace.email, "role": "Owner"}
    assert company.refused("POST", "/team", 400, json=sent)["field"] == "role"


def test_who_is_there_is_not_invited(company: Company) -> None:
    grace = company.member(Role.SUPPORT)
    for email in (grace.email, company.ada.email):
        error = company.refused("POST", "/team", 409, json={"username": email})
        assert error["error"] == "already_member"


def test_who_declines_is_not_on_the_team_and_may_be_asked_again(company: Company) -> None:
    grace = company.user("grace")
    company.invite(grace)
    company.answer(grace, "decline")
    company.answer(grace, "decline")
    assert len(company.listed()) == 1
    company.answer(grace, "accept", 404)
    company.invite(grace, role="View-only")
    company.answer(grace, "accept")
    assert company.roles()[grace.email] == "View-only"


def test_an_invitation_is_withdrawn(company: Company) -> None:
    grace = company.user("grace")
    company.invite(grace)
    answer = company.owner.delete(f"{company.path}/team/{grace.email}")
    assert answer.json() == {"ok": True}
    company.answer(grace, "accept", 404)
    assert company.call(grace).get("/v1/user/invitations").json()["invitations"] == []


def test_an_invitation_that_is_over_says_so_and_is_not_accepted(company: Company) -> None:
    grace = company.user("grace")
    invite = InviteMember(
        team=company.team,
        user_id=grace.user_id,
        role=Role.SUPPORT,
        at=ago(days=15),
        expires_at=ago(days=1),
    )
    company.those.do(invite)
    (asked,) = company.call(grace).get("/v1/user/invitations").json()["invitations"]
    assert asked["expired"] is True
    assert company.listed()[1]["expired"] is True
    assert company.answer(grace, "accept", 409)["error"] == "invitation_over"
    company.invite(grace)
    company.answer(grace, "accept")


def test_nobody_answers_what_somebody_else_is_asked(company: Company) -> None:
    grace, joan = company.user("grace"), company.user("joan")
    company.invite(grace)
    for word in ("accept", "decline"):
        company.answer(joan, word, 404)
    for team in ("0", "64999", "nothing", "f" * 24, "x" * 300):
        answer = company.call(grace).post(f"/v1/user/invitations/{team}/accept")
        assert answer.status_code == 404, answer.text


def test_of_many_who_accept_at_once_one_event_comes(company: Company) -> None:
    grace = company.user("grace")
    company.invite(grace)
    client = company.call(grace)

    def accept(_: int) -> int:
        return client.post(f"/v1/user/invitations/{company.team}/accept").status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(accept, range(8))) == {200}
    answer = company.owner.get(company.path + "/history", params={"name": "InvitationAccepted"})
    assert len(answer.json()["events"]) == 1


def test_who_accepts_while_their_invitation_is_withdrawn_is_not_on_the_team(
    company: Company,
) -> None:
    guests = [company.user("grace") for _ in range(6)]
    for guest in guests:
        company.invite(guest)
        company.call(guest)

    def meet(guest: Somebody) -> tuple[int, int]:
        with ThreadPoolExecutor(2) as pool:
            path = f"/v1/user/invitations/{company.team}/accept"
            accepted = pool.submit(company.call(guest).post, path)
            removed = pool.submit(company.owner.delete, f"{company.path}/team/{guest.email}")
            return accepted.result().status_code, removed.result().status_code

    for guest in guests:
        accepted, removed = meet(guest)
        # Whichever came first, nobody is on the team whom the owner did not want there.
        assert (accepted, removed) in {(404, 200), (200, 200)}
        assert guest.email not in company.roles()


def test_a_member_gets_another_role_by_either_verb(company: Company) -> None:
    grace = company.member(Role.VIEW_ONLY)
    client = company.call(grace)
    wanted = {"name": "beta"}
    assert client.post(company.path + "/groups", json=wanted).status_code == 403
    for verb, role in (("PUT", "Administrator"), ("POST", "Developer")):
        path = f"{company.path}/team/{grace.email}"
        answer = company.owner.request(verb, path, json={"role": role})
        assert answer.status_code == 200, answer.text
        assert answer.json()["updated"]["role"]["name"] == role
        assert company.roles()[grace.email] == role
    until(lambda: client.post(company.path + "/groups", json=wanted).status_code in (201, 409))
    member = company.owner.get(f"{company.path}/team/{grace.email}").json()["member"]
    assert (member["_id"], member["role"]["name"]) == (grace.user_id, "Developer")


def test_a_removed_member_loses_the_product_within_a_second(company: Company) -> None:
    grace = company.member(Role.ADMINISTRATOR)
    client = company.call(grace)
    assert client.get(company.path).status_code == 200
    assert company.owner.delete(f"{company.path}/team/{grace.email}").json() == {"ok": True}
    until(lambda: client.get(company.path).status_code == 403)
    # The token itself works on: only the product is not theirs any more.
    assert client.get("/v1/user").status_code == 200
    assert client.get("/v1/user/products").json()["products"] == []


def test_a_member_leaves_whatever_their_role(company: Company) -> None:
    for role in (Role.VIEW_ONLY, Role.DEVELOPER):
        grace = company.member(role)
        answer = company.call(grace).delete(f"/v1/user/memberships/{company.team}")
        assert answer.json() == {"ok": True}
        assert grace.email not in company.roles()
        again = company.call(grace).delete(f"/v1/user/memberships/{company.team}")
        assert again.status_code == 404
    joan = company.member(Role.ADMINISTRATOR)
    assert company.call(joan).delete(f"{company.path}/team/{joan.email}").status_code == 200
    (event,) = company.owner.get(
        company.path + "/history", params={"name": "MemberLeft", "per_page": 1}
    ).json()["events"]
    assert event["event"]["user_id"] == joan.user_id


def test_the_owner_is_not_removed_or_demoted_and_does_not_leave(company: Company) -> None:
    grace = company.member(Role.ADMINISTRATOR)
    path = f"{company.path}/team/{company.ada.email}"
    for client in (company.owner, company.call(grace)):
        for answer in (client.delete(path), client.put(path, json={"role": "View-only"})):
            assert answer.status_code == 409, answer.text
            assert answer.json()["error"] == "owner_stays"
    assert company.roles()[company.ada.email] == "Owner"


def test_who_is_not_on_the_team_is_not_found(company: Company) -> None:
    stranger = company.user("stranger")
    for email in (stranger.email, "nobody@example.com", "x" * 300, "p+0@api.particle.io"):
        for method in ("GET", "DELETE"):
            error = company.refused(method, f"/team/{email}", 404)
            assert error["error"] == "member_unknown"
        company.refused("PUT", f"/team/{email}", 404, json={"role": "Support"})
        company.refused("PUT", f"/team/{email}/token", 404)


def test_an_administrator_of_the_product_gives_every_role_but_the_owners(company: Company) -> None:
    grace, joan = company.member(Role.ADMINISTRATOR), company.user("joan")
    for role in ("Administrator", "View-only"):
        sent = {"username": joan.email, "role": role}
        answer = company.call(grace).post(company.path + "/team", json=sent)
        assert answer.status_code == 200, answer.text


def test_a_token_with_few_scopes_gives_no_role_that_may_more(company: Company) -> None:
    joan = company.user("joan")
    few = company.holder(
        company.ada.user_id, company.ada.email, scopes=("teams.users:invite", "devices:list")
    )
    sent = {"username": joan.email, "role": "View-only"}
    answer = company.call(few).post(company.path + "/team", json=sent)
    assert (answer.status_code, answer.json()["error"]) == (400, "role_not_given")


def test_what_happens_to_the_team_stands_in_the_products_history(company: Company) -> None:
    grace = company.user("grace")
    company.invite(grace)
    company.answer(grace, "accept")
    events = company.owner.get(company.path + "/history").json()["events"]
    names = [event["name"] for event in events]
    assert names[:2] == ["InvitationAccepted", "MemberInvited"]
    assert grace.email not in str(events[0]["event"])


def test_who_is_erased_is_on_no_list(company: Company) -> None:
    grace = company.member(Role.SUPPORT)
    company.those.erase(grace.user_id)
    assert company.roles() == {company.ada.email: "Owner"}


def test_a_team_is_told_as_it_was(company: Company) -> None:
    grace, joan = company.member(Role.SUPPORT), company.user("joan")
    program = company.add_program(["devices:list"])
    company.invite(joan)
    told = company.owner.get(company.path + "/team")
    then = told.headers["X-Rollcall-Position"]
    company.owner.delete(f"{company.path}/team/{grace.email}")
    company.those.erase(joan.user_id)

    answer = company.owner.get(company.path + "/team", params={"as_of": then})
    seats = [
        (one["_id"], one["username"], one.get("role", {}).get("name"), one.get("pending"))
        for one in answer.json()["team"]
    ]
    assert seats == [
        (company.ada.user_id, company.ada.email, "Owner", False),
        (grace.user_id, grace.email, "Support", False),
        (joan.user_id, None, "Developer", True),
        (program.api_user_id, told.json()["team"][-1]["username"], None, None),
    ]
    before = company.owner.get(company.path + "/team", params={"as_of": "1"})
    assert before.status_code == 403


def test_members_of_one_team_see_nothing_of_another(company: Company) -> None:
    grace = company.user("grace")
    for method, below in (("GET", "/team"), ("POST", "/team"), ("GET", f"/team/{grace.email}")):
        answer = company.call(grace).request(method, company.path + below)
        unknown = company.call(grace).request(method, "/v1/products/64999" + below)
        assert answer.status_code == unknown.status_code == 403
        assert answer.json() == unknown.json()


def test_a_second_invitation_in_time_is_the_first(company: Company) -> None:
    grace = company.user("grace")
    company.invite(grace)
    company.invite(grace)
    events = company.owner.get(company.path + "/history", params={"name": "MemberInvited"}).json()
    assert len(events["events"]) == 1
