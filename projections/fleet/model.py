"""The fleet's tables kept up with the log: rows are loaded, folded in memory, written in bulk."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any, NamedTuple

from psycopg import Cursor

from domain.facts import NO_DEVICE_FACTS
from domain.log.mapper import RecordedMapper, Stored
from domain.model import Event
from domain.targeting import Cohort
from projections.fleet import catalogue
from projections.fleet.catalogue import Place
from projections.fleet.device import APPLY, Apply
from projections.fleet.rows import DeviceRow, TallyKey, tally_key
from projections.fleet.stored_catalogue import StoredCatalogue
from projections.fleet.tables import Tables
from projections.following import Page
from projections.trouble import CannotApply, passes

# Larger than other followers': rows go into the indexes in their order, and the more at once the
# fewer pages each of them touches; and a device that several of them are about is written once.
# Only one that is far behind has that many to take.
PAGE_EVENTS_MAX = 40_000
ROWS_HELD_MAX = 50_000  # devices kept in memory from page to page, about 1 KB each
ABOUT_DEVICES = ("device-", "session-")
ABOUT_PRODUCTS = ("product-", "group-", "firmware-")


ROWS = """
    SELECT originator_id, topic, state, notification_id, recorded_at FROM log.fleet_events
    WHERE notification_id > %s AND notification_id <= %s ORDER BY notification_id
"""

FoldedRow = tuple[str, str, bytes, int, datetime]
How = tuple[Callable[[bytes], Stored[Event]], Apply]


SHARES = 1_000  # what the log is about, device or product, decides which share of it an event is


class Part(NamedTuple):
    """The shares of the log from one to before another, of SHARES."""

    first: int
    end: int


OF_PART = f"""
    SELECT originator_id, topic, state, notification_id, recorded_at FROM log.fleet_events
    WHERE notification_id > %s AND notification_id <= %s
      AND mod(hashtext(split_part(originator_id, '-', 2)) & 2147483647, {SHARES})
          BETWEEN %s AND %s - 1
    ORDER BY notification_id
