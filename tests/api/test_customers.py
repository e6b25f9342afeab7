"""The customers of a product: made by its team or its clients, let in, listed, erased."""

import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import psycopg
import pytest

from domain.claim_code import hash_of
from domain.roles import Role
from tests.api.shop import PASSWORD, Shop

ANN = "ann@example.com"
REDIRECT = "https://app.example.com/back?from=rollcall"


def make(shop: Shop, **fields: Any) -> httpx.Response:
    """As JSON of a form, without a token, as a program of the product does it."""
    asked = {"email": ANN, "password": PASSWORD, "grant_type": "client_credentials", **fields}
    return shop.nobody.post(shop.path + "/customers", data=asked)


def error(answer: httpx.Response) -> tuple[int, str]:
    said = answer.json()
    assert said["error_description"]
    return answer.status_code, said["error"]


def test_the_team_makes_a_customer_and_is_given_a_token_of_theirs(shop: Shop) -> None:
    ann = shop.sign_up(ANN)
    assert ann.token.keys() == {"token_type", "access_token", "expires_in", "refresh_token"}
    assert ann.works()
    assert ann.devices() == []


@pytest.mark.parametrize("scope", ["customers:create", None])
def test_a_client_of_the_product_makes_a_customer_by_a_form(shop: Shop, scope: str | None) -> None:
    answer = make(shop, **shop.register(scope=scope))
    assert answer.status_code == 201, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    assert shop.customer(ANN, answer.json()).devices() == []


def test_a_client_may_show_its_credentials_in_a_basic_header(shop: Shop) -> None:
    shown = shop.app()
    answer = shop.nobody.post(
        shop.path + "/customers",
        json={"email": ANN, "password": PASSWORD},
        auth=(shown["client_id"], shown["client_secret"]),
    )
    assert answer.status_code == 201, answer.text


def test_a_product_s_own_token_makes_customers_too(shop: Shop) -> None:
    token = shop.ask(grant_type="client_credentials", **shop.app()).json()["access_token"]
    with shop.served.client(token=token) as program:
        wanted = {"email": ANN, "password": PASSWORD}
        assert program.post(shop.path + "/customers", json=wanted).status_code == 201
        assert error(program.get(shop.path + "/customers")) == (403, "insufficient_scope")


def test_credentials_that_are_none_make_nobody(shop: Shop) -> None:
    shown = shop.app()
    wrong = {**shown, "client_secret": "f" * 40}
    assert error(make(shop, **wrong)) == (400, "invalid_client")
    assert error(make(shop, client_id=shown["client_id"])) == (400, "invalid_client")
    assert error(make(shop, client_id="unheard-of", client_secret="x")) == (400, "invalid_client")
    assert error(make(shop)) == (400, "invalid_request")
    assert shop.listed()["customers"] == []


def test_a_client_of_another_product_and_one_of_no_product_learn_nothing(shop: Shop) -> None:
    elsewhere = shop.team.post(
        "/v1/products", json={"name": f"other {secrets.token_hex(4)}", "platform_id": 6}
    ).json()["product"]
    wanted = {"name": "x", "type": "installed"}
    for path in (f"/v1/products/{elsewhere['id']}/clients", "/v1/clients"):
        made = shop.team.post(path, json=wanted).json()["client"]
        shown = {"client_id": made["id"], "client_secret": made["secret"]}
        assert error(make(shop, **shown)) == (403, "permission_denied")
        there = shop.nobody.post(
            "/v1/products/64999/customers", data={"email": ANN, "password": PASSWORD, **shown}
        )
        assert there.json()["error_description"] == make(shop, **shown).json()["error_description"]


def test_who_may_make_customers_is_who_may_develop(shop: Shop) -> None:
    wanted = {"email": ANN, "password": PASSWORD}
    for role, outcome in ((Role.SUPPORT, (403, "insufficient_scope")), (Role.DEVELOPER, None)):
        answer = shop.owners.member(role).client.post(shop.path + "/customers", json=wanted)
        assert (error(answer) if outcome else answer.status_code) == (outcome or 201)
    stranger = shop.owners.person("eve").client.post(shop.path + "/customers", json=wanted)
    assert error(stranger) == (403, "permission_denied")


