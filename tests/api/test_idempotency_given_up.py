"""A call by which its caller loses what it is about is answered again as it was the first time."""

import hashlib
import secrets
from typing import Any

import httpx
import psycopg
import pytest

from api.body import SMALL_BYTES_MAX
from api.call import Call
from api.idempotency import HEADER, HOLDER_LOCKS, fingerprint_of
from domain.client import RemoveClient
from domain.log.fleet import Contended
from domain.model import Command
from domain.ownership import AcceptTransfer, DeclineTransfer, UnclaimDevice, WithdrawTransfer
from domain.product_ownership import AcceptProduct, DeclineProduct
from domain.recorded import Provenance
from domain.roles import Role
from domain.team import LeaveTeam, RemoveMember, SeatOwner
from tests.api.company import Company, until
from tests.api.owners import Owners, Person
from tests.api.serving import Served
from tests.api.teams import Somebody, ago
from tests.api.world import new_id

PAGE = "/v1/user/device_transfers"
REPLAYED = "Idempotency-Replayed"
DEAD = 123_456_789  # no process holds the lock of that number


@pytest.fixture
def key() -> dict[str, str]:
    return {HEADER: secrets.token_hex(16)}


@pytest.fixture
def ann(owners: Owners) -> Person:
    return owners.person("ann")


@pytest.fixture
def bob(owners: Owners) -> Person:
    return owners.person("bob")


def asked_for(owner: Person, who: Person) -> tuple[str, str]:
    """A device of the owner's that somebody asks for: its id, and the transfer's."""
    device_id = owner.device()
    transfer_id: str = who.claim(device_id, request_transfer=True).json()["transfer_id"]
    return device_id, transfer_id


def answered_alike(
    client: httpx.Client, method: str, path: str, key: dict[str, str], lost: int, **sent: Any
) -> None:
    """The call is done, and from then on refused without its key, and answered with it."""
    first = client.request(method, path, headers=key, **sent)
    assert first.is_success, first.text
    assert REPLAYED not in first.headers
    until(lambda: client.request(method, path, **sent).status_code == lost)
    again = client.request(method, path, headers=key, **sent)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers[REPLAYED] == "true"


def test_a_device_that_was_given_up(ann: Person, key: dict[str, str]) -> None:
    path = f"/v1/devices/{ann.device()}"
    answered_alike(ann.client, "DELETE", path, key, lost=403)


def test_a_device_that_was_given_up_by_its_name(ann: Person, key: dict[str, str]) -> None:
    ann.put(f"/v1/devices/{ann.device()}", name="lamp")
    answered_alike(ann.client, "DELETE", "/v1/devices/lamp", key, lost=403)


@pytest.mark.parametrize("word", ["accept", "decline"])
def test_a_transfer_that_was_answered(
    ann: Person, bob: Person, word: str, key: dict[str, str]
) -> None:
    path = f"{PAGE}/{asked_for(ann, bob)[1]}/{word}"
    answered_alike(ann.client, "POST", path, key, lost=404)


def test_a_transfer_that_was_withdrawn(ann: Person, bob: Person, key: dict[str, str]) -> None:
    path = f"{PAGE}/{asked_for(ann, bob)[1]}"
    answered_alike(bob.client, "DELETE", path, key, lost=404)


def test_a_team_that_was_left(company: Company, key: dict[str, str]) -> None:
    client = company.call(company.member(Role.DEVELOPER))
    path = f"/v1/user/memberships/{company.team}"
    answered_alike(client, "DELETE", path, key, lost=404)


def test_who_took_themselves_off_a_team(company: Company, key: dict[str, str]) -> None:
    grace = company.member(Role.ADMINISTRATOR)
    path = f"{company.path}/team/{grace.email}"
    answered_alike(company.call(grace), "DELETE", path, key, lost=403)


