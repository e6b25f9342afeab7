"""Ed25519 keys in the spelling that NATS gives them: base32 of a role, the key and a checksum."""

import base64
import binascii
import secrets
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

KEY_BYTES = 32
CHECKSUM_BYTES = 2
# A role is five bits: the first letter of the public key, A for an account and U for a user.
ROLES = {"A": 0, "U": 20}
SEED = 18


class SeedMalformed(ValueError):
    """Not the seed of an NKey."""


class KeyPair:
    """One key that signs. Its seed is a secret, its public key is not."""

    def __init__(self, role: str, raw: bytes) -> None:
        self._role = role
        self._raw = raw
        self._private = Ed25519PrivateKey.from_private_bytes(raw)

    @classmethod
    def new(cls, role: str) -> Self:
        return cls(role, secrets.token_bytes(KEY_BYTES))

    @classmethod
    def from_seed(cls, seed: str) -> Self:
        """Raises SeedMalformed."""
        try:
            spelled = base64.b32decode(seed + "=" * (-len(seed) % 8))
        except binascii.Error:
            raise SeedMalformed from None
        body, checksum = spelled[:-CHECKSUM_BYTES], spelled[-CHECKSUM_BYTES:]
        if len(body) != 2 + KEY_BYTES or checksum != _checksum(body) or body[0] >> 3 != SEED:
            raise SeedMalformed
        number = (body[0] & 0b111) << 2 | body[1] >> 6
        role = next((letter for letter, known in ROLES.items() if known == number), None)
        if role is None:
            raise SeedMalformed
        return cls(role, body[2:])

    @property
    def seed(self) -> str:
        role = ROLES[self._role]
        return _spell(bytes([SEED << 3 | role >> 2, (role & 0b11) << 6]) + self._raw)

    @property
    def public_key(self) -> str:
        public = self._private.public_key().public_bytes_raw()
        return _spell(bytes([ROLES[self._role] << 3]) + public)

    def sign(self, message: bytes) -> bytes:
        """The 64 bytes of the signature."""
        return self._private.sign(message)


def _spell(body: bytes) -> str:
    return base64.b32encode(body + _checksum(body)).rstrip(b"=").decode()


def _checksum(body: bytes) -> bytes:
    """CRC-16/XMODEM, least significant byte first."""
    return binascii.crc_hqx(body, 0).to_bytes(CHECKSUM_BYTES, "little")