def test_a_customer_of_the_same_name_is_refused(shop: Shop) -> None:
    shop.sign_up(ANN)
    answer = make(shop, **shop.app(), email=" ANN@Example.com")
    assert error(answer) == (400, "customer_exists")
    assert answer.json()["field"] == "email"
    assert len(shop.listed()["customers"]) == 1


def test_two_who_sign_up_under_one_name_at_once_are_not_both_let_in(shop: Shop) -> None:
    shown = shop.server()
    with ThreadPoolExecutor(4) as threads:
        made = threads.map(lambda _: make(shop, **shown).status_code, range(4))
    assert sorted(made) == [201, 400, 400, 400]


def test_many_who_sign_up_at_once_are_all_let_in(shop: Shop) -> None:
    shown = shop.server()

    def sign_up(number: int) -> int:
        return make(shop, **shown, email=f"customer-{number}", no_password="true").status_code

    with ThreadPoolExecutor(16) as threads:
        assert set(threads.map(sign_up, range(32))) == {201}


def test_another_product_may_have_a_customer_of_that_name(shop: Shop) -> None:
    ann = shop.sign_up(ANN)
    other = shop.team.post(
        "/v1/products", json={"name": f"other {secrets.token_hex(4)}", "platform_id": 6}
    ).json()["product"]
    path = f"/v1/products/{other['id']}"
    made = shop.team.post(path + "/customers", json={"email": ANN, "password": PASSWORD})
    assert made.status_code == 201
    assert shop.team.delete(f"{path}/customers/{ANN}").json() == {"ok": True}
    assert ann.works()


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"email": ""}, "email"),
        ({"email": "   "}, "email"),
        ({"email": "a\nb"}, "email"),
        ({"email": "x" * 255}, "email"),
        ({"password": "short"}, "password"),
        ({"expires_in": -1}, "expires_in"),
        ({"expires_at": "soon"}, "expires_at"),
        ({"response_type": "code"}, "response_type"),
    ],
)
def test_a_customer_that_cannot_be_is_refused(shop: Shop, fields: Any, field: str) -> None:
    answer = make(shop, **{**shop.app(), **fields})
    assert (answer.status_code, answer.json()["field"]) == (400, field)


def test_without_a_password_a_customer_is_made_only_if_none_is_wanted(shop: Shop) -> None:
    shown = shop.server()
    asked = {"email": "id-42", **shown}
    missing = shop.nobody.post(shop.path + "/customers", json=asked)
    assert (missing.status_code, missing.json()["field"]) == (400, "password")
    made = shop.nobody.post(shop.path + "/customers", json={**asked, "no_password": True})
    assert made.status_code == 201
    for password in (PASSWORD, "", "None"):
        assert error(shop.log_in("id-42", password)) in [
            (400, "invalid_grant"),
            (400, "invalid_request"),
        ]


def test_a_token_lasts_as_long_as_was_asked(shop: Shop) -> None:
    assert shop.sign_up(expires_in=60).token["expires_in"] == 60
    assert shop.sign_up(expires_in=0).token["expires_in"] == 0


def test_a_program_in_a_browser_shows_its_id_and_gets_the_token_behind_the_mark(shop: Shop) -> None:
    web = shop.register(type="web", redirect_uri=REDIRECT, scope="customers:create")
    asked = {"client_id": web["client_id"], "response_type": "token", "state": "a b"}
    answer = make(shop, **asked)
    assert answer.status_code == 303
    assert answer.headers["Cache-Control"] == "no-store"
    location, _, fragment = answer.headers["Location"].partition("#")
    assert location == REDIRECT
    told = {name: values[0] for name, values in parse_qs(fragment).items()}
    assert (told["token_type"], told["state"]) == ("bearer", "a b")
    assert "refresh_token" not in told
    assert urlsplit(answer.headers["Location"]).query == "from=rollcall"
    assert shop.customer(ANN, told).works()


def test_an_app_cannot_go_without_its_secret_by_calling_itself_a_browser(shop: Shop) -> None:
    app = shop.app()
    answer = make(shop, client_id=app["client_id"], response_type="token")
    assert error(answer) == (400, "invalid_client")
    assert make(shop, **app, response_type="token").json()["field"] == "response_type"


