"""What the fleet's tables would say had the log ended earlier: the same folds over given events."""

from collections.abc import Iterable

from domain.recorded import Recorded
from projections.fleet import catalogue, device
from projections.fleet.catalogue import Catalogue
from projections.fleet.device import Place
from projections.fleet.rows import DeviceRow, FirmwareRow, GroupRow, ProductRow


def place_of(recorded: Recorded) -> Place:
    """Raises AssertionError for an event that the log does not have yet."""
    assert recorded.position is not None
    assert recorded.recorded_at is not None
    provenance = recorded.provenance
    return Place(recorded.position, recorded.recorded_at, provenance.origin, provenance.actor)


def device_as_of(records: Iterable[Recorded]) -> DeviceRow | None:
    """One device's row after these events of its two streams, in order; None if there are none."""
    row: DeviceRow | None = None
    for recorded in records:
        if row is None:
            row = DeviceRow(device_id=recorded.stream.partition("-")[2])
        device.apply(row, recorded.event, place_of(recorded))
    return row


def catalogue_as_of(records: Iterable[Recorded]) -> Catalogue:
    """Every row that these events of products, groups and firmware lead to, in order."""
    rows = Catalogue()
    for recorded in records:
        catalogue.apply(rows, recorded.event, place_of(recorded))
    return rows


def product_as_of(records: Iterable[Recorded], product_id: int) -> ProductRow | None:
    """`records` are the product's own events, its groups' and its firmware's, in order."""
    return catalogue_as_of(records).product(product_id)


def group_as_of(records: Iterable[Recorded], product_id: int, key: str) -> GroupRow | None:
    return catalogue_as_of(records).group(product_id, key)


def firmware_as_of(
    records: Iterable[Recorded], product_id: int, version: int
) -> FirmwareRow | None:
    return catalogue_as_of(records).version(product_id, version)
