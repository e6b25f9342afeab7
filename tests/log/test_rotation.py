"""Another master key: everybody reads what they could read, at every moment of the change."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.errors import LockNotAvailable

from domain.log import rotation, seals
from domain.log.master_keys import (
    KeyFile,
    MasterKeyMalformed,
    MasterKeyWrong,
    Source,
    source_of,
    spelled,
)
from domain.log.rotation import (
    WRAPPED,
    NotSealed,
    RotationUnderWay,
    alone,
    is_sealed_under,
    rewrap,
)
from domain.log.seals import KeyDestroyed, Seals
from tests.projections.patience import eventually

FORMER, FOLLOWING, THIRD = bytes(range(32)), bytes(reversed(range(32))), b"3" * 32
ADA, BOB = "5f1e0c0000000000000000ad", "5f1e0c0000000000000000b0"
EMAIL = "ada@example.test"

Open = Callable[[bytes | Source], Seals]


@pytest.fixture
def opened(database: str) -> Iterator[Open]:
    with ExitStack() as held:
        yield lambda keys: held.enter_context(closing(Seals(database, keys)))


@pytest.fixture
def ada(opened: Open) -> str:
    """Her e-mail as events have it."""
    former = opened(FORMER)
    former.new_key(ADA)
    return former.seal(ADA, "email", EMAIL)


def rotate(database: str, former: bytes = FORMER, following: bytes = FOLLOWING) -> int:
    with alone(database) as connection:
        return rewrap(connection, former, following)


def rows(database: str, query: str) -> list[Any]:
    with psycopg.connect(database) as connection:
        return connection.execute(query.encode()).fetchall()


def test_what_was_sealed_is_read_by_the_following_key_and_no_more_by_the_former(
    database: str, opened: Open, ada: str
) -> None:
    digest = opened(FORMER).digest(EMAIL)
    own = opened(FORMER).own_key("webhooks")

    assert rotate(database) == 3

    assert opened(FOLLOWING).unseal(ADA, "email", ada) == EMAIL
    assert opened(FOLLOWING).digest(EMAIL) == digest
    assert opened(FOLLOWING).own_key("webhooks") == own
    with pytest.raises(MasterKeyWrong):
        opened(FORMER).unseal(ADA, "email", ada)
    with pytest.raises(MasterKeyWrong):
        opened(FORMER).must_fit()


def test_who_knows_both_keys_notices_nothing(database: str, opened: Open, ada: str) -> None:
    both = opened(lambda: (FORMER, FOLLOWING))
    digest = both.digest(EMAIL)
    assert both.unseal(ADA, "email", ada) == EMAIL

    rotate(database)

    assert both.unseal(ADA, "email", ada) == EMAIL
    assert both.digest(EMAIL) == digest
    both.new_key(BOB)
    assert opened(FOLLOWING).seal(BOB, "email", "x")


def test_who_reads_the_keys_from_a_file_finds_the_following_one_beside_it(
    database: str, opened: Open, ada: str, tmp_path: Path
) -> None:
    kept = KeyFile(tmp_path / "master_key")
    kept.path.write_text(spelled(FORMER))
    running = opened(kept)
    assert running.unseal(ADA, "email", ada) == EMAIL

    kept.next.write_text(spelled(FOLLOWING))
    rotate(database)
    assert running.unseal(ADA, "email", ada) == EMAIL
    kept.next.rename(kept.path)
    assert running.unseal(ADA, "email", ada) == EMAIL
    assert opened(kept).unseal(ADA, "email", ada) == EMAIL


def test_who_was_erased_stays_so(database: str, opened: Open, ada: str) -> None:
    opened(FORMER).destroy(ADA)
    opened(FORMER).new_key(BOB)

    assert rotate(database) == 1

    assert opened(FOLLOWING).unseal(ADA, "email", ada) is None
    with pytest.raises(KeyDestroyed):
        opened(FOLLOWING).seal(ADA, "email", "x")


def test_one_change_after_the_other(database: str, opened: Open, ada: str) -> None:
    rotate(database)
    rotate(database, FOLLOWING, THIRD)
    assert opened(THIRD).unseal(ADA, "email", ada) == EMAIL


def test_a_key_that_is_not_in_effect_changes_nothing(database: str, opened: Open, ada: str) -> None:
    for wrong in ((THIRD, FOLLOWING), (FOLLOWING, FORMER)):
        with pytest.raises(MasterKeyWrong):
            rotate(database, *wrong)
    assert opened(FORMER).unseal(ADA, "email", ada) == EMAIL


def test_a_database_that_holds_nothing_sealed_has_no_key_to_change(database: str) -> None:
    with pytest.raises(NotSealed):
        rotate(database)


def test_only_one_at_a_time(database: str, ada: str) -> None:
    with alone(database), pytest.raises(RotationUnderWay):
        rotate(database)
    rotate(database)


def test_every_key_is_taken_however_many_there_are_and_a_few_at_once(
    database: str, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation, "ROWS_AT_ONCE", 3)
    former = opened(FORMER)
    people = [f"{number:024x}" for number in range(10)]
    sealed = {}
    for person_id in people:
        former.new_key(person_id)
        sealed[person_id] = former.seal(person_id, "email", person_id)

    assert rotate(database) == 10

    following = opened(FOLLOWING)
    assert [following.unseal(one, "email", sealed[one]) for one in people] == people


def test_every_table_of_keys_is_among_those_that_are_changed(database: str) -> None:
    found = rows(
        database,
        """SELECT relname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
           WHERE relnamespace = 'secrets'::regnamespace AND relkind = 'r'
             AND attname = 'wrapped'""",
    )
    assert {name for (name,) in found} == {one.table for one in WRAPPED}


@contextmanager
def held_at_the_last_step(database: str) -> Iterator[Thread]:
    """A change that has everything ready and waits for its turn at the table, until this ends."""
    with psycopg.connect(database) as busy:
        busy.execute("LOCK TABLE secrets.person_key IN ROW EXCLUSIVE MODE")
        change = Thread(target=rotate, args=[database])
        change.start()
        eventually(lambda: rows(database, "SELECT FROM pg_locks WHERE NOT granted") != [])
        yield change
    change.join()


def test_while_it_is_under_way_everybody_reads_on(database: str, opened: Open, ada: str) -> None:
    both = opened(lambda: (FORMER, FOLLOWING))
    with held_at_the_last_step(database):
        assert both.unseal(ADA, "email", ada) == EMAIL
        assert both.seal(ADA, "email", "x")


def test_a_key_made_while_it_is_under_way_is_not_lost(
    database: str, opened: Open, ada: str
) -> None:
    both = opened(lambda: (FORMER, FOLLOWING))
    with held_at_the_last_step(database):
        # It waits in line for the table, as wrapped under the former key.
        making = Thread(target=both.new_key, args=[BOB])
        making.start()
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        eventually(lambda: rows(database, waiting) == [(2,)])
    making.join()

    sealed = both.seal(BOB, "email", "bob")
    assert opened(FOLLOWING).unseal(BOB, "email", sealed) == "bob"


def test_a_key_destroyed_while_it_is_under_way_is_gone(
    database: str, opened: Open, ada: str
) -> None:
    other = opened(FORMER)
    other.new_key(BOB)
    with psycopg.connect(database) as erasing:
        erasing.execute(
            "UPDATE secrets.person_key SET wrapped = NULL, destroyed_at = now()"
            " WHERE person_id = %s",
            [ADA],
        )
        change = Thread(target=rotate, args=[database])
        change.start()
        eventually(lambda: rows(database, "SELECT FROM pg_locks WHERE NOT granted") != [])
    change.join()

    assert opened(FOLLOWING).unseal(ADA, "email", ada) is None
    assert is_in_effect(database, FOLLOWING)


def is_in_effect(database: str, key: bytes) -> bool:
    with psycopg.connect(database) as connection:
        return is_sealed_under(connection, key)


def test_who_makes_a_key_does_not_wait_for_ever(
    database: str, opened: Open, ada: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seals, "LOCK_TIMEOUT_S", 0.1)
    hasty = opened(FORMER)
    with psycopg.connect(database) as changing:
        changing.execute("LOCK TABLE secrets.person_key IN SHARE ROW EXCLUSIVE MODE")
        with pytest.raises(LockNotAvailable):
            hasty.new_key(BOB)
        assert hasty.unseal(ADA, "email", ada) == EMAIL


def test_only_the_databases_owner_changes_the_key(database: str, opened: Open, ada: str) -> None:
    as_app = make_conninfo(database, options="-c role=rollcall_app")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        rotate(as_app)
    assert is_in_effect(database, FORMER)


def test_the_environment_names_one_key_or_two_or_a_file(tmp_path: Path) -> None:
    one, two = spelled(FORMER), f"{spelled(FORMER)},{spelled(FOLLOWING)}"
    assert source_of(one, "")() == (FORMER,)
    assert source_of(two, "")() == (FORMER, FOLLOWING)
    path = tmp_path / "master_key"
    path.write_text(one)
    assert source_of(two, str(path))() == [FORMER]
    for wrong in ("", "x", f"{two},{one}"):
        with pytest.raises(MasterKeyMalformed):
            source_of(wrong, "")
