"""An Idempotency-Key makes a call happen once, however often it is sent, crashes included."""

import asyncio
import logging
import secrets
from datetime import datetime
from hashlib import sha256

import msgspec
import psycopg
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from msgspec import Struct
from psycopg import AsyncConnection
from psycopg.types.json import Jsonb
from starlette.responses import Response

from api.database import Database, Rows
from api.problem import CallUnderWay, FieldInvalid, KeyReused

log = logging.getLogger("rollcall.api")

HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotency-Replayed"
KEY_CHARACTERS_MAX = 255
KEPT_HOURS = 24
HOLD_CHECKED_EVERY_S = 600
RECONNECT_S = 0.5
HOLDER_LOCKS = 1_919_247_987  # the class of the advisory locks that holders are known by
KEPT_HEADERS = ("content-type", "location", "x-rollcall-position")
NONCE_BYTES = 12
REPLY_KEY_BYTES = 32

CLAIM = f"""
    INSERT INTO api.idempotent_call AS call (caller, key, fingerprint, command, holder)
    VALUES (%(caller)s, %(key)s, %(fingerprint)s, %(command)s, %(holder)s)
    ON CONFLICT (caller, key) DO UPDATE
    SET fingerprint = excluded.fingerprint, command = excluded.command, holder = excluded.holder,
        status = NULL, headers = NULL, body = NULL, created_at = now()
    WHERE call.created_at < now() - interval '{KEPT_HOURS} hours'
    RETURNING command
"""
FIND = f"""
    SELECT fingerprint, command, status, headers, body, holder, created_at
    FROM api.idempotent_call
    WHERE caller = %(caller)s AND key = %(key)s
      AND created_at >= now() - interval '{KEPT_HOURS} hours'
"""
IS_DEAD = "SELECT pg_try_advisory_xact_lock(%s, %s)"
TAKE_OVER = """
    UPDATE api.idempotent_call SET holder = %(holder)s
    WHERE caller = %(caller)s AND key = %(key)s AND status IS NULL
      AND holder IS NOT DISTINCT FROM %(before)s
"""
KEEP = """
    UPDATE api.idempotent_call SET status = %s, headers = %s, body = %s, holder = NULL
    WHERE caller = %s AND key = %s
"""
LET_GO = "UPDATE api.idempotent_call SET holder = NULL WHERE caller = %s AND key = %s"


class Found(Struct, frozen=True):
    fingerprint: bytes
    command: str
    status: int | None
    headers: dict[str, str] | None
    body: bytes | None
    holder: int | None
    created_at: datetime


class Claim(Struct, frozen=True):
    """The right to carry out a call, under the command id that all its tries share."""

    caller: bytes
    key: str
    command: str
    lock: "ReplyLock"
    resumed: bool = False
    since: datetime | None = None  # when the first try was, of a call that is resumed
    broke_off: bool = False  # nobody knows how the try before this one ended


class ReplyLock:
    """Locks the reply that is kept, under the caller's token, which we do not keep.

    Replies name people. Nobody reads them here but who sends the same call again, whoever was
    erased meanwhile and whoever has the database.
    """

    def __init__(self, token: str, key: str) -> None:
        purpose = b"rollcall: reply to " + key.encode()
        derived = HKDF(SHA256(), REPLY_KEY_BYTES, salt=None, info=purpose)
        self._cipher = AESGCM(derived.derive(token.encode("utf-8", "surrogateescape")))

    def lock(self, body: bytes) -> bytes:
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, body, None)

    def unlock(self, locked: bytes) -> bytes:
        return self._cipher.decrypt(locked[:NONCE_BYTES], locked[NONCE_BYTES:], None)


