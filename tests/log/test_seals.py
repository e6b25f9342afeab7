"""Seals: what they keep from whom, and that a destroyed key is the end of it."""

import base64
import hmac
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest

from domain.log.master_keys import (
    MasterKeyMalformed,
    MasterKeyWrong,
    derived,
    master_key_of,
    spelled,
)
from domain.log.seals import (
    KeyDestroyed,
    KeyMissing,
    SealBroken,
    SealedField,
    Seals,
    destroy_within,
)

MASTER_KEY = bytes(range(32))
OTHER_MASTER_KEY = bytes(reversed(range(32)))
ADA = "5f1e0c0000000000000000ad"
BOB = "5f1e0c0000000000000000b0"
TEXT = "ada@example.test — and ünïcode"

Open = Callable[..., Seals]


@pytest.fixture
def open_seals(database: str) -> Iterator[Open]:
    with ExitStack() as held:

        def opened(master_key: bytes = MASTER_KEY) -> Seals:
            seals = Seals(database, master_key)
            held.callback(seals.close)
            return seals

        yield opened


@pytest.fixture
def seals(open_seals: Open) -> Seals:
    """With keys for Ada and Bob."""
    seals = open_seals()
    seals.new_key(ADA)
    seals.new_key(BOB)
    return seals


def rows(database: str, query: str) -> list[Any]:
    with psycopg.connect(database) as connection:
        return connection.execute(query.encode()).fetchall()


def test_what_is_sealed_can_be_read_again(seals: Seals) -> None:
    sealed = seals.seal(ADA, "email", TEXT)

    assert seals.unseal(ADA, "email", sealed) == TEXT


def test_a_seal_shows_nothing_and_is_another_one_each_time(seals: Seals) -> None:
    first, second = (seals.seal(ADA, "email", TEXT) for _ in range(2))

    assert first != second
    box = base64.urlsafe_b64decode(first.removeprefix("v1."))
    assert TEXT.encode() not in box
    assert b"ada" not in box


def test_several_texts_are_sealed_and_read_in_one_go(seals: Seals) -> None:
    sealed = seals.seal_all(ADA, {"email": "a", "profile": ""})
    bobs = seals.seal(BOB, "email", "b")

    asked = [
        SealedField(BOB, "email", bobs),
        SealedField(ADA, "profile", sealed["profile"]),
        SealedField(ADA, "email", sealed["email"]),
    ]
    assert seals.unseal_many(asked) == ["b", "", "a"]
    assert seals.unseal_many([]) == []


def test_a_seal_is_of_one_person_and_one_field(seals: Seals) -> None:
    sealed = seals.seal(ADA, "email", TEXT)

    with pytest.raises(SealBroken):
        seals.unseal(BOB, "email", sealed)
    with pytest.raises(SealBroken):
        seals.unseal(ADA, "password", sealed)


@pytest.mark.parametrize(
    "damage",
    [
        lambda sealed: "",
        lambda sealed: "v1.",
        lambda sealed: "v1.not base64!",
        lambda sealed: sealed[:-4],
        lambda sealed: "v2" + sealed[2:],
        lambda sealed: sealed[:20] + ("A" if sealed[20] != "A" else "B") + sealed[21:],
    ],
)
def test_a_seal_that_was_altered_is_broken(seals: Seals, damage: Callable[[str], str]) -> None:
    with pytest.raises(SealBroken):
        seals.unseal(ADA, "email", damage(seals.seal(ADA, "email", TEXT)))


def test_nobody_reads_what_was_sealed_for_one_whose_key_is_destroyed(
    seals: Seals, open_seals: Open
) -> None:
    adas, bobs = seals.seal(ADA, "email", TEXT), seals.seal(BOB, "email", TEXT)

    seals.destroy(ADA)

    assert open_seals().unseal(ADA, "email", adas) is None
    # Nothing is kept in memory either.
    assert seals.unseal(ADA, "email", adas) is None
    assert seals.unseal(BOB, "email", bobs) == TEXT


def test_a_destroyed_key_is_not_replaced_by_another_one(seals: Seals) -> None:
    sealed = seals.seal(ADA, "email", TEXT)
    seals.destroy(ADA)
    seals.destroy(ADA)

    seals.new_key(ADA)

    assert seals.unseal(ADA, "email", sealed) is None
    with pytest.raises(KeyDestroyed):
        seals.seal(ADA, "email", TEXT)


