"""Model `access`: who there is and who may come in, whatever the pages it was told in."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from hashlib import sha256
from random import Random
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from domain.client import ChangeClient, RegisterClient, RemoveClient
from domain.log.fleet import Fleet
from domain.log.seals import Seals
from domain.model import Command, Refused
from domain.recorded import Provenance
from domain.token import IssueToken, ReplaceToken, RevokeToken
from domain.user import (
    ChangeEmail,
    ChangePassword,
    ChangeProfile,
    DisableTotp,
    EnableTotp,
    EraseUser,
    OfferTotp,
    RehashPassword,
    RequestPasswordReset,
    ResetPassword,
    SignUp,
    UseRecoveryCode,
)
from domain.user_events import EMAIL, PASSWORD, PROFILE, RECOVERY, RESET, TOTP_SECRET
from projections.fleet.model import FleetModel
from projections.rebuilding.rebuild import rebuild
from projections.trouble import Stopped
from tests.people import MASTER_KEY, follow_access
from tests.projections.following import follow

BY_TEST = Provenance(actor="test")
ADA, BOB, CLEO = (f"{number:024x}" for number in (0xAD, 0xB0, 0xC1E0))
HASH, OTHER_HASH = "a" * 64, "b" * 64
NOW = "2030-01-01T10:00:00.000Z"
LATER = "2030-01-01T11:00:00.000Z"
LATER_TIME = datetime(2030, 1, 1, 11, tzinfo=UTC)
PAGE_SIZES = (1, 5_000)


class Told:
    """A log, and the model that is told it in pages of some size."""

    def __init__(self, database: str, fleet: Fleet, seals: Seals) -> None:
        self.database = database
        self.fleet = fleet
        self.seals = seals
        self.page_events_max = 5_000

    def do(self, *commands: Command) -> None:
        for command in commands:
            self.fleet.execute(command, BY_TEST)

    def follow(self) -> None:
        follow_access(self.database, self.seals, page_events_max=self.page_events_max)

    def sealed(self, user_id: str, field: str, text: str) -> str:
        return self.seals.seal(user_id, field, text)

    def sign_up(self, user_id: str, email: str, **profile: str) -> None:
        self.seals.new_key(user_id)
        self.do(
            SignUp(
                user_id=user_id,
                email=self.sealed(user_id, EMAIL, email),
                password=self.sealed(user_id, PASSWORD, f"hash of {email}"),
                profile=self.sealed(user_id, PROFILE, json.dumps(profile)),
            )
        )

    def change_email(self, user_id: str, email: str) -> None:
        self.do(ChangeEmail(user_id=user_id, email=self.sealed(user_id, EMAIL, email)))

    def issue(self, token: str, **more: Any) -> str:
        token_hash = sha256(token.encode()).hexdigest()
        self.do(IssueToken(token_id=token_hash[:24], token_hash=token_hash, **more))
        return token_hash[:24]

    def enable_totp(self, user_id: str, codes: list[str]) -> None:
        secret = self.sealed(user_id, TOTP_SECRET, "base32")
        recovery = self.sealed(user_id, RECOVERY, json.dumps(codes))
        self.do(
            OfferTotp(user_id=user_id, secret=secret, offer_hash=HASH, expires_at=LATER),
            EnableTotp(user_id=user_id, offer_hash=HASH, recovery=recovery, now=NOW),
        )

    def rows(self, query: str) -> list[dict[str, Any]]:
        with psycopg.connect(self.database, row_factory=dict_row) as connection:
            return connection.execute(query.encode()).fetchall()

    def account(self, user_id: str = ADA) -> dict[str, Any]:
        self.follow()
        (row,) = self.rows(f"SELECT * FROM access.account WHERE user_id = '{user_id}'")
        return row

    def emails(self) -> dict[str, str]:
        self.follow()
        found = self.rows("SELECT user_id, email FROM access.account")
        return {row["user_id"]: row["email"] for row in found}

    def tokens(self) -> set[str]:
        """The ids of those that work."""
        self.follow()
        return {row["token_id"] for row in self.rows("SELECT token_id FROM access.token")}

    def key_is_destroyed(self, user_id: str) -> bool:
        query = f"SELECT wrapped FROM secrets.person_key WHERE person_id = '{user_id}'"
        return bool(self.rows(query)[0]["wrapped"] is None)


@pytest.fixture(params=PAGE_SIZES)
def told(database: str, request: pytest.FixtureRequest) -> Iterator[Told]:
    with (
        closing(Fleet(database, pool_connections=1)) as fleet,
        closing(Seals(database, MASTER_KEY)) as seals,
    ):
        told = Told(database, fleet, seals)
        told.page_events_max = request.param
        yield told


def test_who_signs_up_has_an_account(told: Told) -> None:
    told.sign_up(ADA, "Ada@Example.test", first_name="Ada")

    account = told.account()
    assert account["email"] == "Ada@Example.test"
    assert account["email_digest"] == told.seals.digest("ada@example.test")
    assert account["password_hash"] == "hash of Ada@Example.test"
    assert account["profile"] == {"first_name": "Ada"}
    assert account["administrator"] is False
    assert account["erased"] is False
    assert account["totp_secret"] is None
    assert account["created_at"] == account["updated_at"]


def test_passwords_profiles_and_e_mails_change(told: Told) -> None:
    told.sign_up(ADA, "ada@example.test")
    told.do(
        ChangePassword(user_id=ADA, password=told.sealed(ADA, PASSWORD, "new hash")),
        ChangeProfile(user_id=ADA, profile=told.sealed(ADA, PROFILE, '{"last_name": "L"}')),
    )
    told.change_email(ADA, "elsewhere@example.test")

    account = told.account()
    assert account["password_hash"] == "new hash"
    assert account["profile"] == {"last_name": "L"}
    assert account["email"] == "elsewhere@example.test"
    assert account["email_digest"] == told.seals.digest("elsewhere@example.test")
    assert account["updated_at"] > account["created_at"]


def test_an_e_mail_may_go_from_one_to_another(told: Told) -> None:
    told.sign_up(ADA, "one@example.test")
    told.sign_up(BOB, "two@example.test")
    told.follow()
    told.change_email(ADA, "three@example.test")
    told.change_email(BOB, "one@example.test")
    told.change_email(ADA, "two@example.test")

    assert told.emails() == {ADA: "two@example.test", BOB: "one@example.test"}


def test_a_reset_waits_until_the_password_is_known_again(told: Told) -> None:
    told.sign_up(ADA, "ada@example.test")
    reset = told.sealed(ADA, RESET, "the token")
    told.do(RequestPasswordReset(user_id=ADA, reset=reset, reset_hash=HASH, expires_at=LATER))
    waiting = told.account()
    assert (waiting["reset_hash"], waiting["reset_expires_at"]) == (
        bytes.fromhex(HASH),
        LATER_TIME,
    )

    password = told.sealed(ADA, PASSWORD, "new hash")
    told.do(ResetPassword(user_id=ADA, reset_hash=HASH, password=password, now=NOW))

    done = told.account()
    assert (done["reset_hash"], done["reset_expires_at"]) == (None, None)
    assert done["password_hash"] == "new hash"


def test_hashing_anew_and_a_new_e_mail_do_what_they_say_to_a_reset(told: Told) -> None:
    told.sign_up(ADA, "ada@example.test")
    former = told.fleet.load(f"user-{ADA}").state.password
    reset, again = told.sealed(ADA, RESET, "x"), told.sealed(ADA, PASSWORD, "stronger")
    told.do(
        RequestPasswordReset(user_id=ADA, reset=reset, reset_hash=HASH, expires_at=LATER),
        RehashPassword(user_id=ADA, password=again, former=former),
    )
    account = told.account()
    assert account["password_hash"] == "stronger"
    assert account["reset_hash"] == bytes.fromhex(HASH)

    told.change_email(ADA, "elsewhere@example.test")

    assert told.account()["reset_hash"] is None


def test_a_second_factor_is_offered_enabled_and_disabled(told: Told) -> None:
    told.sign_up(ADA, "ada@example.test")
    secret = told.sealed(ADA, TOTP_SECRET, "base32")
    told.do(OfferTotp(user_id=ADA, secret=secret, offer_hash=HASH, expires_at=LATER))
    offered = told.account()
    assert offered["totp_secret"] is None
    assert offered["totp_offer"] == "base32"
    assert offered["totp_offer_hash"] == bytes.fromhex(HASH)
    assert offered["totp_offer_expires_at"] == LATER_TIME

    recovery = told.sealed(ADA, RECOVERY, json.dumps([HASH, OTHER_HASH]))
    told.do(
        EnableTotp(user_id=ADA, offer_hash=HASH, recovery=recovery, now=NOW),
        UseRecoveryCode(user_id=ADA, code_hash=HASH),
    )
    enabled = told.account()
    assert enabled["totp_secret"] == "base32"
    assert enabled["totp_offer"] is enabled["totp_offer_hash"] is None
    assert enabled["recovery"] == [OTHER_HASH]

    told.do(DisableTotp(user_id=ADA))
    disabled = told.account()
    assert disabled["totp_secret"] is None
    assert disabled["recovery"] == []


def test_a_token_is_there_as_it_was_issued_until_it_is_revoked(told: Told) -> None:
    token_id = told.issue(
        "secret",
        user_id=ADA,
        client_id="particle-cli",
        api_user_id="",
        scopes=("devices:list", "devices:get"),
        product_id=7000,
        organization_id="",
        expires_at=LATER,
        refresh_hash=HASH,
        refresh_expires_at=LATER,
    )
    told.follow()
    (row,) = told.rows("SELECT * FROM access.token")
    assert row.pop("issued_at")
    assert row == {
        "token_hash": sha256(b"secret").digest(),
        "token_id": token_id,
        "user_id": ADA,
        "client_id": "particle-cli",
        "api_user_id": "",
        "scopes": ["devices:list", "devices:get"],
        "product_id": 7000,
        "organization_id": "",
        "expires_at": LATER_TIME,
        "refresh_hash": bytes.fromhex(HASH),
        "refresh_expires_at": LATER_TIME,
    }

    told.do(RevokeToken(token_id=token_id))

    assert told.tokens() == set()
    assert told.rows("SELECT * FROM access.spent_refresh") == []


def test_tokens_without_an_end_and_without_a_refresh_token(told: Told) -> None:
    told.issue("one")
    told.issue("two")
    told.follow()

    found = told.rows("SELECT expires_at, refresh_hash, refresh_expires_at FROM access.token")
    nothing = {"expires_at": None, "refresh_hash": None, "refresh_expires_at": None}
    assert found == [nothing, nothing]


def test_a_refresh_token_that_was_traded_is_remembered_as_spent(told: Told) -> None:
    until = {"refresh_hash": HASH, "refresh_expires_at": LATER}
    first = told.issue("first", user_id=ADA, **until)
    second = told.issue("second", user_id=ADA, refresh_hash=OTHER_HASH)
    told.do(ReplaceToken(token_id=first, refresh_hash=HASH, replaced_by=second, now=NOW))

    assert told.tokens() == {second}
    assert told.rows("SELECT * FROM access.spent_refresh") == [
        {
            "refresh_hash": bytes.fromhex(HASH),
            "replaced_by": second,
            "user_id": ADA,
            "client_id": "",
            "expires_at": LATER_TIME,
        }
    ]


def test_clients_come_change_and_go_and_their_tokens_with_them(told: Told) -> None:
    told.do(
        RegisterClient(
            client_id="lamp-app-1234",
            name="Lamp app",
            type="web",
            redirect_uri="https://lamp.example/back",
            secret_hash=HASH,
            scope="customers:create",
            user_id=ADA,
            product_id=7000,
        ),
        ChangeClient(client_id="lamp-app-1234", name="Lamps", scope="*:*"),
    )
    told.follow()
    (row,) = told.rows("SELECT * FROM access.client")
    assert row.pop("created_at") < row.pop("updated_at")
    assert row == {
        "client_id": "lamp-app-1234",
        "name": "Lamps",
        "type": "web",
        "redirect_uri": "https://lamp.example/back",
        "secret_hash": bytes.fromhex(HASH),
        "scope": "*:*",
        "user_id": ADA,
        "product_id": 7000,
        "removed": False,
    }
    others = told.issue("another client's", client_id="particle")
    theirs = told.issue("theirs", client_id="lamp-app-1234")
    assert told.tokens() == {others, theirs}

    told.do(RemoveClient(client_id="lamp-app-1234"))
    told.issue("issued too late", client_id="lamp-app-1234")

    assert told.tokens() == {others}
    assert told.rows("SELECT removed FROM access.client") == [{"removed": True}]


def test_of_who_is_erased_nothing_is_left_but_that_they_were_there(told: Told) -> None:
    told.sign_up(ADA, "ada@example.test", first_name="Ada")
    told.sign_up(BOB, "bob@example.test")
    told.enable_totp(ADA, [HASH])
    first = told.issue("first", user_id=ADA, refresh_hash=HASH)
    second = told.issue("second", user_id=ADA)
    bobs = told.issue("bob's", user_id=BOB)
    told.do(ReplaceToken(token_id=first, refresh_hash=HASH, replaced_by=second, now=NOW))
    told.follow()

    told.do(EraseUser(user_id=ADA))
    told.issue("logged in at that very moment", user_id=ADA)

    account = told.account()
    assert account.pop("created_at") < account.pop("updated_at")
    assert {column: value for column, value in account.items() if value} == {
        "user_id": ADA,
        "erased": True,
    }
    assert told.tokens() == {bobs}
    assert told.rows("SELECT * FROM access.spent_refresh") == []
    assert told.emails()[BOB] == "bob@example.test"


def test_the_key_of_who_is_erased_is_destroyed_even_if_whoever_erased_them_died(
    told: Told,
) -> None:
    told.sign_up(ADA, "ada@example.test")
    told.sign_up(BOB, "bob@example.test")
    told.do(EraseUser(user_id=ADA))
    assert not told.key_is_destroyed(ADA)

    told.follow()

    assert told.key_is_destroyed(ADA)
    assert not told.key_is_destroyed(BOB)


def test_an_e_mail_is_free_again_once_its_owner_is_erased(told: Told) -> None:
    told.sign_up(ADA, "ada@example.test")
    told.do(EraseUser(user_id=ADA))
    told.sign_up(BOB, "ada@example.test")

    assert told.emails() == {ADA: None, BOB: "ada@example.test"}


@pytest.mark.parametrize("erased", ["before it is told", "after it is told"])
def test_rebuilt_from_the_log_it_is_the_same_also_after_an_erasure(told: Told, erased: str) -> None:
    told.sign_up(ADA, "ada@example.test", first_name="Ada")
    told.sign_up(BOB, "bob@example.test", first_name="Bob")
    told.enable_totp(ADA, [HASH, OTHER_HASH])
    told.issue("ada's", user_id=ADA)
    bobs = told.issue("bob's", user_id=BOB)
    if erased == "after it is told":
        told.follow()
    told.do(EraseUser(user_id=ADA))
    told.seals.destroy(ADA)
    told.follow()
    before = told.rows("SELECT * FROM access.account ORDER BY user_id")

    rebuild(told.database, "access", accept=False, say=print, seals=told.seals)

    assert told.rows("SELECT * FROM access.account ORDER BY user_id") == before
    assert told.tokens() == {bobs}
    # And it goes on from there.
    told.change_email(BOB, "elsewhere@example.test")
    assert told.emails() == {ADA: None, BOB: "elsewhere@example.test"}


def test_what_it_cannot_read_stops_it_there_and_is_named(told: Told) -> None:
    told.sign_up(ADA, "ada@example.test")
    told.do(ChangeProfile(user_id=ADA, profile=told.sealed(ADA, EMAIL, "sealed as an e-mail")))
    told.sign_up(BOB, "bob@example.test")

    with pytest.raises(Stopped, match=r"ProfileChanged.1: SealBroken") as stopped:
        told.follow()

    assert stopped.value.position == 2
    assert [row["user_id"] for row in told.rows("SELECT user_id FROM access.account")] == [ADA]


SECRETS = [sha256(bytes([number])).hexdigest() for number in range(4)]


def some_command(told: Told, random: Random) -> Command:
    """Anything that anybody might want of a few users, tokens and clients."""
    user_id = random.choice((ADA, BOB, CLEO))
    secret, other = random.sample(SECRETS, 2)
    token_id, client_id = secret[:24], random.choice(("one", "two"))
    told.seals.new_key(user_id)

    def sealed(field: str, text: str) -> str:
        return told.sealed(user_id, field, text)

    makes: list[Callable[[], Command]] = [
        lambda: SignUp(
            user_id=user_id,
            email=sealed(EMAIL, f"{user_id}@example.test"),
            password=sealed(PASSWORD, "hash"),
            profile=sealed(PROFILE, "{}"),
        ),
        lambda: ChangePassword(user_id=user_id, password=sealed(PASSWORD, str(random.random()))),
        lambda: ChangeEmail(
            user_id=user_id, email=sealed(EMAIL, f"{user_id}.{random.random()}@example.test")
        ),
        lambda: RequestPasswordReset(
            user_id=user_id,
            reset=sealed(RESET, "x"),
            reset_hash=sha256(user_id.encode()).hexdigest(),
            expires_at=LATER,
        ),
        lambda: OfferTotp(
            user_id=user_id,
            secret=sealed(TOTP_SECRET, str(random.random())),
            offer_hash=HASH,
            expires_at=LATER,
        ),
        lambda: EnableTotp(
            user_id=user_id,
            offer_hash=HASH,
            recovery=sealed(RECOVERY, json.dumps([HASH, OTHER_HASH])),
            now=NOW,
        ),
        lambda: UseRecoveryCode(user_id=user_id, code_hash=random.choice((HASH, OTHER_HASH))),
        lambda: DisableTotp(user_id=user_id),
        lambda: IssueToken(
            token_id=token_id,
            token_hash=secret,
            user_id=random.choice((user_id, "")),
            client_id=random.choice((client_id, "")),
            refresh_hash=random.choice((secret, "")),
        ),
        lambda: RevokeToken(token_id=token_id),
        lambda: ReplaceToken(
            token_id=token_id, refresh_hash=secret, replaced_by=other[:24], now=NOW
        ),
        lambda: RegisterClient(client_id=client_id, name=client_id, type="installed"),
        lambda: ChangeClient(client_id=client_id, name=random.choice("ab"), scope=""),
    ]
    if random.random() < 0.05:
        return random.choice([EraseUser(user_id=user_id), RemoveClient(client_id=client_id)])
    return random.choice(makes)()


def test_the_fleet_is_not_concerned_with_people(told: Told) -> None:
    told.sign_up(ADA, "ada@example.test")
    told.issue("ada's", user_id=ADA)
    told.do(RegisterClient(client_id="one", name="one", type="installed"))
    follow(told.database, FleetModel(page_events_max=told.page_events_max))

    assert told.rows("SELECT notification_id FROM fleet.tracking") == [{"notification_id": 3}]


@pytest.mark.parametrize("seed", range(3))
def test_whatever_happens_it_does_not_matter_where_pages_end(told: Told, seed: int) -> None:
    random = Random(seed)
    for number in range(120):
        try:
            told.do(some_command(told, random))
        except Refused:
            continue
        if number % 40 == 39:
            told.follow()
    told.follow()

    # In one page, from the first event on; it raises Differs if it is not the same.
    rebuild(told.database, "access", accept=False, say=print, seals=told.seals)
