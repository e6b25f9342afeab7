"""A log to follow and to rebuild from: devices imported, grouped, updated from version 1 to 2."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import chain, islice

from eventsourcing.persistence import StoredEvent

from domain.device_events import (
    DeviceGrouped,
    DeviceImported,
)
from domain.firmware import FirmwareProven, FirmwareReleased, FirmwareUploaded
from domain.group import GroupCreated
from domain.hello import Answer, Hello, Told
from domain.log.fleet import BULK_EVENTS_MAX, Fleet
from domain.log.mapper import RecordedMapper
from domain.model import Event
from domain.product import ProductCreated
from domain.recorded import Provenance, Recorded
from domain.session import (
    DeviceHandshook,
    FirmwareSeenRunning,
    SessionEnded,
    UpdateConfirmed,
    UpdateDelivered,
    UpdateStarted,
)
from domain.targeting import Rule
from tests.bench.many import device_id

PRODUCT = 7000
GROUPS = tuple(f"group-{number}" for number in range(20))
AT = "2030-01-01T10:00:00.000000Z"
ADA = Provenance(actor="ada", origin="api", request="0123456789abcdef")
EVENTS_PER_DEVICE = 10

Placed = tuple[str, Event]  # the stream, and what happens there


def of_product() -> Iterator[Placed]:
    yield (
        f"product-{PRODUCT}",
        ProductCreated(product_id=PRODUCT, platform_id=6, name="Lamp", slug="lamp-v1"),
    )
    for name in GROUPS:
        yield (
            f"group-{PRODUCT}-{name}",
            GroupCreated(product_id=PRODUCT, group=name, name=name),
        )
    for version in (1, 2):
        stream = f"firmware-{PRODUCT}-{version}"
        yield (
            stream,
            FirmwareUploaded(
                product_id=PRODUCT,
                version=version,
                sha256=f"{version}" * 64,
                size_bytes=512,
                title=f"Version {version}",
            ),
        )
        proven = FirmwareProven(product_id=PRODUCT, version=version, device_id=device_id(0))
        yield stream, proven
    released = FirmwareReleased(product_id=PRODUCT, version=2, product_default=True, groups=())
    yield f"firmware-{PRODUCT}-2", released


def handshook(device: str, running: int) -> DeviceHandshook:
    return DeviceHandshook(
        device_id=device,
        product_id=PRODUCT,
        said=Hello(product_id=PRODUCT, version=running, platform_id=6, system_version="3.3.1"),
        told=Answer(
            told=Told.UPDATE if running == 1 else Told.NOTHING,
            rule=Rule.DEFAULT,
            version=2,
            product_id=PRODUCT,
        ),
        based_on=27,
        running=running,
        at=AT,
        edge="edge-1",
        connection="NA2B3C4D/17",
    )


def of_device(number: int) -> list[list[Placed]]:
    """Everything that happens to one device: decision by decision, the events of each."""
    device = device_id(number)
    intended, did = f"device-{device}", f"session-{device}"
    ids = {"device_id": device, "product_id": PRODUCT}
    groups = (GROUPS[number % len(GROUPS)],)
    return [
        [(intended, DeviceImported(**ids))],  # type: ignore[arg-type]
        [(intended, DeviceGrouped(**ids, groups=groups))],  # type: ignore[arg-type]
        [
            (did, handshook(device, 1)),
            (did, FirmwareSeenRunning(**ids, version=1)),  # type: ignore[arg-type]
        ],
        [(did, UpdateStarted(**ids, version=2, at=AT))],  # type: ignore[arg-type]
        [(did, UpdateDelivered(**ids, version=2, at=AT))],  # type: ignore[arg-type]
        [
            (did, handshook(device, 2)),
            (did, FirmwareSeenRunning(**ids, version=2, before=1)),  # type: ignore[arg-type]
            (did, UpdateConfirmed(**ids, version=2)),  # type: ignore[arg-type]
        ],
        [(did, SessionEnded(**ids, reason="asleep", at=AT))],  # type: ignore[arg-type]
    ]


def of_devices(devices: int, together: int) -> Iterator[Placed]:
    """So many of them go through each decision together, one device after the other."""
    for first in range(0, devices, together):
        lives = [of_device(number) for number in range(first, min(first + together, devices))]
        for decisions in zip(*lives, strict=True):
            yield from chain.from_iterable(decisions)


def stored(placed: Iterator[Placed]) -> Iterator[StoredEvent]:
    mapper = RecordedMapper()
    versions: defaultdict[str, int] = defaultdict(int)
    for stream, event in placed:
        versions[stream] += 1
        yield mapper.to_stored_event(Recorded(stream, versions[stream], event, ADA))


def fill(fleet: Fleet, devices: int, together: int = 20_000) -> int:
    """Append the whole history; returns the position of the last event."""
    events = stored(chain(of_product(), of_devices(devices, together)))
    last = 0
    while chunk := list(islice(events, BULK_EVENTS_MAX)):
        last = (fleet.recorder.insert_events(chunk) or (last,))[-1]
    return last
