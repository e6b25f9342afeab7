"""What the fleet's tables would say had the log ended earlier: the same folds over given events."""

from collections.abc import Iterable
from datetime import datetime

from domain.recorded import Recorded
from projections.fleet import catalogue
from projections.fleet.catalogue import Catalogue, Place
from projections.fleet.device import APPLY
from projections.fleet.rows import DeviceRow, FirmwareRow, GroupRow, ProductRow


def device_as_of(records: Iterable[Recorded]) -> DeviceRow | None:
    """One device's row after these events of its two streams, in order; None if there are none."""
    row: DeviceRow | None = None
    for recorded in records:
        position, recorded_at = place_of(recorded)
        if row is None:
            row = DeviceRow(device_id=recorded.stream.partition("-")[2])
        event, origin = recorded.event, recorded.provenance.origin
        APPLY[type(event)](row, event, position, recorded_at, origin)
        row.last_position = position
    return row


def place_of(recorded: Recorded) -> tuple[int, datetime]:
    """Raises AssertionError for an event that the log does not have yet."""
    assert recorded.position is not None
    assert recorded.recorded_at is not None
    return recorded.position, recorded.recorded_at


def catalogue_as_of(records: Iterable[Recorded]) -> Catalogue:
    """Every row that these events of products, groups and firmware lead to, in order."""
    rows = Catalogue()
    for recorded in records:
        place = Place(*place_of(recorded), recorded.provenance.actor)
        catalogue.apply(rows, recorded.event, place)
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
