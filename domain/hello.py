"""The words of a handshake: what a device says when it starts a session, and what it is told."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from domain.names import TEXT_PATTERN
from domain.targeting import Rule

Short = Annotated[str, Meta(max_length=64, pattern=TEXT_PATTERN)]
UNSET_PRODUCT = 65_535  # what a binary built without a product says


class Hello(Struct, frozen=True, omit_defaults=True):
    """What the device says. `product_id` and `version` are what its firmware carries.

    `claim_code` is a secret while the device says it, and its hash from the edge on.
    """

    product_id: Annotated[int, Meta(ge=0, le=UNSET_PRODUCT)] | None = None
    version: Annotated[int, Meta(ge=0, le=UNSET_PRODUCT)] | None = None
    platform_id: Annotated[int, Meta(ge=0, le=UNSET_PRODUCT)] | None = None
    system_version: Short = ""
    app_hash: Short = ""
    reset_reason: Short = ""
    updates_enabled: bool = True
    claim_code: Short = ""


class Told(StrEnum):
    """The kinds of answer."""

    NOTHING = "nothing"  # it runs its target, or has none
    UPDATE = "update"
    PENDING = "pending"  # there is an update, but the device says that it wants none
    STUCK = "stuck"  # there is one, but it failed too often
    QUARANTINED = "quarantined"
    DENIED = "denied"
    UNKNOWN = "unknown"  # in no product, and asking for none that takes it


class Answer(Struct, frozen=True, omit_defaults=True):
    """What the device is told, and the rule that chose it.

    `product_id` is the product it was answered for; `version` is its target, if it has one; `joins`
    says that it enters the product by asking.
    """

    told: Told
    rule: Rule = Rule.NONE
    version: int | None = None
    product_id: int | None = None
    group: str = ""
    joins: bool = False
