"""Signatures on requests, by the convention of Standard Webhooks: who receives can tell they are
ours, what was sent when, and what came before."""

import base64
import hmac
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256

from msgspec.structs import replace

from projections.integrations.request import Request

PREFIX = "whsec_"
SCHEME = "v1"


def signed(request: Request, secrets: Sequence[str], message_id: str, at: datetime) -> Request:
    """The request with its id, the time of this attempt, and a signature with each secret."""
    timestamp = str(int(at.timestamp()))
    content = b".".join((message_id.encode(), timestamp.encode(), request.body))
    signatures = " ".join(signature(secret, content) for secret in secrets)
    ours = (
        ("webhook-id", message_id),
        ("webhook-timestamp", timestamp),
        ("webhook-signature", signatures),
    )
    return replace(request, headers=request.headers + ours)


def signature(secret: str, content: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    digest = hmac.digest(key, content, sha256)
    return f"{SCHEME},{base64.b64encode(digest).decode()}"
