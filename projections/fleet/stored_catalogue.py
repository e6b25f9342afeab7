"""The catalogue's rows on their way from its tables and back: found by key, written together."""

from typing import Any

from psycopg import Cursor

from projections.fleet.catalogue import Catalogue
from projections.fleet.rows import FirmwareRow, GroupRow, ProductRow
from projections.fleet.tables import Tables


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
