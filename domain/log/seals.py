"""Seals: what is personal stands in events only encrypted, under a key of the person's own.

A person's key is random and stands in table `secrets.person_key`, wrapped under the master key,
which is not in the database. Destroying it makes everything sealed for the person unreadable at
once, in every copy of the log, and no event changes.
"""

import base64
import hmac
import secrets
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from psycopg import Cursor
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import tuple_row
from psycopg_pool import ConnectionPool

from domain.log.fleet import as_app_role
from domain.model import Unknown

KEY_BYTES = 32
NONCE_BYTES = 12
FORMAT = "v1."
CONNECTIONS_MAX = 4
CONNECTION_WAIT_S = 5.0
CONNECT_TIMEOUT_S = 5

WRAPPED = "SELECT person_id, wrapped FROM secrets.person_key WHERE person_id = ANY(%s)"
ADD_KEY = """
    INSERT INTO secrets.person_key (person_id, wrapped) VALUES (%s, %s) ON CONFLICT DO NOTHING
"""
DESTROY = """
    UPDATE secrets.person_key SET wrapped = NULL, destroyed_at = now()
    WHERE person_id = ANY(%s) AND wrapped IS NOT NULL
"""
LEAVE_MARK = "INSERT INTO secrets.master_key (mark) VALUES (%s) ON CONFLICT DO NOTHING"
MARK = "SELECT mark FROM secrets.master_key"


class MasterKeyMalformed(Exception):
    """The master key must be 32 bytes in base64."""

    def __str__(self) -> str:
        return str(self.__doc__)


class MasterKeyWrong(Exception):
    """What the database holds was sealed under another master key."""

    def __str__(self) -> str:
        return str(self.__doc__)


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

    def __init__(self, conninfo: str, master_key: bytes) -> None:
        """`master_key` is 32 random bytes. No connection is made before one is needed."""
        assert len(master_key) == KEY_BYTES
        self._wrapping = AESGCM(derived(master_key, b"rollcall: person keys"))
        self._digest_key = derived(master_key, b"rollcall: blind index")
        self._mark = derived(master_key, b"rollcall: mark of the master key")
        options = as_app_role(conninfo_to_dict(conninfo).get("options"))
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
        """The first master key that a database meets stays its own. Raises MasterKeyWrong."""
        with self._pool.connection() as connection:
            connection.execute(LEAVE_MARK, [self._mark])
            if connection.execute(MARK).fetchone() != (self._mark,):
                raise MasterKeyWrong

    def digest(self, text: str) -> bytes:
        """32 bytes by which a text is found again without being kept: a blind index."""
        return hmac.digest(self._digest_key, text.encode(), sha256)

    def new_key(self, person_id: str) -> None:
        """Make the person's key. Nothing happens if there is one, or was."""
        key = AESGCM.generate_key(8 * KEY_BYTES)
        nonce = secrets.token_bytes(NONCE_BYTES)
        wrapped = nonce + self._wrapping.encrypt(nonce, key, person_id.encode())
        with self._pool.connection() as connection:
            connection.execute(ADD_KEY, [person_id, wrapped])

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
        nonce, key = wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:]
        try:
            return AESGCM(self._wrapping.decrypt(nonce, key, person_id.encode()))
        except InvalidTag:
            raise MasterKeyWrong from None


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


def derived(master_key: bytes, purpose: bytes) -> bytes:
    """A key for one purpose; the master key itself encrypts nothing."""
    return HKDFExpand(SHA256(), KEY_BYTES, purpose).derive(master_key)


def master_key_of(text: str) -> bytes:
    """The master key as the environment spells it. Raises MasterKeyMalformed."""
    try:
        key = base64.b64decode(text, validate=True)
    except ValueError:
        raise MasterKeyMalformed from None
    if len(key) != KEY_BYTES:
        raise MasterKeyMalformed
    return key


def spelled(master_key: bytes) -> str:
    """The master key as it stands in the environment and in its file."""
    return base64.b64encode(master_key).decode()