def test_making_a_key_twice_keeps_the_first_one(seals: Seals) -> None:
    sealed = seals.seal(ADA, "email", TEXT)

    seals.new_key(ADA)

    assert seals.unseal(ADA, "email", sealed) == TEXT


def test_a_key_that_never_was_is_missed_not_taken_for_a_destroyed_one(seals: Seals) -> None:
    sealed = seals.seal(ADA, "email", TEXT)

    with pytest.raises(KeyMissing, match="stranger"):
        seals.unseal("stranger", "email", sealed)
    with pytest.raises(KeyMissing):
        seals.seal("stranger", "email", TEXT)


def test_keys_are_destroyed_with_the_transaction_that_says_so(seals: Seals, database: str) -> None:
    sealed = seals.seal(ADA, "email", TEXT)
    with psycopg.connect(database) as connection:
        destroy_within(connection.cursor(), [ADA])
        connection.rollback()
        assert seals.unseal(ADA, "email", sealed) == TEXT
        destroy_within(connection.cursor(), [ADA])
    assert seals.unseal(ADA, "email", sealed) is None


def test_the_database_alone_opens_nothing(seals: Seals, open_seals: Open, database: str) -> None:
    sealed = seals.seal(ADA, "email", TEXT)

    with pytest.raises(MasterKeyWrong):
        open_seals(OTHER_MASTER_KEY).unseal(ADA, "email", sealed)
    stored = rows(database, "SELECT wrapped FROM secrets.person_key")
    assert all(MASTER_KEY not in wrapped for (wrapped,) in stored)


def test_one_persons_wrapped_key_is_not_anothers(seals: Seals, database: str) -> None:
    sealed = seals.seal(ADA, "email", TEXT)
    swap = "UPDATE secrets.person_key SET wrapped = (SELECT wrapped FROM secrets.person_key"
    with psycopg.connect(database) as connection:
        connection.execute(
            f"{swap} WHERE person_id = %s) WHERE person_id = %s".encode(), [BOB, ADA]
        )

    with pytest.raises(MasterKeyWrong):
        seals.unseal(ADA, "email", sealed)


def test_a_database_stays_with_the_master_key_that_it_met_first(open_seals: Open) -> None:
    open_seals().must_fit()
    open_seals().must_fit()

    with pytest.raises(MasterKeyWrong):
        open_seals(OTHER_MASTER_KEY).must_fit()


def test_a_digest_finds_a_text_again_only_by_the_master_key(seals: Seals, open_seals: Open) -> None:
    assert seals.digest(TEXT) == open_seals().digest(TEXT)
    assert seals.digest(TEXT) != seals.digest(TEXT + " ")
    assert len(seals.digest(TEXT)) == 32
    with pytest.raises(MasterKeyWrong):
        open_seals(OTHER_MASTER_KEY).digest(TEXT)


def test_digests_of_a_database_from_before_they_had_a_key_of_their_own_go_on(seals: Seals) -> None:
    by_hand = derived(MASTER_KEY, b"rollcall: blind index")
    assert seals.digest(TEXT) == hmac.digest(by_hand, TEXT.encode(), "sha256")


def test_a_key_of_the_installations_own_is_made_once(seals: Seals, open_seals: Open) -> None:
    assert seals.own_key("webhooks") == open_seals().own_key("webhooks")
    assert seals.own_key("webhooks") != seals.own_key("something else")
    with pytest.raises(MasterKeyWrong):
        open_seals(OTHER_MASTER_KEY).own_key("webhooks")


def test_under_another_master_key_no_key_is_made(
    database: str, seals: Seals, open_seals: Open
) -> None:
    with pytest.raises(MasterKeyWrong):
        open_seals(OTHER_MASTER_KEY).new_key("cleo")
    assert rows(database, "SELECT count(*) FROM secrets.person_key") == [(2,)]


def test_a_master_key_is_spelled_in_base64() -> None:
    assert master_key_of(spelled(MASTER_KEY)) == MASTER_KEY
    for wrong in ("", "short", spelled(MASTER_KEY[:-1]), spelled(MASTER_KEY) + "!", "é" * 44):
        with pytest.raises(MasterKeyMalformed, match="32 bytes in base64"):
            master_key_of(wrong)