"""


class Shared(NamedTuple):
    """What devices have in common, not written yet: cohorts entered, states moved between."""

    cohorts: dict[int, Cohort]
    moved: Counter[TallyKey]


class FleetModel:
    """Model `fleet`, in the schema of that name or in one built beside it."""

    name = "fleet"

    def __init__(
        self,
        schema: str = "fleet",
        *,
        page_events_max: int = PAGE_EVENTS_MAX,
        rows_held_max: int = ROWS_HELD_MAX,
        writes_behind: bool = False,
        part: Part | None = None,
    ) -> None:
        """With `writes_behind` rows are written when memory is full and at `flush`, not each page:
        for a schema that nobody reads yet, and whose tables are empty. A model of one part leaves
        in `shared` what must be written for all parts together."""
        self.schema = schema
        self.page_events_max = page_events_max
        self.shared = Shared({}, Counter())
        self._part = part
        self._nothing_stored = writes_behind
        self._rows_held_max = rows_held_max
        self._writes_behind = writes_behind
        self._mapper = RecordedMapper()
        self._hows: dict[str, How] = {}  # by stored name
        self._tables = Tables(schema)
        self._catalogue = StoredCatalogue(self._tables)
        self._devices: dict[str, DeviceRow] = {}  # each under the names of both its streams
        self._changed: list[DeviceRow] = []  # those not written yet
        self._written_until = 0
        self._new: set[str] = set()  # the ids of those that no row stands for yet
        self._counted: dict[str, TallyKey | None] = {}  # where each one is counted
        self._staged = False

    def begin(self) -> None:
        self._catalogue.forget()
        self._forget_devices()
        self._changed.clear()
        self._new.clear()
        self.shared = Shared({}, Counter())
        self._nothing_stored = False
        self._staged = False

    def apply(self, cursor: Cursor[tuple[Any, ...]], page: Page) -> None:
        rows = self._read(cursor, page)
        self._catalogue.cursor = cursor
        if not self._changed:
            self._written_until = page.after
        self._fold(rows, self._load(cursor, [row[0] for row in rows]))
        if not self._writes_behind or len(self._counted) > self._rows_held_max:
            self.flush(cursor)

    def flush(self, cursor: Cursor[tuple[Any, ...]]) -> None:
        """Write what has changed."""
        self._catalogue.cursor = cursor
        self._catalogue.save()
        if self._changed:
            self._write_devices(cursor)
        if self._part is None:
            self.write_shared(cursor, self.shared)
        if len(self._counted) > self._rows_held_max:
            self._forget_devices()
        self._nothing_stored = False

    def write_shared(self, cursor: Cursor[tuple[Any, ...]], shared: Shared) -> None:
        """Write what devices have in common, and forget it."""
        if shared.cohorts:
            self._tables.intern(cursor, shared.cohorts)
            shared.cohorts.clear()
        self._tables.count(cursor, shared.moved)
        shared.moved.clear()

    def _read(self, cursor: Cursor[tuple[Any, ...]], page: Page) -> list[FoldedRow]:
        if self._part is None:
            cursor.execute(ROWS, page, prepare=True)
        else:
            cursor.execute(OF_PART, [*page, *self._part], prepare=True)
        rows: list[Any] = cursor.fetchall()
        return rows

    def _load(self, cursor: Cursor[tuple[Any, ...]], streams: list[str]) -> list[DeviceRow | None]:
        """The row of the device that each stream is about; None for other streams."""
        held = list(map(self._devices.get, streams))
        if None not in held:
            return held
        wanted = {
            stream.partition("-")[2]
            for stream, row in zip(streams, held, strict=True)
            if row is None and stream.startswith(ABOUT_DEVICES)
        }
        if not wanted:
            return held
        if not self._nothing_stored:
            for row in self._tables.devices(cursor, list(wanted), self.shared.cohorts):
                self._hold(row, tally_key(row))
                wanted.discard(row.device_id)
        for device_id in wanted:
            self._hold(DeviceRow(device_id, known_facts=NO_DEVICE_FACTS), None)
        self._new |= wanted
        return list(map(self._devices.get, streams))

    def _hold(self, row: DeviceRow, counted: TallyKey | None) -> None:
        for kind in ABOUT_DEVICES:
            self._devices[kind + row.device_id] = row
        self._counted[row.device_id] = counted

    def _fold(self, rows: Sequence[FoldedRow], held: Sequence[DeviceRow | None]) -> None:
        hows, cohorts = self._hows, self.shared.cohorts
        changed, written_until = self._changed, self._written_until
        position, topic = 0, ""
        try:
            for (stream, topic, state, position, recorded_at), row in zip(rows, held, strict=True):
                if row is None:
                    if not stream.startswith(ABOUT_PRODUCTS):
                        continue  # of people, and of what is theirs
                    stored = self._mapper.decoder(topic)(state)
                    place = Place(position, recorded_at, stored.actor)
                    catalogue.apply(self._catalogue, stored.event, place)
                    continue
                decode, apply = hows.get(topic) or self._learn(topic, state)
                stored = decode(state)
                if apply(row, stored.event, position, recorded_at, stored.origin):
                    cohort = row.cohort_id
                    if cohort is not None and cohort not in cohorts:
                        # Each one ever entered: the table must not depend on where pages end.
                        cohorts[cohort] = row.facts().cohort()
                if row.last_position <= written_until:
                    changed.append(row)
                row.last_position = position
        except Exception as error:
            if passes(error):
                raise
            raise CannotApply(position, f"{topic}: {type(error).__name__}: {error}") from error

    def _learn(self, topic: str, state: bytes) -> How:
        """How rows of a name are read and applied. Raises LookupError if no event is named so."""
        decode = self._mapper.decoder(topic)
        how = self._hows[topic] = (decode, APPLY[type(decode(state).event)])
        return how

    def _write_devices(self, cursor: Cursor[tuple[Any, ...]]) -> None:
        # In the order of the indexes, which are larger than what the server keeps in memory.
        changed, new = sorted(self._changed, key=attrgetter("device_id")), self._new
        if new:
            self._tables.insert_devices(cursor, (row for row in changed if row.device_id in new))
        if len(new) < len(changed):
            if not self._staged:
                self._tables.prepare_stage(cursor)
                self._staged = True
            old = (row for row in changed if row.device_id not in new)
            self._tables.update_devices(cursor, old)
        self._recount(changed)
        self._changed.clear()
        self._new.clear()

    def _recount(self, rows: Iterable[DeviceRow]) -> None:
        """How many devices more, or fewer, are in each state than before."""
        counted, moved = self._counted, self.shared.moved
        for row in rows:
            before, after = counted[row.device_id], tally_key(row)
            if before != after:
                if before is not None:
                    moved[before] -= 1
                if after is not None:
                    moved[after] += 1
                counted[row.device_id] = after

    def _forget_devices(self) -> None:
        self._devices.clear()
        self._counted.clear()