def test_a_product_that_was_given_to_an_organization(company: Company, key: dict[str, str]) -> None:
    grace, product = company.ada, company.team
    company.team = org = company.organization(company.user("head"))
    company.join(grace.user_id, Role.ADMINISTRATOR)
    until(lambda: company.owner.get(f"/v1/orgs/{org}").status_code == 200)
    path, body = f"/v1/products/{product}/transfer", {"organization": org}
    answered_alike(company.owner, "POST", path, key, lost=403, json=body)


@pytest.mark.parametrize("path", ["/v1/access_tokens/current", "/v1/access_tokens"])
def test_a_token_that_ended_itself(company: Company, path: str, key: dict[str, str]) -> None:
    answered_alike(company.call(company.user("loser")), "DELETE", path, key, lost=401)


# Nobody else is told, and nothing else.


@pytest.fixture
def given_up(ann: Person, key: dict[str, str]) -> str:
    """The address of a device that its owner gave up under the key."""
    path = f"/v1/devices/{ann.device()}"
    assert ann.client.delete(path, headers=key).status_code == 200
    return path


def test_another_token_is_refused_though_it_be_of_the_same_person(
    owners: Owners, ann: Person, bob: Person, given_up: str, key: dict[str, str]
) -> None:
    other = owners.token_of(ann)
    unknown = f"/v1/devices/{new_id()}"
    for client in (other, bob.client):
        answer = client.delete(given_up, headers=key)
        assert (answer.status_code, REPLAYED in answer.headers) == (403, False)
        assert answer.content == client.delete(unknown, headers=key).content


def test_a_token_that_was_revoked_is_told_nothing(
    owners: Owners, ann: Person, given_up: str, key: dict[str, str]
) -> None:
    owners.those.revoke(ann.who.token_id)
    until(lambda: ann.client.get("/v1/devices").status_code == 401)
    answer = ann.client.delete(given_up, headers=key)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")


def test_a_token_that_was_revoked_does_not_end_itself(
    company: Company, key: dict[str, str]
) -> None:
    """What was said to another call under the key is not said to this one."""
    loser = company.user("loser")
    client, path = company.call(loser), "/v1/access_tokens/current"
    client.post("/v1/orgs", json={"name": "theirs"}, headers=key)
    company.those.revoke(loser.token_id)
    until(lambda: client.delete(path).status_code == 401)
    assert client.delete(path, headers=key).status_code == 401
    assert client.delete(path, headers={HEADER: new_id()}).status_code == 401


def test_another_call_under_the_key_is_refused(
    ann: Person, given_up: str, key: dict[str, str]
) -> None:
    for method, path, body in [
        ("DELETE", given_up.upper().replace("/V1/DEVICES", "/v1/devices"), {}),
        ("DELETE", given_up, {"deny": True}),
        ("PUT", given_up, {"name": "mine"}),
        ("DELETE", given_up + "?a=1", {}),
    ]:
        answer = ann.client.request(method, path, json=body, headers=key)
        assert (answer.status_code, REPLAYED in answer.headers) == (403, False)


def test_whoever_was_never_let_in_has_no_body_read(bob: Person, given_up: str) -> None:
    large = b" " * (SMALL_BYTES_MAX + 1)
    answer = bob.client.request("DELETE", given_up, content=large, headers={HEADER: new_id()})
    assert answer.status_code == 403


# What follows is what a process leaves behind that died between the append and the reply.


def died(
    served: Served, who: Somebody, key: dict[str, str], method: str, path: str, holder: int = DEAD
) -> str:
    """A call without a body that was claimed and never answered; returns its command id."""
    command = secrets.token_hex(8)
    fingerprint = fingerprint_of(method, f"{path}?", hashlib.sha256(b"").digest())
    caller = hashlib.sha256(who.token.encode()).digest()
    with psycopg.connect(served.database) as connection:
        connection.execute(
            "INSERT INTO api.idempotent_call (caller, key, fingerprint, command, holder)"
            " VALUES (%s, %s, %s, %s, %s)",
            [caller, key[HEADER], fingerprint, command, holder],
        )
    return command


