"""What a new Rollcall begins with, and what a later start leaves as it is."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from shutil import copyfile
from typing import Any

import psycopg
import pytest
from argon2 import PasswordHasher

from domain.client import RemoveClient
from domain.log.fleet import Fleet
from domain.log.master_keys import spelled
from domain.log.seals import Seals
from domain.recorded import Provenance
from domain.token import RevokeToken
from domain.user import EraseUser
from migrations import FOLDER, migrate
from rollcall.founding import CLIENTS, Founded, administrator_id, found
from rollcall.secret_keys import people_key_of
from rollcall.state import State
from rollcall.trouble import Trouble
from tests.people import People, follow_access

EMAIL = "boss@example.test"
FIRST = administrator_id(1)
BY_TEST = Provenance(actor="test")


class Place:
    """A state directory on a database; `found` is what each start does there."""

    def __init__(self, folder: Path, database: str) -> None:
        folder.mkdir()
        self.state = State(folder)
        self.database = database

    def found(self, email: str = EMAIL) -> Founded:
        return found(self.database, people_key_of(self.state), email, self.state)

    def do(self, command: Any) -> None:
        with closing(Fleet(self.database, pool_connections=1)) as fleet:
            fleet.execute(command, BY_TEST)

    def follow(self) -> None:
        with closing(Seals(self.database, people_key_of(self.state))) as seals:
            follow_access(self.database, seals)

    def rows(self, query: str) -> list[Any]:
        with psycopg.connect(self.database) as connection:
            return connection.execute(query.encode()).fetchall()

    def length(self) -> int:
        return int(self.rows("SELECT count(*) FROM log.fleet_events")[0][0])


@pytest.fixture
def place(tmp_path: Path, database: str) -> Place:
    return Place(tmp_path / "state", database)


def token_id(founded: Founded) -> str:
    return sha256(founded.token.encode()).hexdigest()[:24]


def test_there_is_an_administrator_with_a_password_and_a_token(place: Place) -> None:
    founded = place.found()
    place.follow()

    (row,) = place.rows("SELECT user_id, email, password_hash, administrator FROM access.account")
    assert row[:2] + row[3:] == (FIRST, EMAIL, True)
    assert PasswordHasher().verify(row[2], place.state.admin_password.read_text().strip())
    (token,) = place.rows("SELECT token_hash, user_id, scopes, expires_at FROM access.token")
    assert token == (sha256(founded.token.encode()).digest(), FIRST, ["*"], None)
    assert founded.email == EMAIL
    assert founded.token_is_new


def test_there_are_the_clients_that_tools_expect_whose_secret_is_their_name(place: Place) -> None:
    place.found()
    place.follow()

    found = place.rows("SELECT client_id, type, secret_hash FROM access.client ORDER BY 1")
    assert found == [(name, "installed", sha256(name.encode()).digest()) for name in CLIENTS]


def test_a_second_start_changes_nothing(place: Place) -> None:
    first = place.found()
    length, password = place.length(), place.state.admin_password.read_text()

    second = place.found("somebody.else@example.test")

    assert place.length() == length
    assert second == Founded(EMAIL, first.token, token_is_new=False)
    assert place.state.admin_password.read_text() == password


def test_a_start_that_died_in_the_middle_is_finished_by_the_next(place: Place) -> None:
    place.state.admin_password.write_text("written, but nobody signed up with it\n")
    with closing(Seals(place.database, people_key_of(place.state))) as seals:
        seals.must_fit()
        seals.new_key(FIRST)

    place.found()
    place.follow()

    ((kept,),) = place.rows("SELECT password_hash FROM access.account")
    assert PasswordHasher().verify(kept, place.state.admin_password.read_text().strip())


def test_a_revoked_token_is_replaced_by_another_one(place: Place) -> None:
    before = place.found()
    place.do(RevokeToken(token_id=token_id(before)))

    after = place.found()

    assert after.token != before.token
    assert after.token_is_new
    assert place.state.admin_token.read_text().strip() == after.token


def test_an_erased_administrator_is_followed_by_another_one(place: Place) -> None:
    before = place.found()
    place.do(EraseUser(user_id=FIRST))

    after = place.found()
    place.follow()

    assert after.token != before.token
    known = place.rows("SELECT user_id, email, erased FROM access.account ORDER BY 1")
    assert known == [(FIRST, None, True), (administrator_id(2), EMAIL, False)]
    assert [user_id for (user_id,) in place.rows("SELECT user_id FROM access.token")] == [
        administrator_id(2)
    ]


def test_an_administrator_is_not_given_the_e_mail_of_somebody_else(place: Place) -> None:
    with (
        closing(Fleet(place.database, pool_connections=1)) as fleet,
        closing(Seals(place.database, people_key_of(place.state))) as seals,
    ):
        People(place.database, fleet, seals).sign_up(EMAIL.upper())

    with pytest.raises(Trouble, match="ROLLCALL_ADMIN_EMAIL names another"):
        place.found()

    assert place.found("other@example.test").email == "other@example.test"


def test_a_client_that_somebody_removed_stays_removed(place: Place) -> None:
    place.found()
    place.do(RemoveClient(client_id="particle"))
    length = place.length()

    place.found()

    assert place.length() == length


def test_another_master_key_is_not_begun_with(place: Place, tmp_path: Path) -> None:
    place.found()
    other = Place(tmp_path / "other", place.database)

    with pytest.raises(Trouble, match="sealed under another master key"):
        other.found()


def test_a_second_machine_has_a_token_of_its_own_for_the_same_administrator(
    place: Place, tmp_path: Path
) -> None:
    first = place.found()
    other = Place(tmp_path / "other", place.database)
    copyfile(place.state.master_key, other.state.master_key)

    second = other.found()
    place.follow()

    assert second.email == EMAIL
    assert second.token != first.token
    assert not other.state.admin_password.exists()
    assert place.rows("SELECT DISTINCT user_id FROM access.token") == [(FIRST,)]
    assert place.rows("SELECT count(*) FROM access.token") == [(2,)]


def test_tokens_of_an_older_version_work_on_as_the_administrators(
    tmp_path: Path, empty_database: str
) -> None:
    before = tmp_path / "migrations"
    before.mkdir()
    for path in sorted(FOLDER.glob("000*.sql")):
        copyfile(path, before / path.name)
    migrate(empty_database, before)
    place = Place(tmp_path / "state", empty_database)
    place.state.admin_token.write_text("the administrator's\n")
    tokens = {"the administrator's": ["*"], "a script's": ["devices:list"]}
    with psycopg.connect(empty_database) as connection:
        for token, scopes in tokens.items():
            connection.execute(
                "INSERT INTO api.token (token_hash, label, scopes) VALUES (%s, 'x', %s)",
                [sha256(token.encode()).digest(), scopes],
            )

    migrate(empty_database)
    founded = place.found()
    place.follow()

    assert founded.token == "the administrator's"
    found = place.rows("SELECT token_hash, user_id, scopes FROM access.token")
    assert sorted(found) == sorted(
        (sha256(token.encode()).digest(), FIRST, scopes) for token, scopes in tokens.items()
    )
    assert place.rows("SELECT to_regclass('api.token')") == [(None,)]


def test_machines_that_start_at_once_make_one_administrator(tmp_path: Path, database: str) -> None:
    places = [Place(tmp_path / f"state-{number}", database) for number in range(4)]
    for place in places[1:]:
        place.state.master_key.write_text(f"{spelled(people_key_of(places[0].state))}\n")

    with ThreadPoolExecutor(len(places)) as together:
        founded = list(together.map(Place.found, places))
    places[0].follow()

    assert {one.email for one in founded} == {EMAIL}
    assert len({one.token for one in founded}) == len(places)
    ((user_id, kept),) = places[0].rows("SELECT user_id, password_hash FROM access.account")
    assert user_id == FIRST
    (password,) = [
        place.state.admin_password.read_text().strip()
        for place in places
        if place.state.admin_password.exists()
    ]
    assert PasswordHasher().verify(kept, password)
