"""What a device has, as it says itself: functions to call, variables to read, its numbers, and what
it wants to hear."""

from collections.abc import Mapping
from enum import StrEnum
from hashlib import blake2b
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from domain.model import Event
from domain.names import TEXT_PATTERN
from domain.published import NAME_CHARACTERS_MAX

FUNCTIONS_MAX = 15
VARIABLES_MAX = 20
SUBSCRIPTIONS_MAX = 16
NUMBER_CHARACTERS_MAX = 64
DIGEST_BYTES = 8
# One part of an address: without a slash, and nothing that does not show.
CALL_NAME_PATTERN = r"^[^\x00-\x1f\x7f/]{1,64}$(?!\n)"

CallName = Annotated[str, Meta(pattern=CALL_NAME_PATTERN)]
Number = Annotated[str, Meta(max_length=NUMBER_CHARACTERS_MAX, pattern=TEXT_PATTERN)]


class VariableType(StrEnum):
    INT32 = "int32"
    DOUBLE = "double"
    STRING = "string"
    BOOL = "bool"


Functions = Annotated[tuple[CallName, ...], Meta(max_length=FUNCTIONS_MAX)]
Variables = Annotated[Mapping[CallName, VariableType], Meta(max_length=VARIABLES_MAX)]


# How the names of the device events that it hears begin.
Subscription = Annotated[
    str, Meta(min_length=1, max_length=NAME_CHARACTERS_MAX, pattern=TEXT_PATTERN)
]
Subscriptions = Annotated[tuple[Subscription, ...], Meta(max_length=SUBSCRIPTIONS_MAX)]


class Description(Struct, frozen=True, omit_defaults=True):
    """Of one device. The numbers are empty where it has none, or does not tell."""

    functions: Functions = ()
    variables: Variables = {}
    serial_number: Number = ""
    imei: Number = ""
    iccid: Number = ""
    subscriptions: Subscriptions = ()

    @property
    def digest(self) -> str:
        """The same for the same description, in whatever order the device counts up."""
        said = msgspec.json.encode(self, order="sorted")
        return blake2b(said, digest_size=DIGEST_BYTES).hexdigest()


class DeviceDescribed(Event):
    """The device has something else than when it last said so."""

    device_id: str
    product_id: int | None
    has: Description
    at: str
