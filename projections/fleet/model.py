"""The fleet's tables kept up with the log: rows are loaded, folded in memory, written in bulk."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from psycopg import Cursor

from domain.log.mapper import RecordedMapper
from domain.log.recorder import Row
from domain.model import Event
from domain.targeting import Cohort
from projections.fleet import catalogue, device
from projections.fleet.catalogue import Catalogue
from projections.fleet.device import Place
from projections.fleet.rows import DeviceRow, FirmwareRow, GroupRow, ProductRow, TallyKey, tally_key
from projections.fleet.tables import Tables
from projections.following import PAGE_EVENTS_MAX, Page, read_rows
from projections.trouble import CannotApply, passes

ROWS_HELD_MAX = 50_000  # devices kept in memory from page to page, about 1 KB each
ABOUT_DEVICES = ("device-", "session-")


class StoredCatalogue(Catalogue):
    """Rows of products, groups and firmware that are in the tables, or on their way there."""

    cursor: Cursor[tuple[Any, ...]]

    def __init__(self, tables: Tables) -> None:
        super().__init__()
        self._tables = tables

    def product(self, product_id: int) -> ProductRow | None:
        row = self.products.get(product_id)
        if row is None:
            row = self._tables.product(self.cursor, product_id)
            if row is not None:
                self.products[product_id] = row
        return row

    def group(self, product_id: int, key: str) -> GroupRow | None:
        row = self.groups.get((product_id, key))
        if row is None:
            row = self._tables.group(self.cursor, product_id, key)
            if row is not None:
                self.groups[product_id, key] = row
        return row

    def version(self, product_id: int, version: int) -> FirmwareRow | None:
        row = self.firmware.get((product_id, version))
        if row is None:
            row = self._tables.version(self.cursor, product_id, version)
            if row is not None:
                self.firmware[product_id, version] = row
        return row

    def save(self) -> None:
        """Write everything that was looked at, and forget it."""
        if self.products:
            self._tables.save_products(self.cursor, self.products.values())
        if self.groups:
            self._tables.save_groups(self.cursor, self.groups.values())
        if self.firmware:
            self._tables.save_firmware(self.cursor, self.firmware.values())
        self.forget()

    def forget(self) -> None:
        self.products.clear()
        self.groups.clear()
        self.firmware.clear()


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
    ) -> None:
        """With `writes_behind` rows are written when memory is full and at `flush`, not each page:
        for a schema that nobody reads yet, and whose tables are empty."""
        self.schema = schema
        self.page_events_max = page_events_max
        self._rows_held_max = rows_held_max
        self._writes_behind = writes_behind
        self._stored = RecordedMapper().stored
        self._tables = Tables(schema)
        self._catalogue = StoredCatalogue(self._tables)
        self._devices: dict[str, DeviceRow] = {}
        self._changed: set[str] = set()  # of them, those not written yet
        self._new: set[str] = set()  # of those, the ones that no row stands for yet
        self._counted: dict[str, TallyKey | None] = {}  # where each one held is counted
        self._cohorts: dict[int, Cohort] = {}  # entered since the last write
        self._nothing_stored = writes_behind
        self._staged = False

    def begin(self) -> None:
        self._catalogue.forget()
        self._forget_devices()
        self._changed.clear()
        self._new.clear()
        self._cohorts.clear()
        self._nothing_stored = False
        self._staged = False

    def apply(self, cursor: Cursor[tuple[Any, ...]], page: Page) -> None:
        rows = read_rows(cursor, page)
        self._catalogue.cursor = cursor
        self._load(cursor, rows)
        self._fold(rows)
        if not self._writes_behind or len(self._devices) > self._rows_held_max:
            self.flush(cursor)

    def flush(self, cursor: Cursor[tuple[Any, ...]]) -> None:
        """Write what has changed."""
        self._catalogue.cursor = cursor
        self._catalogue.save()
        if self._cohorts:
            self._tables.intern(cursor, self._cohorts.values())
            self._cohorts.clear()
        self._write_devices(cursor)
        if len(self._devices) > self._rows_held_max:
            self._forget_devices()
        self._nothing_stored = False

    def _load(self, cursor: Cursor[tuple[Any, ...]], rows: Sequence[Row]) -> None:
        """Have a row for every device of the page, in memory."""
        held = self._devices
        wanted = set()
        for row in rows:
            stream = row[0]
            if stream.startswith(ABOUT_DEVICES):
                device_id = stream.partition("-")[2]
                if device_id not in held:
                    wanted.add(device_id)
        if not wanted:
            return
        if not self._nothing_stored:
            for found in self._tables.devices(cursor, list(wanted)):
                held[found.device_id] = found
                self._counted[found.device_id] = tally_key(found)
        for device_id in wanted:
            if device_id not in held:
                held[device_id] = DeviceRow(device_id)
                self._counted[device_id] = None
                self._new.add(device_id)

    def _fold(self, rows: Sequence[Row]) -> None:
        stored, held, changed = self._stored, self._devices, self._changed
        position = 0
        try:
            for stream, _, topic, state, position, recorded_at in rows:
                one = stored(topic, state)
                place = Place(position, recorded_at, one.origin, one.actor)
                if stream.startswith(ABOUT_DEVICES):
                    device_id = stream.partition("-")[2]
                    self._change_device(held[device_id], one.event, place)
                    changed.add(device_id)
                else:
                    catalogue.apply(self._catalogue, one.event, place)
        except Exception as error:
            if passes(error):
                raise
            raise CannotApply(position, f"{topic}: {type(error).__name__}: {error}") from error

    def _change_device(self, row: DeviceRow, event: Event, place: Place) -> None:
        before = row.cohort_id
        device.apply(row, event, place)
        if row.cohort_id is not None and row.cohort_id != before:
            # Every cohort ever entered, so that the table does not depend on where pages end.
            self._cohorts[row.cohort_id] = row.facts().cohort()

    def _write_devices(self, cursor: Cursor[tuple[Any, ...]]) -> None:
        if not self._changed:
            return
        held, counted = self._devices, self._counted
        new = [held[device_id] for device_id in self._new]
        old = [held[device_id] for device_id in self._changed - self._new]
        if new:
            self._tables.insert_devices(cursor, new)
        if old:
            if not self._staged:
                self._tables.prepare_stage(cursor)
                self._staged = True
            self._tables.update_devices(cursor, old)
        moved: Counter[TallyKey] = Counter()
        for device_id in self._changed:
            before, after = counted[device_id], tally_key(held[device_id])
            if before != after:
                if before is not None:
                    moved[before] -= 1
                if after is not None:
                    moved[after] += 1
                counted[device_id] = after
        self._tables.count(cursor, moved)
        self._changed.clear()
        self._new.clear()

    def _forget_devices(self) -> None:
        self._devices.clear()
        self._counted.clear()
