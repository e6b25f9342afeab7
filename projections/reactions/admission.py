"""Devices of people on the team, let into a product that takes whoever asks.

The edge knows that a device is somebody's, and not whose: it quarantines such a device where it
lets others in. Whether its owner is on the team is looked up here, in the log itself.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from msgspec.structs import replace
from psycopg import Cursor

from domain.device_commands import AdmitDevice
from domain.device_events import DeviceQuarantined, Standing
from domain.device_refusals import DeviceInAnotherProduct
from domain.log.fleet import Fleet
from domain.log.mapper import RecordedMapper
from domain.permissions import Facts, organization_in, permit_of, team_facts
from domain.product import AutoApprovalAllowed, AutoApprovalForbidden, Product
from domain.recorded import Provenance
from projections.following import Page, read_events

PAGE_EVENTS_MAX = 5_000
POLICIES = [AutoApprovalAllowed.TOPIC, AutoApprovalForbidden.TOPIC]

# Each change of a product's policy, oldest first.
CHANGES = """
    SELECT originator_id, notification_id, topic FROM log.fleet_events
    WHERE originator_id = ANY(%s) AND topic = ANY(%s) ORDER BY originator_id, notification_id
"""

Sql = Cursor[tuple[Any, ...]]


class AdmissionModel:
    """Nothing is stored but how far it has come. Who was let in, or left, stays as they are."""

    name = "admission"
    schema = "follow"
    page_events_max = PAGE_EVENTS_MAX

    def __init__(self, open_fleet: Callable[[], Fleet]) -> None:
        self._open_fleet = open_fleet
        self._mapper = RecordedMapper()

    def begin(self) -> None:
        """Nothing is remembered from page to page."""

    def apply(self, cursor: Sql, page: Page) -> None:
        asked = [*read_events(cursor, page, [DeviceQuarantined.TOPIC], self._mapper)]
        if not asked:
            return
        # By the policy of then: what the team says later of whoever asks is not said of these.
        changes = changes_of(cursor, {event.product_id for event, _ in asked})
        for event, position in asked:
            earlier = bisect_left(changes[event.product_id], (position, False))
            if earlier and changes[event.product_id][earlier - 1][1]:
                self._admit(event, position)

    def _admit(self, event: DeviceQuarantined, cause: int) -> None:
        """One by one: few devices are somebody's before they ask. Raises Contended."""
        device = self._open_fleet().load(f"device-{event.device_id}").state
        if (device.product_id, device.standing) != (event.product_id, Standing.QUARANTINED):
            return
        owner = device.ownership.owner
        if owner and not self._is_on_team(owner, event.product_id):
            return
        provenance = Provenance(
            actor=f"reaction:{self.name}", cause=cause, command=f"{self.name}:{cause}"
        )
        command = AdmitDevice(device_id=event.device_id, product_id=event.product_id, owner=owner)
        with suppress(DeviceInAnotherProduct):  # somebody took it in there this moment
            self._open_fleet().execute(command, provenance)

    def _is_on_team(self, user_id: str, product_id: int) -> bool:
        load = self._open_fleet().load
        product: Product = load(f"product-{product_id}").state
        if product.retired:
            return False
        owner = product.ownership.owner
        facts = Facts(product_id, owner, team=team_facts(load(f"team-{product_id}").state))
        if organization := organization_in(owner):
            facts = replace(
                facts,
                organization_owner=load(f"organization-{organization}").state.owner,
                organization_team=team_facts(load(f"team-{organization}").state),
            )
        return permit_of(facts, user_id).role is not None


def changes_of(cursor: Sql, product_ids: Iterable[int]) -> dict[int, list[tuple[int, bool]]]:
    """At which positions each product began to take whoever asks (True), and ended to (False)."""
    streams = {f"product-{product_id}": product_id for product_id in product_ids}
    changes: dict[int, list[tuple[int, bool]]] = {one: [] for one in streams.values()}
    cursor.execute(CHANGES, [list(streams), POLICIES], prepare=True)
    for stream, position, topic in cursor.fetchall():
        changes[streams[stream]].append((position, topic == AutoApprovalAllowed.TOPIC))
    return changes
