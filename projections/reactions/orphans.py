"""Devices of a user or a customer who was erased: they are nobody's from then on.

It runs behind the fleet model, which knows what the person had. Who claimed a device while being
erased is caught by the claim: whichever of the two comes second in the log finds the first.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from psycopg import Cursor

from domain.customer import CustomerErased
from domain.holders import customer_holder, stream_of
from domain.log.fleet import Fleet
from domain.log.mapper import RecordedMapper
from domain.ownership import DeviceClaimed, UnclaimDevice
from domain.recorded import Provenance
from domain.user_events import UserErased
from projections.following import Page, read_events

PAGE_EVENTS_MAX = 5_000
DEVICES_AT_ONCE = 1_000
ERASURES = [UserErased.TOPIC, CustomerErased.TOPIC]
TOPICS = (*ERASURES, DeviceClaimed.TOPIC)

OWNED = """
    SELECT device_id FROM fleet.device WHERE owner = %s AND device_id > %s
    ORDER BY device_id LIMIT %s
"""
# Asked of the log itself: no read model needs to have come so far.
ERASED = """
    SELECT DISTINCT originator_id FROM log.fleet_events
    WHERE originator_id = ANY(%s) AND topic = ANY(%s)
"""

Sql = Cursor[tuple[Any, ...]]


class OrphanModel:
    """Nothing is stored but how far it has come. A device that is given up again stays as it is."""

    name = "orphans"
    schema = "follow"
    page_events_max = PAGE_EVENTS_MAX

    def __init__(self, open_fleet: Callable[[], Fleet]) -> None:
        self._open_fleet = open_fleet
        self._mapper = RecordedMapper()

    def begin(self) -> None:
        """Nothing is remembered from page to page."""

    def apply(self, cursor: Sql, page: Page) -> None:
        claimed: dict[str, list[tuple[str, int]]] = {}
        for event, position in read_events(cursor, page, TOPICS, self._mapper):
            match event:
                case UserErased(user_id=user_id):
                    self._release_all(cursor, user_id, position)
                case CustomerErased(customer_id=customer_id):
                    self._release_all(cursor, customer_holder(customer_id), position)
                case DeviceClaimed(user_id=owner, device_id=device_id):
                    claimed.setdefault(owner, []).append((device_id, position))
        for owner in erased(cursor, list(claimed)):
            for device_id, position in claimed[owner]:
                self._release(owner, device_id, position)

    def _release_all(self, cursor: Sql, owner: str, cause: int) -> None:
        for device_id in owned_by(cursor, owner):
            self._release(owner, device_id, cause)

    def _release(self, owner: str, device_id: str, cause: int) -> None:
        """One by one: people have few devices, and are seldom erased. Raises Contended."""
        provenance = Provenance(
            actor=f"reaction:{self.name}", cause=cause, command=f"{self.name}:{cause}"
        )
        command = UnclaimDevice(device_id=device_id, user_id=owner)
        self._open_fleet().execute(command, provenance)


def owned_by(cursor: Sql, owner: str) -> Iterator[str]:
    last = ""
    while True:
        rows = cursor.execute(OWNED, [owner, last, DEVICES_AT_ONCE], prepare=True).fetchall()
        yield from (device_id for (device_id,) in rows)
        if len(rows) < DEVICES_AT_ONCE:
            return
        last = rows[-1][0]


def erased(cursor: Sql, owners: Sequence[str]) -> list[str]:
    """Those of them who are."""
    if not owners:
        return []
    streams = {stream_of(owner): owner for owner in owners}
    rows = cursor.execute(ERASED, [[*streams], ERASURES], prepare=True).fetchall()
    return [streams[stream] for (stream,) in rows]
