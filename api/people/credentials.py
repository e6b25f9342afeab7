"""What people prove who they are with: passwords kept as argon2id, and tokens nobody can guess."""

import secrets
from collections.abc import Callable
from hashlib import sha256
from typing import Annotated, TypeVar
from unicodedata import normalize

from anyio import CapacityLimiter, to_thread
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from msgspec import Meta

from api.problem import Busy

T = TypeVar("T")

# The parameters that OWASP's cheat sheet of 2025 names first for argon2id. A hash says its own:
# one that was made with others is made again when its owner logs in.
MEMORY_KIB = 19 * 1024
PASSES = 2
LANES = 1

HASHED_AT_ONCE_MAX = 4  # each takes MEMORY_KIB and a core
WAITING_MAX = 256  # for one of them; more are turned away, or they would wait past any patience

PASSWORD_CHARACTERS_MIN = 8
PASSWORD_CHARACTERS_MAX = 1_024
TOKEN_BYTES = 20  # spelled as 40 hexadecimal digits

NewPassword = Annotated[
    str, Meta(min_length=PASSWORD_CHARACTERS_MIN, max_length=PASSWORD_CHARACTERS_MAX)
]
# What somebody claims is a password may be shorter: it is then simply wrong.
Password = Annotated[str, Meta(max_length=PASSWORD_CHARACTERS_MAX)]


class Passwords:
    """Hashes and checks passwords, so many at once and no more."""

    def __init__(self, memory_kib: int = MEMORY_KIB, passes: int = PASSES) -> None:
        self._hasher = PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=LANES)
        self._limiter = CapacityLimiter(HASHED_AT_ONCE_MAX)
        self._nobodys = self._hasher.hash(secrets.token_hex(TOKEN_BYTES))

    async def hash(self, password: str) -> str:
        """The hash to keep. Raises Busy."""
        return await self._in_turn(self._hasher.hash, spelled(password))

    async def right(self, kept: str | None, password: str) -> bool:
        """Whether this is the password that was kept. Raises Busy.

        Nobody's password is never right, and takes as long to say so.
        """
        found = await self._in_turn(self._matches, kept or self._nobodys, spelled(password))
        return found and bool(kept)

    def outdated(self, kept: str) -> bool:
        """Whether the hash was made with other parameters than one would be now."""
        return self._hasher.check_needs_rehash(kept)

    def _matches(self, kept: str, password: str) -> bool:
        try:
            return self._hasher.verify(kept, password)
        except (VerifyMismatchError, InvalidHashError):
            return False  # what is no hash at all is the password of an account that has none

    async def _in_turn(self, work: Callable[..., T], *args: str) -> T:
        if self._limiter.statistics().tasks_waiting >= WAITING_MAX:
            raise Busy
        return await to_thread.run_sync(work, *args, limiter=self._limiter)


def spelled(password: str) -> str:
    """The same characters whichever way a keyboard composes them."""
    return normalize("NFKC", password)


def new_token() -> str:
    """A secret to hand out: 160 bits, as 40 hexadecimal digits."""
    return secrets.token_hex(TOKEN_BYTES)


def digest_of(token: str) -> bytes:
    """What is kept of a token. It is random: no salt, no passes, nothing to guess."""
    return sha256(token.encode("utf-8", "surrogateescape")).digest()
