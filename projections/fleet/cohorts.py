"""Cohorts get ids that depend on nothing but what they say, so that every rebuild has the same."""

from hashlib import blake2b

import msgspec

from domain.targeting import Cohort

IDS_REMEMBERED_MAX = 100_000

encode = msgspec.json.Encoder(order="deterministic").encode
remembered: dict[Cohort, int] = {}


def cohort_id(cohort: Cohort) -> int:
    """A 63-bit hash; the table's unique constraints catch the collision that never comes."""
    known = remembered.get(cohort)
    if known is None:
        if len(remembered) >= IDS_REMEMBERED_MAX:
            remembered.clear()
        digest = blake2b(encode(cohort), digest_size=8).digest()
        known = remembered[cohort] = int.from_bytes(digest, "big") >> 1
    return known
