"""Seals: what is personal stands in events only encrypted, under a key of the person's own.

A person's key is random and stands in table `secrets.person_key`, wrapped under the master key,
which is not in the database, and whose place another one may take: see rotation.py. Destroying a
person's key makes everything sealed for the person unreadable at once, in every copy of the log,
and no event changes.
"""

import base64
import hmac
import secrets
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from psycopg import Connection, Cursor
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import tuple_row
from psycopg_pool import ConnectionPool

from domain.log.fleet import as_app_role
from domain.log.master_keys import (
    KEY_BYTES,
    NONCE_BYTES,
    MasterKey,
    MasterKeys,
    MasterKeyWrong,
    Source,
)
from domain.model import Unknown

FORMAT = "v1."
CONNECTIONS_MAX = 4
CONNECTION_WAIT_S = 5.0
CONNECT_TIMEOUT_S = 5
LOCK_TIMEOUT_S = 3  # who makes or destroys a key while the master key changes
ATTEMPTS_MAX = 3
INDEX_KEY = "blind index"

WRAPPED = "SELECT person_id, wrapped FROM secrets.person_key WHERE person_id = ANY(%s)"
# Under the master key that is in effect once the row is there: it may change while we wait.
ADD_KEY = """
    INSERT INTO secrets.person_key (person_id, wrapped)
    SELECT %(name)s, %(wrapped)s FROM secrets.master_key WHERE mark = %(mark)s
    ON CONFLICT DO NOTHING
"""
OWN_KEY = "SELECT wrapped FROM secrets.own_key WHERE name = %s"
ADD_OWN_KEY = """
    INSERT INTO secrets.own_key (name, wrapped)
    SELECT %(name)s, %(wrapped)s FROM secrets.master_key WHERE mark = %(mark)s
    ON CONFLICT DO NOTHING
"""
DESTROY = """
    UPDATE secrets.person_key SET wrapped = NULL, destroyed_at = now()
    WHERE person_id = ANY(%s) AND wrapped IS NOT NULL
"""
LEAVE_MARK = "INSERT INTO secrets.master_key (mark) VALUES (%s) ON CONFLICT DO NOTHING"
MARK = "SELECT mark FROM secrets.master_key"


Sql = Connection[tuple[Any, ...]]


class KeyMissing(Exception):
    """There never was a key for this person."""


class KeyDestroyed(Unknown):
    """There is no such user: whoever it was is erased."""


class SealBroken(Exception):
    """This was sealed for somebody else, for another field, or was altered."""


class SealedField(NamedTuple):
    """A sealed text, and what it was sealed for."""

    person_id: str
    field: str
    sealed: str


