"""The signed claims that NATS and an auth callout exchange: JSON Web Tokens with NKeys."""

import base64
import time
from hashlib import sha256
from typing import Any, TypeVar

import msgspec

from device_edge.nkeys import KeyPair

T = TypeVar("T")


class ClaimsMalformed(ValueError):
    """Not a token with readable claims."""


def sign(issuer: KeyPair, claims: dict[str, Any]) -> str:
    """The claims as a token; who issued it, when, and its id are added."""
    claims = {"iss": issuer.public_key, "iat": int(time.time()), **claims}
    digest = sha256(msgspec.json.encode(claims)).digest()
    claims["jti"] = base64.b32encode(digest).rstrip(b"=").decode()
    body = f"{HEADER}.{_spell(msgspec.json.encode(claims))}"
    return f"{body}.{_spell(issuer.sign(body.encode()))}"


def read(token: bytes, shape: type[T]) -> T:
    """The claims, as they are: it is not checked who signed them. Raises ClaimsMalformed."""
    try:
        claims = token.split(b".")[1]
        padded = claims + b"=" * (-len(claims) % 4)
        return msgspec.json.decode(base64.urlsafe_b64decode(padded), type=shape)
    except (IndexError, ValueError, msgspec.MsgspecError) as error:
        raise ClaimsMalformed(str(error)) from None


def _spell(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


HEADER = _spell(b'{"typ":"JWT","alg":"ed25519-nkey"}')
