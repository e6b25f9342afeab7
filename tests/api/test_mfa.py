"""The second factor: enabled, asked for at every log-in, its codes good for once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from api.people.vouchers import TRIES_MAX
from tests.api.person import Authenticator, Person

OTP = "urn:custom:mfa-otp"


@pytest.fixture
def client(person: Person) -> Iterator[httpx.Client]:
    with person.bearer() as client:
        yield client


@pytest.fixture
def authenticator(person: Person, client: httpx.Client) -> Authenticator:
    return person.enable_mfa(client)


def begin(person: Person, **more: str) -> str:
    """The first half of a log-in; returns the mfa_token."""
    answer = person.ask(
        grant_type="password", username=person.email, password=person.password, **more
    )
    assert (answer.status_code, answer.json()["error"]) == (403, "mfa_required")
    token: str = answer.json()["mfa_token"]
    return token


def finish(person: Person, mfa_token: str, otp: str) -> httpx.Response:
    return person.ask(grant_type=OTP, mfa_token=mfa_token, otp=otp)


def test_an_offer_is_what_an_authenticator_reads(person: Person, client: httpx.Client) -> None:
    offer = client.get("/v1/user/mfa-enable").json()
    address = urlsplit(offer["qr_url"])
    assert (address.scheme, address.netloc) == ("otpauth", "totp")
    assert parse_qs(address.query)["secret"] == [offer["secret"]]
    assert parse_qs(address.query)["issuer"] == ["Rollcall"]
    assert person.email.partition("@")[0] in address.path
    assert client.get("/v1/user").json()["mfa"] == {"enabled": False}


def test_it_is_enabled_by_a_first_code(
    person: Person, client: httpx.Client, authenticator: Authenticator
) -> None:
    assert client.get("/v1/user").json()["mfa"] == {"enabled": True}
    assert len(set(authenticator.recovery_codes)) == 10


def test_a_wrong_first_code_enables_nothing(person: Person, client: httpx.Client) -> None:
    offer = client.get("/v1/user/mfa-enable").json()
    wanted = {"mfa_token": offer["mfa_token"], "otp": "000000"}
    answer = client.post("/v1/user/mfa-enable", json=wanted)
    assert (answer.status_code, answer.json()["field"]) == (400, "otp")
    assert person.log_in()["access_token"]


def test_an_offer_is_not_taken_up_by_somebody_else(
    person: Person, client: httpx.Client, nobody: httpx.Client
) -> None:
    offer = client.get("/v1/user/mfa-enable").json()
    otp = Authenticator(offer["secret"]).code()
    other = Person(person.served, nobody)
    with other.bearer() as theirs:
        wanted = {"mfa_token": offer["mfa_token"], "otp": otp}
        assert theirs.post("/v1/user/mfa-enable", json=wanted).status_code == 400


def test_it_cannot_be_offered_again_while_it_is_enabled(
    client: httpx.Client, authenticator: Authenticator
) -> None:
    answer = client.get("/v1/user/mfa-enable")
    assert (answer.status_code, answer.json()["error"]) == (400, "totp_enabled_already")


def test_a_log_in_then_needs_a_code(person: Person, authenticator: Authenticator) -> None:
    mfa_token = begin(person)
    answer = finish(person, mfa_token, authenticator.code())
    assert answer.status_code == 200
    assert person.works(answer.json()["access_token"])


def test_what_the_first_half_asked_for_the_second_half_gets(
    person: Person, authenticator: Authenticator
) -> None:
    mfa_token = begin(person, expires_in="77", scope="tokens:get")
    token = finish(person, mfa_token, authenticator.code()).json()
    assert token["expires_in"] == 77
    with person.bearer(token["access_token"]) as limited:
        assert limited.get("/v1/access_tokens/current").json()["scopes"] == ["tokens:get"]


def test_a_wrong_code_may_be_corrected(person: Person, authenticator: Authenticator) -> None:
    mfa_token = begin(person)
    wrong = finish(person, mfa_token, "000000")
    assert (wrong.status_code, wrong.json()["error"]) == (400, "invalid_grant")
    assert finish(person, mfa_token, authenticator.code()).status_code == 200


def test_after_some_wrong_codes_the_password_is_asked_for_again(
    person: Person, authenticator: Authenticator
) -> None:
    mfa_token = begin(person)
    for _ in range(TRIES_MAX):
        assert finish(person, mfa_token, "000000").status_code == 400
    assert finish(person, mfa_token, authenticator.code()).status_code == 400


def test_a_code_is_not_taken_twice(person: Person, authenticator: Authenticator) -> None:
    otp = authenticator.code()
    assert finish(person, begin(person), otp).status_code == 200
    assert finish(person, begin(person), otp).status_code == 400
    # Nor one from before it, which somebody may have seen, too.
    assert finish(person, begin(person), authenticator.code(-1)).status_code == 400
    assert finish(person, begin(person), authenticator.code(+1)).status_code == 200


def test_of_many_who_come_with_the_same_code_one_is_let_in(
    person: Person, authenticator: Authenticator
) -> None:
    mfa_tokens, otp = [begin(person) for _ in range(4)], authenticator.code()
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda token: finish(person, token, otp), mfa_tokens))
    assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400]


def test_an_mfa_token_is_worth_one_token(person: Person, authenticator: Authenticator) -> None:
    mfa_token = begin(person)
    assert finish(person, mfa_token, authenticator.code()).status_code == 200
    assert finish(person, mfa_token, authenticator.code(+1)).status_code == 400


def test_an_mfa_token_serves_only_the_client_that_it_was_given_to(
    person: Person, authenticator: Authenticator
) -> None:
    other = {"client_id": "particle-cli", "client_secret": "particle-cli"}
    fields = {"grant_type": OTP, "mfa_token": begin(person), "otp": authenticator.code()}
    assert person.ask(**fields, **other).status_code == 400


def test_a_recovery_code_takes_the_place_of_a_code_once(
    person: Person, authenticator: Authenticator
) -> None:
    first, second = authenticator.recovery_codes[:2]
    assert finish(person, begin(person), first).status_code == 200
    assert finish(person, begin(person), first).status_code == 400
    assert finish(person, begin(person), f" {second.upper()} ").status_code == 200


def test_of_many_who_come_with_the_same_recovery_code_one_is_let_in(
    person: Person, authenticator: Authenticator
) -> None:
    mfa_tokens, code = [begin(person) for _ in range(4)], authenticator.recovery_codes[0]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda token: finish(person, token, code), mfa_tokens))
    assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400]


def test_a_wrong_password_says_nothing_of_a_second_factor(
    person: Person, authenticator: Authenticator
) -> None:
    answer = person.ask(grant_type="password", username=person.email, password="wrong password")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


def test_it_is_disabled_with_the_password(
    person: Person, client: httpx.Client, authenticator: Authenticator
) -> None:
    wrong = client.put("/v1/user/mfa-disable", json={"current_password": "wrong password"})
    assert (wrong.status_code, wrong.json()["field"]) == (400, "current_password")
    right = client.put("/v1/user/mfa-disable", json={"current_password": person.password})
    assert (right.status_code, right.json()) == (200, {"ok": True})
    assert person.log_in()["access_token"]


def test_enabling_it_may_log_out_everywhere(person: Person, client: httpx.Client) -> None:
    other = person.log_in()["access_token"]
    offer = client.get("/v1/user/mfa-enable").json()
    wanted = {"mfa_token": offer["mfa_token"], "otp": Authenticator(offer["secret"]).code()}
    answer = client.post("/v1/user/mfa-enable", json={**wanted, "invalidate_tokens": True})
    assert answer.json()["enrolled"] is True
    assert not person.works(other)
