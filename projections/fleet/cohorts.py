"""Cohorts get ids that depend on nothing but what they say, so that every rebuild has the same."""

from hashlib import blake2b
from typing import Any

import msgspec

from domain.facts import DeviceFacts

IDS_REMEMBERED_MAX = 100_000

encode = msgspec.json.Encoder(order="deterministic").encode
remembered: dict[tuple[Any, ...], int] = {}


def cohort_id(facts: DeviceFacts) -> int:
    """A 63-bit hash of the device's cohort; the table's constraints catch a collision.

    Raises AssertionError if the device is in no product.
    """
    key = (
        facts.product_id,
        facts.standing,
        facts.groups,
        facts.locked_version,
        facts.development,
    )
    known = remembered.get(key)
    if known is None:
        if len(remembered) >= IDS_REMEMBERED_MAX:
            remembered.clear()
        digest = blake2b(encode(facts.cohort()), digest_size=8).digest()
        known = remembered[key] = int.from_bytes(digest, "big") >> 1
    return known