class Calls:
    """The calls that carry a key. This process is known by a number that it holds a lock on."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._holder = secrets.randbits(31)
        self._under_way: set[tuple[bytes, str]] = set()
        self._holds = asyncio.Event()

    async def hold(self) -> None:
        """Shows that this process lives, until cancelled."""
        while True:
            try:
                async with await AsyncConnection.connect(
                    self._database.conninfo, autocommit=True
                ) as connection:
                    await connection.execute(
                        "SELECT pg_advisory_lock(%s, %s)", [HOLDER_LOCKS, self._holder]
                    )
                    self._holds.set()
                    while True:
                        await asyncio.sleep(HOLD_CHECKED_EVERY_S)
                        await connection.execute("SELECT")
            except psycopg.OperationalError as error:
                log.warning("calls under way are not shown to other processes: %s", error)
                await asyncio.sleep(RECONNECT_S)

    async def claim(
        self, token: str, caller: bytes, key: str, fingerprint: bytes
    ) -> Claim | Response:
        """The right to carry the call out, or the reply that it had before. `caller` is the
        token's hash.

        Raises KeyReused if the key was another call's, CallUnderWay if somebody is at it.
        """
        if (caller, key) in self._under_way:
            raise CallUnderWay
        self._under_way.add((caller, key))
        try:
            await self._holds.wait()
            async with self._database.writing() as rows:
                found = await self._claim(rows, ReplyLock(token, key), caller, key, fingerprint)
        except BaseException:
            self._under_way.discard((caller, key))
            raise
        if isinstance(found, Response):
            self._under_way.discard((caller, key))
        return found

    async def _claim(
        self, rows: Rows, lock: ReplyLock, caller: bytes, key: str, fingerprint: bytes
    ) -> Claim | Response:
        wanted = {
            "caller": caller,
            "key": key,
            "fingerprint": fingerprint,
            "command": secrets.token_hex(8),
            "holder": self._holder,
        }
        command = await rows.value(CLAIM, wanted)
        if command is not None:
            return Claim(caller, key, command, lock)
        found = await rows.one(Found, FIND, wanted)
        if found is None:
            raise CallUnderWay  # pruned this moment
        if found.fingerprint != fingerprint:
            raise KeyReused(field=HEADER)
        if found.status is not None:
            return replayed(found, lock)
        await self._must_be_dead(rows, found)
        if not await rows.do(TAKE_OVER, {**wanted, "before": found.holder}):
            raise CallUnderWay
        return resumed(found, caller, key, lock)

    async def earlier(
        self, token: str, caller: bytes, key: str, fingerprint: bytes
    ) -> Claim | Response | None:
        """The reply that the same call had before, or the right to conclude it where it died before
        it was answered; None if it was never made. Nobody gets the right to carry anything out.

        Raises CallUnderWay.
        """
        if (caller, key) in self._under_way:
            raise CallUnderWay
        lock = ReplyLock(token, key)
        async with self._database.writing() as rows:
            found = await rows.one(Found, FIND, {"caller": caller, "key": key})
            if found is None or found.fingerprint != fingerprint:
                return None
            if found.status is not None:
                return replayed(found, lock)
            await self._must_be_dead(rows, found)
        return resumed(found, caller, key, lock)

    async def knows(self, caller: bytes, key: str) -> bool:
        """Whether the caller ever made a call under that key."""
        async with self._database.reading() as rows:
            return await rows.one(Found, FIND, {"caller": caller, "key": key}) is not None

    async def _must_be_dead(self, rows: Rows, found: Found) -> None:
        """Raises CallUnderWay for a call whose process lives. Our own are not under way: that was
        looked at before."""
        if found.holder not in (None, self._holder) and not await rows.value(
            IS_DEAD, [HOLDER_LOCKS, found.holder]
        ):
            raise CallUnderWay

    async def conclude(self, claim: Claim, answer: Response) -> None:
        """Keeps the reply for whoever sends the call again; our own failures may be tried again."""
        try:
            async with self._database.writing() as rows:
                if answer.status_code >= 500:
                    await rows.do(LET_GO, [claim.caller, claim.key])
                    return
                headers = {
                    name: answer.headers[name] for name in KEPT_HEADERS if name in answer.headers
                }
                status, body = answer.status_code, claim.lock.lock(bytes(answer.body))
                await rows.do(KEEP, [status, Jsonb(headers), body, claim.caller, claim.key])
        finally:
            self._under_way.discard((claim.caller, claim.key))


def replayed(found: Found, lock: ReplyLock) -> Response:
    assert found.status is not None
    headers = {**(found.headers or {}), REPLAYED_HEADER: "true"}
    return Response(lock.unlock(found.body or b""), found.status, headers)


def resumed(found: Found, caller: bytes, key: str, lock: ReplyLock) -> Claim:
    return Claim(
        caller,
        key,
        found.command,
        lock,
        resumed=True,
        since=found.created_at,
        broke_off=found.holder is not None,
    )


def key_of(header: str | None) -> str | None:
    """Raises FieldInvalid for a key that cannot be one."""
    if header is None:
        return None
    if not 1 <= len(header) <= KEY_CHARACTERS_MAX or not header.isprintable():
        reason = f"must be 1 to {KEY_CHARACTERS_MAX} printable characters"
        raise FieldInvalid(field=HEADER, reason=reason)
    return header


def fingerprint_of(method: str, address: str, body_digest: bytes) -> bytes:
    """What tells one call from another: a key serves one call only."""
    return sha256(msgspec.json.encode([method, address, body_digest.hex()])).digest()