def carried_out(owners: Owners, who: Somebody, command: Command, command_id: str) -> int:
    """… by the call that died, and read by whoever follows the log."""
    done = Provenance(actor=f"user:{who.user_id}", command=command_id)
    outcome = owners.those.fleet.execute(command, done)
    assert outcome.position is not None
    owners.world.api.get(owners.world.path, params={"at_least": outcome.position})
    return outcome.position


def test_a_device_is_given_up_by_a_call_that_died(
    owners: Owners, served: Served, ann: Person, key: dict[str, str]
) -> None:
    device_id = ann.device()
    path = f"/v1/devices/{device_id}"
    command_id = died(served, ann.who, key, "DELETE", path)
    command = UnclaimDevice(device_id=device_id, user_id=ann.user_id)
    position = carried_out(owners, ann.who, command, command_id)
    assert ann.client.delete(path).status_code == 403
    for _ in range(2):
        answer = ann.client.delete(path, headers=key)
        assert (answer.status_code, answer.json()) == (200, {"ok": True})
        assert answer.headers["X-Rollcall-Position"] == str(position)
    assert answer.headers[REPLAYED] == "true"


def test_a_call_that_died_before_it_wrote_is_refused_like_any_other(
    served: Served, ann: Person, key: dict[str, str]
) -> None:
    path = f"/v1/devices/{ann.device()}"
    died(served, ann.who, key, "DELETE", path)
    assert ann.client.delete(path).status_code == 200  # … and another call gave it up
    answer = ann.client.delete(path, headers=key)
    assert (answer.status_code, answer.json()["error"]) == (403, "Permission Denied")


def test_a_call_that_died_before_it_wrote_is_carried_out(
    served: Served, ann: Person, key: dict[str, str]
) -> None:
    path = f"/v1/devices/{ann.device()}"
    died(served, ann.who, key, "DELETE", path)
    assert ann.client.delete(path, headers=key).status_code == 200
    assert ann.get("/v1/devices") == []


def test_while_a_call_is_under_way_its_caller_is_not_told_that_they_may_not(
    owners: Owners, served: Served, ann: Person, key: dict[str, str]
) -> None:
    device_id = ann.device()
    path = f"/v1/devices/{device_id}"
    with psycopg.connect(served.database, autocommit=True) as other_process:
        other_process.execute("SELECT pg_advisory_lock(%s, 78)", [HOLDER_LOCKS])
        command_id = died(served, ann.who, key, "DELETE", path, holder=78)
        command = UnclaimDevice(device_id=device_id, user_id=ann.user_id)
        carried_out(owners, ann.who, command, command_id)
        answer = ann.client.delete(path, headers=key)
        assert (answer.status_code, answer.json()["error"]) == (409, "call_under_way")
    until(lambda: ann.client.delete(path, headers=key).status_code == 200)


