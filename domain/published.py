"""What is published: device events of devices, of people through the API, and of the cloud."""

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta, Struct

from domain.hello import Short
from domain.names import TEXT_PATTERN

NAME_CHARACTERS_MAX = 64
# The cloud puts a device's id, and what it says of an event, before and behind the event's name.
CLOUDS_NAME_CHARACTERS_MAX = 128
DATA_BYTES_MAX = 1024
VITALS_BYTES_MAX = 4096
TTL_S_DEFAULT = 60
TTL_S_MAX = 16_777_215
VITALS = "spark/device/diagnostics/update"  # its data is JSON: how the device is
# Names that mean something to the cloud: nobody publishes them for a device.
RESERVED_PREFIXES = ("spark/", "particle/")
LAST_RESET = "spark/device/last_reset"
UPDATES_ENABLED = "particle/device/updates/enabled"
UPDATES_FORCED = "particle/device/updates/forced"
# Those of them that a device says of itself.
NAMES_OF_DEVICES = frozenset({VITALS, LAST_RESET, UPDATES_ENABLED, UPDATES_FORCED})

# Of a device event that no device published: who did.
BY_API = "api"
BY_CLOUD = "particle-internal"
# Where it is said, in PostgreSQL, that device events were stored: the payload is the last one's id.
CHANNEL = "telemetry"

EventName = Annotated[str, Meta(min_length=1, max_length=NAME_CHARACTERS_MAX, pattern=TEXT_PATTERN)]
AnyEventName = Annotated[
    str, Meta(min_length=1, max_length=CLOUDS_NAME_CHARACTERS_MAX, pattern=TEXT_PATTERN)
]
EventData = Annotated[str, Meta(pattern=TEXT_PATTERN)]
EventTtl = Annotated[int, Meta(ge=0, le=TTL_S_MAX)]


class CloudsEvent(Struct, frozen=True):
    """A device event that the cloud publishes itself: it may have a longer name."""

    name: AnyEventName
    data: EventData | None = None
    ttl: EventTtl = TTL_S_DEFAULT
    id: Short = ""


class DeviceEvent(CloudsEvent, frozen=True):
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


class PublishedByCloud(Struct, frozen=True, omit_defaults=True):
    """What the cloud itself publishes, one or more device events: they are stored all at once.

    They are about the device, if one is named. `product_id` and `user_id` say who sees them; where
    neither is named, whoever sees what the device itself publishes when they are stored. Without a
    `publisher` the cloud speaks for the device. `position` is that of the event in the log that
    they tell of, if they do.
    """

    events: Sequence[CloudsEvent]
    device_id: str = ""
    product_id: int | None = None
    user_id: str = ""
    version: int | None = None
    publisher: str | None = BY_CLOUD
    position: int | None = None


class PublishedFromLog(Struct, frozen=True):
    """What the events of the log after one position, up to and with another, make the cloud say.

    It is stored if `after` is where the last one that was stored ended, and passed over otherwise:
    so nothing of it is stored twice, left out, or out of order.
    """

    after: int
    until: int
    published: Sequence[PublishedByCloud]


def is_reserved(name: str) -> bool:
    return name.lower().startswith(RESERVED_PREFIXES)


def data_bytes_max(name: str) -> int:
    """How much an event of that name may say."""
    return VITALS_BYTES_MAX if name == VITALS else DATA_BYTES_MAX