def test_a_customer_logs_in_by_a_client_of_the_product_and_by_no_other(shop: Shop) -> None:
    shop.sign_up(ANN)
    token = shop.log_in(" ANN@example.com").json()
    assert shop.customer(ANN, token).devices() == []
    assert error(shop.log_in(ANN, "wrong password")) == (400, "invalid_grant")
    assert error(shop.log_in("nobody@example.com")) == (400, "invalid_grant")
    by_cloud = shop.log_in(ANN, client_id="particle-api", client_secret="particle-api")
    assert by_cloud.json()["error"] in ("invalid_grant", "invalid_client")


def test_a_user_is_no_customer_and_does_not_log_in_as_one(shop: Shop) -> None:
    bob = shop.owners.person("bob")
    assert error(shop.log_in(bob.email)) == (400, "invalid_grant")


def test_a_token_is_refreshed_once(shop: Shop) -> None:
    ann, app = shop.sign_up(ANN), shop.app()
    first = shop.log_in(ANN, **app).json()
    traded = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"], **app}
    second = shop.ask(**traded).json()
    assert shop.customer(ANN, second).devices() == []
    assert ann.is_out(first["access_token"])
    assert error(shop.ask(**traded)) == (400, "invalid_grant")
    assert ann.is_out(second["access_token"])


def test_scopes_limit_a_customer_s_token(shop: Shop) -> None:
    shop.sign_up(ANN)
    token = shop.log_in(ANN, **shop.app(), scope="devices:list").json()
    limited = shop.customer(ANN, token)
    assert limited.devices() == []
    answer = limited.client.post(shop.path + "/device_claims")
    assert error(answer) == (403, "insufficient_scope")
    assert error(shop.log_in(ANN, **shop.app(), scope="no:such")) == (400, "invalid_scope")


def two_legged(shop: Shop, name: str, **shown: str) -> httpx.Response:
    return shop.ask(
        grant_type="client_credentials", scope=f"customer={name}", **(shown or shop.server())
    )


def test_the_company_s_server_asks_for_a_customer_s_token_by_name_or_id(shop: Shop) -> None:
    shop.sign_up("id 42", no_password=True)
    for name in ("id 42", shop.named("id 42")["id"]):
        token = two_legged(shop, name)
        assert token.status_code == 200, token.text
        assert "refresh_token" not in token.json()
        assert shop.customer(name, token.json()).devices() == []
    short = shop.ask(
        grant_type="client_credentials", scope="customer=id 42", expires_in=60, **shop.server()
    )
    assert short.json()["expires_in"] == 60


def test_nobody_else_gets_a_customer_s_token_by_asking(shop: Shop) -> None:
    shop.sign_up(ANN)
    assert error(two_legged(shop, ANN, **shop.app())) == (400, "unauthorized_client")
    assert error(two_legged(shop, "nobody@example.com")) == (400, "invalid_scope")
    made = shop.team.post("/v1/clients", json={"name": "x", "type": "installed"}).json()["client"]
    shown = {"client_id": made["id"], "client_secret": made["secret"]}
    assert error(two_legged(shop, ANN, **shown)) == (400, "unauthorized_client")


def test_customers_are_listed_a_page_at_a_time_with_their_devices(shop: Shop) -> None:
    ann, bob = shop.sign_up(ANN), shop.sign_up("bob")
    device_id = ann.set_up()
    first = shop.listed(page=1, perPage=1)
    assert first["customers"] == [{"id": ann.id, "username": ANN, "devices": [device_id]}]
    (device,) = first["devices"]
    assert device.keys() == {"id", "product_id", "last_ip_address", "firmware_version", "online"}
    assert (device["id"], device["product_id"]) == (device_id, shop.owners.world.id)
    assert first["meta"] == {"page": 1, "per_page": 1, "total": 2, "total_pages": 2}
    second = shop.listed(page=2, per_page=1)
    assert second["customers"] == [{"id": bob.id, "username": "bob", "devices": []}]
    assert second["devices"] == []


def test_another_password_logs_out_all_over(shop: Shop) -> None:
    ann = shop.sign_up(ANN)
    answer = shop.team.put(f"{shop.path}/customers/{ANN}", json={"password": "another password"})
    assert answer.json() == {"ok": True}
    assert ann.is_out()
    assert error(shop.log_in(ANN)) == (400, "invalid_grant")
    assert shop.log_in(ANN, "another password").status_code == 200


