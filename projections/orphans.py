"""Devices of a person who was erased: they are nobody's from then on.

It runs behind the fleet model, which knows what the person had. Who claimed a device while being
erased is caught by the claim: whichever of the two comes second in the log finds the first.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from psycopg import Cursor

from domain.log.fleet import Fleet
from domain.log.mapper import RecordedMapper
from domain.ownership import DeviceClaimed, UnclaimDevice
from domain.recorded import Provenance
from domain.user_events import UserErased
from projections.following import Page, read_rows
from projections.trouble import CannotApply

PAGE_EVENTS_MAX = 5_000
DEVICES_AT_ONCE = 1_000
TOPICS = (UserErased.TOPIC, DeviceClaimed.TOPIC)

OWNED = """
    SELECT device_id FROM fleet.device WHERE owner = %s AND device_id > %s
    ORDER BY device_id LIMIT %s
"""
# Asked of the log itself: no read model needs to have come so far.
ERASED = """
    SELECT DISTINCT originator_id FROM log.fleet_events
    WHERE originator_id = ANY(%s) AND topic = %s
"""

Sql = Cursor[tuple[Any, ...]]


class OrphanModel:
    """Nothing is stored but how far it has come. A device that is given up again stays as it is."""

    name = "orphans"
    schema = "follow"
    page_events_max = PAGE_EVENTS_MAX

    def __init__(self, open_fleet: Callable[[], Fleet]) -> None:
        self._open_fleet = open_fleet
        self._event = RecordedMapper().event

    def begin(self) -> None:
        """Nothing is remembered from page to page."""

    def apply(self, cursor: Sql, page: Page) -> None:
        claimed: dict[str, list[tuple[str, int]]] = {}
        for _, _, topic, state, position, _ in read_rows(cursor, page, TOPICS):
            try:
                event = self._event(topic, state)
            except Exception as error:
                raise CannotApply(position, f"{topic}: {error}") from error
            if isinstance(event, UserErased):
                for device_id in owned_by(cursor, event.user_id):
                    self._release(event.user_id, device_id, position)
            elif isinstance(event, DeviceClaimed):
                claimed.setdefault(event.user_id, []).append((event.device_id, position))
        for user_id in erased(cursor, list(claimed)):
            for device_id, position in claimed[user_id]:
                self._release(user_id, device_id, position)

    def _release(self, user_id: str, device_id: str, cause: int) -> None:
        """One by one: people have few devices, and are seldom erased. Raises Contended."""
        provenance = Provenance(
            actor=f"reaction:{self.name}", cause=cause, command=f"{self.name}:{cause}"
        )
        command = UnclaimDevice(device_id=device_id, user_id=user_id)
        self._open_fleet().execute(command, provenance)


def owned_by(cursor: Sql, user_id: str) -> Iterator[str]:
    last = ""
    while True:
        rows = cursor.execute(OWNED, [user_id, last, DEVICES_AT_ONCE], prepare=True).fetchall()
        yield from (device_id for (device_id,) in rows)
        if len(rows) < DEVICES_AT_ONCE:
            return
        last = rows[-1][0]


def erased(cursor: Sql, user_ids: Sequence[str]) -> list[str]:
    """Those of them who are."""
    if not user_ids:
        return []
    streams = [f"user-{user_id}" for user_id in user_ids]
    rows = cursor.execute(ERASED, [streams, UserErased.TOPIC], prepare=True).fetchall()
    return [stream.removeprefix("user-") for (stream,) in rows]
