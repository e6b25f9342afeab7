"""How a product is doing: how many devices are on their target, and why the others are not."""

from collections import Counter
from typing import Any

from msgspec import Struct

from api.call import Call
from api.database import Rows
from api.fleet.products import product_in
from domain.device_events import Standing
from domain.targeting import Cohort
from projections.fleet import ProductRow, TallyRow
from projections.fleet.overview import IN_STATES, Overview, Reason, in_states, overview

REASONS = tuple(reason.value for reason in Reason)

TALLY = """
    SELECT t.product_id, t.cohort_id, t.running, t.online, t.update_state, t.update_version, t.told,
           t.told_version, t.devices, c.standing, c.groups, c.locked_version, c.development
    FROM fleet.tally t JOIN fleet.cohort c USING (cohort_id)
    WHERE t.product_id = %s AND t.devices > 0
"""
# The cohorts once more, by themselves: that much of it an index knows.
OF_REASON = f"device.cohort_id = ANY (%(cohorts)s::bigint[]) AND {IN_STATES}"


class TallyOfCohort(TallyRow, frozen=True):
    standing: str
    groups: list[str]
    locked_version: int | None
    development: bool

    def cohort(self) -> Cohort:
        return Cohort(
            product_id=self.product_id,
            standing=Standing(self.standing),
            groups=tuple(self.groups),
            locked_version=self.locked_version,
            development=self.development,
        )


class RunningTotal(Struct, frozen=True):
    """So many devices run, or should run, this version; null: none of this product's."""

    version: int | None
    total: int


class OverviewObject(Struct, frozen=True):
    """`reasons` counts every device once; those of one are listed by `…/devices?reason=`."""

    product_id: int
    position: int
    devices: int
    online: int
    on_target: int
    pending: int
    failed: int
    stuck: int
    by_version: list[RunningTotal]
    by_target: list[RunningTotal]
    reasons: dict[str, int]


async def get_overview(call: Call) -> OverviewObject:
    """How many devices are where; it costs the same for any size of fleet."""
    async with call.snapshot() as snapshot:
        product = await product_in(call, snapshot)
        found = await counted(snapshot, product)
        position = snapshot.position
    return OverviewObject(
        product_id=product.product_id,
        position=position,
        devices=found.devices,
        online=found.online,
        on_target=found.on_target,
        pending=found.reasons[Reason.PENDING],
        failed=found.reasons[Reason.FAILED],
        stuck=found.reasons[Reason.STUCK],
        by_version=totals(found.by_version),
        by_target=totals(found.by_target),
        reasons={reason.value: found.reasons[reason] for reason in Reason},
    )


async def counted(rows: Rows, product: ProductRow) -> Overview:
    tally = await rows.all(TallyOfCohort, TALLY, [product.product_id])
    return overview(((row, row.cohort()) for row in tally), product.facts().releases())


async def devices_of_reason(
    rows: Rows, product: ProductRow, reason: str
) -> tuple[str, dict[str, Any], int]:
    """The devices that the overview counts under a reason: a condition on rows of fleet.device, its
    parameters, and how many devices they are."""
    found = await counted(rows, product)
    states = found.states.get(Reason(reason), [])
    return OF_REASON, in_states(states), found.reasons[Reason(reason)]


def totals(counts: Counter[int | None]) -> list[RunningTotal]:
    """The highest version first, and none at the end."""
    versions = sorted(counts, key=lambda version: -(version or 0))
    return [RunningTotal(version, counts[version]) for version in versions]