def test_a_shadow_has_no_password_to_change(shop: Shop) -> None:
    shop.sign_up("id-42", no_password=True)
    answer = shop.team.put(f"{shop.path}/customers/id-42", json={"password": "another password"})
    assert error(answer) == (400, "customer_without_password")


def test_whoever_is_erased_is_out_and_what_was_theirs_is_nobody_s(shop: Shop) -> None:
    ann, bob = shop.sign_up(ANN), shop.sign_up("bob")
    device_id, kept = ann.set_up(), bob.set_up()
    ann_id, code = ann.id, ann.code()
    refresh = {"grant_type": "refresh_token", "refresh_token": ann.token["refresh_token"]}

    assert shop.team.delete(f"{shop.path}/customers/{ann_id}").json() == {"ok": True}

    assert ann.is_out()
    assert shop.owners.world.fleet.load(f"claim_code-{hash_of(code)}").state.revoked
    assert error(shop.ask(**refresh, **shop.app())) == (400, "invalid_grant")
    assert error(shop.log_in(ANN)) == (400, "invalid_grant")
    assert error(two_legged(shop, ANN)) == (400, "invalid_scope")
    world = shop.owners.world
    world.until(lambda: world.device(device_id)["owner"] is None)
    (late,) = world.import_devices()
    shop.owners.hello(late, hash_of(code))
    assert bob.set_up(kept) == kept
    marker = bob.set_up()
    assert world.device(late)["owner"] is None
    assert world.device(marker)["owner"] == "bob"
    assert shop.listed()["customers"] == [
        {"id": bob.id, "username": "bob", "devices": sorted([kept, marker])}
    ]
    again = shop.team.delete(f"{shop.path}/customers/{ann_id}")
    assert error(again) == (404, "not_found")
    # And the name is free again, for somebody else.
    assert shop.sign_up(ANN).id != ann_id


def test_what_was_erased_stands_nowhere_any_more(shop: Shop) -> None:
    name = f"{secrets.token_hex(8)}@example.com"
    shop.sign_up(name)
    shop.team.delete(f"{shop.path}/customers/{name}")
    with psycopg.connect(shop.served.database) as connection:
        tables = connection.execute(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables"
            " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
        for (table,) in tables:
            query = f"SELECT count(*) FROM {table} AS r WHERE r::text LIKE %s OR r::text LIKE %s"
            found = connection.execute(query.encode(), [f"%{name}%", f"%{name.encode().hex()}%"])
            assert found.fetchone() == (0,), table


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_there_is_no_such_customer(shop: Shop, method: str) -> None:
    path = f"{shop.path}/customers/nobody@example.com"
    answer = shop.team.request(method, path, json={"password": PASSWORD})
    assert error(answer) == (404, "not_found")


def test_the_old_address_below_an_organization_makes_a_customer_of_the_client_s_product(
    shop: Shop,
) -> None:
    boss = shop.owners.person("boss")
    org = shop.owners.organization(boss)
    wanted = {"name": f"lamp {secrets.token_hex(4)}", "platform_id": 6}
    product = boss.client.post(f"/v1/orgs/{org}/products", json=wanted).json()["product"]
    made = boss.client.post(
        f"/v1/products/{product['id']}/clients", json={"name": "x", "type": "installed"}
    ).json()["client"]
    shown = {"client_id": made["id"], "client_secret": made["secret"]}
    asked = {"email": ANN, "password": PASSWORD, **shown}

    answer = shop.nobody.post(f"/v1/orgs/{org}/customers", data=asked)

    assert answer.status_code == 201, answer.text
    customers = boss.get(f"/v1/products/{product['id']}/customers")["customers"]
    assert [customer["username"] for customer in customers] == [ANN]
    other = shop.owners.organization(boss)
    for elsewhere in (other, "unheard-of"):
        answer = shop.nobody.post(f"/v1/orgs/{elsewhere}/customers", data=asked)
        assert error(answer) == (403, "permission_denied")
    code = f"/v1/orgs/{{}}/products/{product['id']}/device_claims"
    customer = shop.customer(
        ANN, shop.ask(grant_type="client_credentials", scope=f"customer={ANN}", **shown).json()
    )
    assert len(customer.client.post(code.format(org)).json()["claim_code"]) == 63
    assert error(customer.client.post(code.format(other))) == (403, "permission_denied")