def test_a_call_that_cannot_be_looked_into_may_be_sent_again(
    owners: Owners,
    served: Served,
    ann: Person,
    bob: Person,
    key: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    device_id, transfer_id = asked_for(ann, bob)
    path = f"{PAGE}/{transfer_id}/decline"
    command_id = died(served, ann.who, key, "POST", path)
    about = {"device_id": device_id, "user_id": ann.user_id, "transfer_id": transfer_id}
    carried_out(owners, ann.who, DeclineTransfer(**about), command_id)

    async def too_far_behind(*_: object) -> None:
        raise Contended

    with monkeypatch.context() as patched:
        patched.setattr(Call, "written_since", too_far_behind)
        assert ann.client.post(path, headers=key).status_code == 503
    assert ann.client.post(path, headers=key).status_code == 200


@pytest.mark.parametrize("word", ["accept", "decline", "withdraw"])
def test_a_transfer_is_settled_by_a_call_that_died(
    owners: Owners, served: Served, ann: Person, bob: Person, word: str, key: dict[str, str]
) -> None:
    device_id, transfer_id = asked_for(ann, bob)
    who = bob if word == "withdraw" else ann
    about = {"device_id": device_id, "user_id": who.user_id, "transfer_id": transfer_id}
    command: Command
    match word:
        case "accept":
            command = AcceptTransfer(**about, at=ago())
        case "decline":
            command = DeclineTransfer(**about)
        case _:
            command = WithdrawTransfer(**about)
    below = "" if word == "withdraw" else f"/{word}"
    method, path = "DELETE" if word == "withdraw" else "POST", f"{PAGE}/{transfer_id}{below}"
    carried_out(owners, who.who, command, died(served, who.who, key, method, path))
    assert who.client.request(method, path).status_code == 404
    answer = who.client.request(method, path, headers=key)
    assert (answer.status_code, answer.json()) == (200, {"ok": True})


@pytest.mark.parametrize("by", ["leaving", "removal"])
def test_a_team_is_left_by_a_call_that_died(
    owners: Owners, served: Served, by: str, key: dict[str, str]
) -> None:
    grace, team = owners.member(Role.ADMINISTRATOR), str(owners.world.id)
    path = f"/v1/user/memberships/{team}"
    command: Command = LeaveTeam(team=team, user_id=grace.user_id)
    if by == "removal":
        path = f"/v1/products/{team}/team/{grace.email}"
        command = RemoveMember(team=team, user_id=grace.user_id)
    carried_out(owners, grace.who, command, died(served, grace.who, key, "DELETE", path))
    answer = grace.client.delete(path, headers=key)
    assert (answer.status_code, answer.json()) == (200, {"ok": True})


def test_a_client_is_removed_by_a_call_that_died(
    owners: Owners, served: Served, ann: Person, key: dict[str, str]
) -> None:
    wanted = {"name": "mine", "type": "installed"}
    client_id = ann.client.post("/v1/clients", json=wanted).json()["client"]["id"]
    path = f"/v1/clients/{client_id}"
    command_id = died(served, ann.who, key, "DELETE", path)
    carried_out(owners, ann.who, RemoveClient(client_id=client_id), command_id)
    answer = ann.client.delete(path, headers=key)
    assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.parametrize("word", ["accept", "decline"])
def test_an_offer_is_answered_by_a_call_that_died(
    owners: Owners, company: Company, served: Served, word: str, key: dict[str, str]
) -> None:
    grace, product_id = company.member(Role.DEVELOPER), int(company.team)
    company.owner.post(company.path + "/transfer", json={"username": grace.email})
    path = f"/v1/user/transfers/{company.team}/{word}"
    command_id = died(served, grace, key, "POST", path)
    command: Command = DeclineProduct(product_id=product_id, user_id=grace.user_id)
    if word == "accept":
        carried_out(
            owners, grace, SeatOwner(team=company.team, user_id=company.ada.user_id), command_id
        )
        command = AcceptProduct(product_id=product_id, user_id=grace.user_id, is_member=True)
    carried_out(owners, grace, command, command_id)
    answer = company.call(grace).post(path, headers=key)
    assert (answer.status_code, answer.json()) == (200, {"ok": True})


def test_what_a_call_left_half_done_is_done(
    owners: Owners, company: Company, served: Served, key: dict[str, str]
) -> None:
    grace = company.member(Role.DEVELOPER)
    company.owner.post(company.path + "/transfer", json={"username": grace.email})
    path = f"/v1/user/transfers/{company.team}/accept"
    command_id = died(served, grace, key, "POST", path)
    seat = SeatOwner(team=company.team, user_id=company.ada.user_id)
    carried_out(owners, grace, seat, command_id)
    assert company.call(grace).post(path, headers=key).status_code == 200
    product = company.call(grace).get(company.path).json()["product"]
    assert product["user"] == grace.email