class Seals:
    """Seals and unseals. Every call that is about a person looks their key up: none is kept."""

    def __init__(self, conninfo: str, master_key: bytes | Source) -> None:
        """`master_key` is 32 random bytes, or says which there may be. No connection is made before
        one is needed."""
        self._masters = MasterKeys(master_key)
        self._index_key = b""
        options = as_app_role(conninfo_to_dict(conninfo).get("options"))
        options += f" -c lock_timeout={round(1000 * LOCK_TIMEOUT_S)}"
        self._pool = ConnectionPool(
            make_conninfo(conninfo, options=options, connect_timeout=CONNECT_TIMEOUT_S),
            kwargs={"autocommit": True},
            min_size=0,
            max_size=CONNECTIONS_MAX,
            timeout=CONNECTION_WAIT_S,
            check=ConnectionPool.check_connection,
            open=True,
        )

    def close(self) -> None:
        self._pool.close()

    def must_fit(self) -> None:
        """The first master key that a database meets is its own, until it is made to be another's.

        Raises MasterKeyWrong.
        """
        with self._pool.connection() as connection:
            self._in_effect(connection)

    def digest(self, text: str) -> bytes:
        """32 bytes by which a text is found again without being kept: a blind index.

        The key to it is looked up once. Raises MasterKeyWrong.
        """
        if not self._index_key:
            with self._pool.connection() as connection:
                first = self._in_effect(connection).index_key
            self._index_key = self.own_key(INDEX_KEY, first)
        return hmac.digest(self._index_key, text.encode(), sha256)

    def own_key(self, name: str, first: bytes = b"") -> bytes:
        """A key of the installation's own: always the same, whatever the master key is.

        Made when it is first asked for; `first` is what it then is. Raises MasterKeyWrong.
        """
        with self._pool.connection() as connection:
            row = connection.execute(OWN_KEY, [name]).fetchone()
            if row is None:
                self._add(connection, ADD_OWN_KEY, name, first or new_key())
                row = connection.execute(OWN_KEY, [name]).fetchone()
        assert row is not None
        return self._masters.unwrap(name, row[0])

    def new_key(self, person_id: str) -> None:
        """Make the person's key. Nothing happens if there is one, or was. Raises MasterKeyWrong."""
        with self._pool.connection() as connection:
            self._add(connection, ADD_KEY, person_id, new_key())

    def _add(self, connection: Sql, statement: str, name: str, key: bytes) -> None:
        """Unless there is one of that name."""
        master = self._in_effect(connection)
        for _ in range(ATTEMPTS_MAX):
            row = {"name": name, "wrapped": master.wrap(name, key), "mark": master.mark}
            if connection.execute(statement.encode(), row).rowcount:
                return
            former, master = master, self._in_effect(connection)
            if master.mark == former.mark:
                return  # it was the name that was taken
        raise MasterKeyWrong

    def _in_effect(self, connection: Sql) -> MasterKey:
        """Raises MasterKeyWrong."""
        row = connection.execute(MARK).fetchone()
        if row is None:
            connection.execute(LEAVE_MARK, [self._masters.first.mark])
            row = connection.execute(MARK).fetchone()
        assert row is not None
        return self._masters.with_mark(row[0])

    def seal(self, person_id: str, field: str, text: str) -> str:
        """Raises KeyMissing, or KeyDestroyed."""
        return self.seal_all(person_id, {field: text})[field]

    def seal_all(self, person_id: str, texts: Mapping[str, str]) -> dict[str, str]:
        """Seal texts by field; the same fields, sealed. Raises KeyMissing, or KeyDestroyed."""
        key = self._keys([person_id])[person_id]
        if key is None:
            raise KeyDestroyed
        return {field: seal(key, person_id, field, text) for field, text in texts.items()}

    def unseal(self, person_id: str, field: str, sealed: str) -> str | None:
        """The text, None if the key was destroyed. Raises KeyMissing, or SealBroken."""
        return self.unseal_many([SealedField(person_id, field, sealed)])[0]

    def unseal_many(self, fields: Sequence[SealedField]) -> list[str | None]:
        """The texts in the order given, with one look at the keys. Raises as `unseal` does."""
        keys = self._keys({one.person_id for one in fields})
        return [
            None if (key := keys[one.person_id]) is None else unseal(key, *one) for one in fields
        ]

    def destroy(self, person_id: str) -> None:
        """Nothing that was sealed for the person can be read any more. Once is enough."""
        with self._pool.connection() as connection:
            connection.execute(DESTROY, [[person_id]])

    def _keys(self, person_ids: Iterable[str]) -> dict[str, AESGCM | None]:
        wanted = list(person_ids)
        if not wanted:
            return {}
        with (
            self._pool.connection() as connection,
            connection.cursor(row_factory=tuple_row, binary=True) as cursor,
        ):
            found: dict[str, bytes | None] = dict(cursor.execute(WRAPPED, [wanted]).fetchall())
        missing = [person_id for person_id in wanted if person_id not in found]
        if missing:
            raise KeyMissing(f"there is no key for {missing[0]}")
        return {person_id: self._unwrapped(person_id, found[person_id]) for person_id in wanted}

    def _unwrapped(self, person_id: str, wrapped: bytes | None) -> AESGCM | None:
        if wrapped is None:
            return None
        return AESGCM(self._masters.unwrap(person_id, wrapped))


def new_key() -> bytes:
    return AESGCM.generate_key(8 * KEY_BYTES)


def destroy_within(cursor: Cursor[tuple[Any, ...]], person_ids: Sequence[str]) -> None:
    """Destroy the keys in the transaction of the cursor."""
    cursor.execute(DESTROY, [list(person_ids)])


def seal(key: AESGCM, person_id: str, field: str, text: str) -> str:
    nonce = secrets.token_bytes(NONCE_BYTES)
    box = nonce + key.encrypt(nonce, text.encode(), bound_to(person_id, field))
    return FORMAT + base64.urlsafe_b64encode(box).decode()


def unseal(key: AESGCM, person_id: str, field: str, sealed: str) -> str:
    """Raises SealBroken."""
    try:
        if not sealed.startswith(FORMAT):
            raise SealBroken(f"{field} of {person_id} is not sealed as {FORMAT}")
        box = base64.urlsafe_b64decode(sealed.removeprefix(FORMAT))
        nonce, secret = box[:NONCE_BYTES], box[NONCE_BYTES:]
        return key.decrypt(nonce, secret, bound_to(person_id, field)).decode()
    except (InvalidTag, ValueError) as error:
        raise SealBroken(f"{field} of {person_id}: {type(error).__name__}") from error


def bound_to(person_id: str, field: str) -> bytes:
    """What the seal also vouches for: nobody's e-mail passes for another's, or for a name."""
    return f"{person_id}/{field}".encode()
