"""What a device proves itself with: a short-lived token, made from a secret of its own."""

import hmac
from hashlib import sha256
from re import compile as pattern

from domain.names import DEVICE_ID_PATTERN

TOKEN_SKEW_S_MAX = 300  # how far a device's clock may be off
TOKEN_CHARACTERS_MAX = 128
FORMAT = "v1"

is_device_id = pattern(DEVICE_ID_PATTERN).fullmatch


class CredentialRefused(Exception):
    """The token does not prove that this is the device."""


class DeviceIdMalformed(CredentialRefused):
    """The user name must be the device id: 24 lowercase hexadecimal digits."""


class TokenMalformed(CredentialRefused):
    """The token must have the form v1.<unix time>.<64 hexadecimal digits>."""


class TokenExpired(CredentialRefused):
    """The token's time is more than 300 seconds from ours: check the device's clock."""


class TokenWrong(CredentialRefused):
    """The token was not made with this device's secret."""


def secret_of(master_key: bytes, device_id: str) -> bytes:
    """The device's own secret, 32 bytes. There is no table of them."""
    return hmac.digest(master_key, device_id.encode(), sha256)


def token_of(secret: bytes, device_id: str, unix_s: int) -> str:
    """The token a device with this secret makes at that time."""
    code = hmac.digest(secret, f"{device_id}.{unix_s}".encode(), sha256).hex()
    return f"{FORMAT}.{unix_s}.{code}"


def verify(master_key: bytes, device_id: str, token: str, now_s: float) -> None:
    """Raises a CredentialRefused unless the token was made by this device, not long ago."""
    if not is_device_id(device_id):
        raise DeviceIdMalformed
    parts = token.split(".")
    if len(token) > TOKEN_CHARACTERS_MAX or len(parts) != 3 or parts[0] != FORMAT:
        raise TokenMalformed
    # ASCII digits only: int() would take other scripts' digits too.
    if not (parts[1].isascii() and parts[1].isdecimal()):
        raise TokenMalformed
    unix_s = int(parts[1])
    expected = token_of(secret_of(master_key, device_id), device_id, unix_s)
    if not hmac.compare_digest(expected.encode(), token.encode()):
        raise TokenWrong
    if abs(now_s - unix_s) > TOKEN_SKEW_S_MAX:
        raise TokenExpired
