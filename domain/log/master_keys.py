"""The master key: what is derived from it, how it is spelled, and where it is found.

There may be two for a while, the one that takes the other's place and the one that had it: whoever
meets what neither of those they know wrapped looks for further ones.
"""

import base64
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

KEY_BYTES = 32
NONCE_BYTES = 12
KEYS_MAX = 2

Source: TypeAlias = Callable[[], Sequence[bytes]]  # every master key that may be in effect, now


class MasterKeyMalformed(Exception):
    """The master key must be 32 bytes in base64."""

    def __str__(self) -> str:
        return str(self.__doc__)


class MasterKeyWrong(Exception):
    """What the database holds was sealed under another master key."""

    def __str__(self) -> str:
        return str(self.__doc__)


class MasterKey:
    """It wraps other keys, and is known by its mark, which tells nothing about it."""

    def __init__(self, key: bytes) -> None:
        """`key` is 32 random bytes."""
        assert len(key) == KEY_BYTES
        self._wrapping = AESGCM(derived(key, b"rollcall: person keys"))
        self.mark = derived(key, b"rollcall: mark of the master key")
        self.index_key = derived(key, b"rollcall: blind index")

    def wrap(self, name: str, key: bytes) -> bytes:
        """The key, for whoever or whatever goes by that name."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._wrapping.encrypt(nonce, key, name.encode())

    def unwrap(self, name: str, wrapped: bytes) -> bytes:
        """Raises MasterKeyWrong where another one wrapped it, or for another name."""
        nonce, key = wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:]
        try:
            return self._wrapping.decrypt(nonce, key, name.encode())
        except InvalidTag:
            raise MasterKeyWrong from None


class MasterKeys:
    """The master keys that there are, looked for again where those that are known do not fit."""

    def __init__(self, source: bytes | Source) -> None:
        """`source` is the one there is, or says which there are now."""
        self._look: Source = (lambda: (source,)) if isinstance(source, bytes) else source
        self._known: dict[bytes, MasterKey] = {}
        self._look_again()

    @property
    def first(self) -> MasterKey:
        """What a database is sealed under that was not sealed before."""
        return next(iter(self._known.values()))

    def unwrap(self, name: str, wrapped: bytes) -> bytes:
        """Raises MasterKeyWrong."""
        try:
            return self._unwrap(name, wrapped)
        except MasterKeyWrong:
            self._look_again()
            return self._unwrap(name, wrapped)

    def with_mark(self, mark: bytes) -> MasterKey:
        """Raises MasterKeyWrong if it is none of ours."""
        if mark not in self._known:
            self._look_again()
        if mark not in self._known:
            raise MasterKeyWrong
        return self._known[mark]

    def _unwrap(self, name: str, wrapped: bytes) -> bytes:
        for key in self._known.values():
            with suppress(MasterKeyWrong):
                return key.unwrap(name, wrapped)
        raise MasterKeyWrong

    def _look_again(self) -> None:
        # Replaced at once: other threads are reading.
        self._known = {key.mark: key for key in map(MasterKey, self._look())}


class KeyFile:
    """A master key in a file, and beside it the one that is about to take its place."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.next = next_of(path)

    def __call__(self) -> list[bytes]:
        """Raises FileNotFoundError, or MasterKeyMalformed."""
        # The next one first: if it is gone by now, then because it has that place.
        with suppress(FileNotFoundError):
            following = key_in(self.next)
            return [key_in(self.path), following]
        return [key_in(self.path)]


def next_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.next")


def key_in(path: Path) -> bytes:
    """Raises FileNotFoundError, or MasterKeyMalformed."""
    return master_key_of(path.read_text().strip())


def source_of(text: str, file: str) -> Source:
    """The file that the master key is in, if it is named; else the text, which may name two.

    Raises MasterKeyMalformed.
    """
    if file:
        return KeyFile(Path(file))
    keys = master_keys_of(text)
    return lambda: keys


def master_keys_of(text: str) -> tuple[bytes, ...]:
    """As the environment spells them, with a comma between. Raises MasterKeyMalformed."""
    spellings = text.split(",")
    if len(spellings) > KEYS_MAX:
        raise MasterKeyMalformed
    return tuple(master_key_of(one.strip()) for one in spellings)


def master_key_of(text: str) -> bytes:
    """Raises MasterKeyMalformed."""
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


def derived(master_key: bytes, purpose: bytes) -> bytes:
    """A key for one purpose; the master key itself encrypts nothing."""
    return HKDFExpand(SHA256(), KEY_BYTES, purpose).derive(master_key)
