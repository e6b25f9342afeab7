"""A private beta: people are invited, each by a code, and who has none claims nothing."""

import re
from typing import Any

import httpx
import psycopg
import pytest

from api.limits import LIMITS
from domain.activation_code import CODE, CODE_CHARACTERS
from domain.roles import Role
from tests.api.serving import serving
from tests.api.shop import Customer, Shop

ANN, BOB = "ann@example.com", "bob@example.com"


@pytest.fixture
def beta(shop: Shop) -> Shop:
    """A shop in which not everybody may buy."""
    shop.owners.world.put("", requires_activation_codes=True)
    return shop


def invite(shop: Shop, *emails: str) -> Any:
    answer = shop.team.post(shop.path + "/activation_codes", json={"emails": emails})
    assert answer.status_code == 200, answer.text
    return answer.json()


def listed(shop: Shop, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = shop.owners.world.get("/activation_codes", **query)[
        "activation_codes"
    ]
    return found


def mailed(shop: Shop, email: str) -> str:
    """The code in the mail: the log has it under seal."""
    (activation_id,) = [one["id"] for one in listed(shop) if one["email"] == email]
    fleet, seals = shop.owners.world.fleet, shop.owners.those.seals
    issued = next(iter(fleet.events.get(f"activation_code-{activation_id}"))).event
    code = seals.unseal(activation_id, CODE, issued.code)
    assert code is not None
    return code


def ask(customer: Customer, **sent: Any) -> httpx.Response:
    return customer.client.post(customer.shop.path + "/device_claims", json=sent)


def refused(answer: httpx.Response) -> tuple[int, str]:
    said = answer.json()
    assert said["error_description"]
    return answer.status_code, said["error"]


def test_a_product_becomes_a_private_beta_and_is_one_no_longer(shop: Shop) -> None:
    world = shop.owners.world
    assert world.product["requires_activation_codes"] is False
    for wanted in (True, False):
        world.put("", product={"requires_activation_codes": wanted})
        assert world.get()["product"]["requires_activation_codes"] is wanted
    begun = world.api.post(
        "/v1/products",
        json={"name": world.name + " beta", "platform_id": 6, "requires_activation_codes": True},
    )
    assert begun.json()["product"]["requires_activation_codes"] is True


def test_people_are_invited_line_by_line(beta: Shop) -> None:
    assert invite(beta, ANN) == {"ok": True, "invited": [ANN], "existing": [], "invalid": []}
    second = invite(beta, " Ann@example.com", BOB, "nobody", BOB)
    assert second["invited"] == [BOB]
    assert second["existing"] == [" Ann@example.com", BOB]
    assert second["invalid"] == ["nobody"]
    assert [one["email"] for one in listed(beta)] == [ANN, BOB]
    assert [one["email"] for one in listed(beta, page=2, per_page=1)] == [BOB]
    for email in (ANN, BOB):
        assert re.fullmatch(rf"[A-Z2-9]{{{CODE_CHARACTERS}}}", mailed(beta, email))


@pytest.mark.parametrize("emails", [[], ["x"] * 101, "ann@example.com", [3]])
def test_what_is_no_list_of_people_invites_nobody(beta: Shop, emails: Any) -> None:
    answer = beta.team.post(beta.path + "/activation_codes", json={"emails": emails})
    assert (answer.status_code, answer.json()["field"].partition("[")[0]) == (400, "emails")


def test_with_a_code_a_customer_claims(beta: Shop) -> None:
    invite(beta, ANN)
    ann, code = beta.sign_up(ANN), mailed(beta, ANN)
    assert ask(ann, activation_code=f" {code.lower()} ").status_code == 200
    (invited,) = listed(beta)
    assert (invited["customer"], bool(invited["used_at"])) == (ann.id, True)
    # A setup that failed is done again.
    assert ask(ann, activation_code=code).status_code == 200


def test_without_the_right_code_a_customer_claims_nothing(beta: Shop) -> None:
    invite(beta, ANN)
    ann, bob, code = beta.sign_up(ANN), beta.sign_up(BOB), mailed(beta, ANN)
    wrong = "AAAA" if code != "AAAA" else "BBBB"
    assert refused(ask(ann)) == (400, "activation_code_missing")
    assert refused(ask(ann, activation_code=" ")) == (400, "activation_code_missing")
    assert refused(ask(ann, activation_code=wrong)) == (400, "activation_code_wrong")
    assert ask(ann, activation_code=code).status_code == 200
    used = ask(bob, activation_code=code)
    assert refused(used) == (400, "activation_code_spent")
    assert used.json()["field"] == "activation_code"


def test_no_other_address_is_a_way_round(beta: Shop) -> None:
    ann = beta.sign_up(ANN)
    answer = ann.client.post("/v1/device_claims", json={})
    assert refused(answer) == (400, "activation_code_missing")


def test_the_team_and_products_that_are_open_to_all_need_no_code(shop: Shop) -> None:
    ann = shop.sign_up(ANN)
    assert ask(ann).status_code == 200
    shop.owners.world.put("", requires_activation_codes=True)
    assert refused(ask(ann)) == (400, "activation_code_missing")
    developer = shop.owners.member(Role.DEVELOPER).client
    assert developer.post(shop.path + "/device_claims").status_code == 200


def test_a_code_of_another_product_is_wrong(beta: Shop) -> None:
    wanted = {"name": beta.owners.world.name + " other", "platform_id": 6}
    other = beta.team.post("/v1/products", json=wanted).json()["product"]
    path = f"/v1/products/{other['id']}/activation_codes"
    assert beta.team.post(path, json={"emails": [ANN]}).json()["invited"] == [ANN]
    (theirs,) = beta.team.get(path).json()["activation_codes"]
    fleet, seals = beta.owners.world.fleet, beta.owners.those.seals
    issued = next(iter(fleet.events.get(f"activation_code-{theirs['id']}"))).event
    code = seals.unseal(theirs["id"], CODE, issued.code)
    answer = ask(beta.sign_up(ANN), activation_code=code)
    assert refused(answer) == (400, "activation_code_wrong")
    for method, below in (("DELETE", ""), ("POST", "/resend")):
        mine = f"{beta.path}/activation_codes/{theirs['id']}{below}"
        assert refused(beta.team.request(method, mine)) == (404, "not_found")


def test_a_code_is_sent_again_until_it_is_used(beta: Shop) -> None:
    invite(beta, ANN)
    (before,) = listed(beta)
    path = f"{beta.path}/activation_codes/{before['id']}"
    assert beta.team.post(path + "/resend").json() == {"ok": True}
    (after,) = listed(beta)
    assert after["sent_at"] > before["sent_at"]
    ask(beta.sign_up(ANN), activation_code=mailed(beta, ANN))
    assert refused(beta.team.post(path + "/resend")) == (400, "activation_code_not_open")


def test_who_is_invited_no_longer_has_no_code_and_can_be_invited_again(beta: Shop) -> None:
    invite(beta, ANN)
    ann, code = beta.sign_up(ANN), mailed(beta, ANN)
    (invited,) = listed(beta)
    path = f"{beta.path}/activation_codes/{invited['id']}"
    assert beta.team.delete(path).status_code == 204
    assert listed(beta) == []
    assert refused(ask(ann, activation_code=code)) == (400, "activation_code_wrong")
    assert refused(beta.team.delete(path)) == (404, "not_found")
    assert invite(beta, ANN)["invited"] == [ANN]
    assert ask(ann, activation_code=mailed(beta, ANN)).status_code == 200


def test_whoever_is_erased_is_invited_no_longer(beta: Shop) -> None:
    private = "private@example.com"
    invite(beta, ANN, private, BOB)
    ann, code = beta.sign_up(ANN), mailed(beta, private)
    ask(ann, activation_code=code)  # mailed to where she reads her mail, too
    beta.team.delete(f"{beta.path}/customers/{ANN}")
    assert [one["email"] for one in listed(beta)] == [BOB]


def test_whoever_guesses_has_to_wait(beta: Shop) -> None:
    ann = beta.sign_up(ANN)
    with (
        serving(beta.served.database, limits=LIMITS) as strict,
        strict.client(token=ann.token["access_token"]) as client,
    ):
        path = beta.path + "/device_claims"
        answers = [
            client.post(path, json={"activation_code": f"AA{number:02}"}).status_code
            for number in range(20, 32)
        ]
    assert answers[:10] == [400] * 10
    assert answers[-1] == 429


def test_the_database_does_not_hold_the_code(beta: Shop) -> None:
    """Nowhere but under seal: four characters are soon found from any other hash."""
    email = f"canary-{beta.owners.world.id}@example.com"
    invite(beta, email)
    code = mailed(beta, email)
    with psycopg.connect(beta.served.database) as connection:
        states = connection.execute(
            "SELECT convert_from(state, 'UTF8') FROM log.fleet_events"
            " WHERE originator_id LIKE 'activation_code-%'"
        ).fetchall()
        (row,) = connection.execute(
            "SELECT t::text FROM access.activation_code t WHERE email = %s", [email]
        ).fetchall()
    assert not any(email in state for (state,) in states)
    assert f'"code":"{code}"' not in "".join(state for (state,) in states)
    assert f",{code}," not in row[0]
