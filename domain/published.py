"""What is published: the device events that devices publish, and people through the API."""

from typing import Annotated

from msgspec import Meta, Struct

from domain.hello import Short
from domain.names import TEXT_PATTERN

NAME_CHARACTERS_MAX = 64
DATA_BYTES_MAX = 1024
VITALS_BYTES_MAX = 4096
TTL_S_DEFAULT = 60
TTL_S_MAX = 16_777_215
VITALS = "spark/device/diagnostics/update"  # its data is JSON: how the device is
# Names that mean something to the cloud: nobody publishes them for a device.
RESERVED_PREFIXES = ("spark/", "particle/")

EventName = Annotated[str, Meta(min_length=1, max_length=NAME_CHARACTERS_MAX, pattern=TEXT_PATTERN)]
EventData = Annotated[str, Meta(pattern=TEXT_PATTERN)]
EventTtl = Annotated[int, Meta(ge=0, le=TTL_S_MAX)]


class DeviceEvent(Struct, frozen=True):
    """`ttl` is passed on as it is; `id` comes back with the acknowledgement."""

    name: EventName
    data: EventData | None = None
    ttl: EventTtl = TTL_S_DEFAULT
    id: Short = ""


class PublishedForOthers(Struct, frozen=True, omit_defaults=True):
    """What somebody published through the API: in a product, or among the devices of their own.

    `device_id` is the device it was published as, if any.
    """

    event: DeviceEvent
    product_id: int | None = None
    device_id: str = ""
    user_id: str = ""


def data_bytes_max(name: str) -> int:
    """How much an event of that name may say."""
    return VITALS_BYTES_MAX if name == VITALS else DATA_BYTES_MAX
