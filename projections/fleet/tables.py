"""The SQL of the fleet's tables: rows in by key, rows out in bulk."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec.structs import astuple
from psycopg import Cursor
from psycopg.sql import SQL, Composable, Composed, Identifier, Placeholder
from psycopg.types.json import Jsonb

from domain.targeting import Cohort
from projections.fleet.rows import (
    DEVICE_COLUMNS,
    DeviceRow,
    FirmwareRow,
    GroupRow,
    ProductRow,
    TallyKey,
    TallyRow,
)

Sql = Cursor[tuple[Any, ...]]

# What DEVICE_COLUMNS are, where it is not text.
DEVICE_TYPES = dict.fromkeys(DEVICE_COLUMNS, "text") | {
    "product_id": "int4", "cohort_id": "int8", "forced": "bool", "stuck_version": "int4",
    "removed_from": "int4[]", "entered_at": "timestamptz", "billed_in": "int4",
    "billed_since": "timestamptz", "firmware_product_id": "int4", "firmware_version": "int4",
    "running": "int4", "platform_id": "int4", "updates_enabled": "bool", "told_version": "int4",
    "told_product_id": "int4", "told_position": "int8", "online": "bool",
    "last_handshake_at": "timestamptz", "last_heard_at": "timestamptz", "update_version": "int4",
    "update_attempt": "int4", "update_at": "timestamptz", "facts_position": "int8",
    "last_position": "int8",
}  # fmt: skip
REMOVED_FROM = DEVICE_COLUMNS.index("removed_from")
COPY_TYPES = tuple(DEVICE_TYPES[column] for column in DEVICE_COLUMNS)
TALLY_TYPES = ("int4[]", "int8[]", "int4[]", "bool[]", "text[]", "int4[]", "text[]", "int4[]")
NO_LIST: list[int] = []


def columns(names: Iterable[str]) -> Composed:
    return SQL(", ").join(Identifier(name) for name in names)


def upsert(table: Composable, fields: Sequence[str], key: Sequence[str]) -> Composed:
    """One row in, by its key."""
    changes = SQL(", ").join(
        SQL("{0} = excluded.{0}").format(Identifier(name)) for name in fields if name not in key
    )
    return SQL("INSERT INTO {} ({}) VALUES ({}) ON CONFLICT ({}) DO UPDATE SET {}").format(
        table, columns(fields), SQL(", ").join([Placeholder()] * len(fields)), columns(key), changes
    )


class Tables:
    """The tables of one schema: the live one, or one that is being built beside it."""

    def __init__(self, schema: str) -> None:
        def table(name: str) -> Identifier:
            return Identifier(schema, name)

        names = columns(DEVICE_COLUMNS)
        self._load_devices = SQL(
            "SELECT {}, standing, groups, locked_version, development FROM {} AS device"
            " LEFT JOIN {} AS cohort USING (product_id, cohort_id) WHERE device_id = ANY(%s)"
        ).format(names, table("device"), table("cohort"))
        copy = SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)")
        self._insert_devices = copy.format(table("device"), names)
        self._stage = SQL(
            "CREATE TEMP TABLE IF NOT EXISTS {} (LIKE {}) ON COMMIT DELETE ROWS"
        ).format(Identifier(f"changed_{schema}"), table("device"))
        staged = Identifier("pg_temp", f"changed_{schema}")
        self._stage_devices = copy.format(staged, names)
        others = DEVICE_COLUMNS[1:]
        self._update_devices = SQL(
            "UPDATE {} AS device SET ({}) = ROW ({}) FROM {} AS changed"
            " WHERE device.device_id = changed.device_id"
        ).format(
            table("device"),
            columns(others),
            SQL(", ").join(Identifier("changed", name) for name in others),
            staged,
        )
        self._insert_cohort = SQL(
            "INSERT INTO {} VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (product_id, standing,"
            " groups, locked_version, development) DO NOTHING"
        ).format(table("cohort"))
        key = columns(TallyRow.__struct_fields__[:-1])
        arrays = SQL(", ").join(SQL(f"%b::{kind}") for kind in (*TALLY_TYPES, "int8[]"))
        self._count = SQL(
            "INSERT INTO {0} AS known SELECT * FROM unnest({1}) ON CONFLICT ({2})"
            " DO UPDATE SET devices = known.devices + excluded.devices RETURNING devices"
        ).format(table("tally"), arrays, key)
        self._uncount = SQL("DELETE FROM {} WHERE devices = 0").format(table("tally"))
        fields = ProductRow.__struct_fields__
        self._load_product = SQL("SELECT {} FROM {} WHERE product_id = %s").format(
            columns(fields), table("product")
        )
        self._upsert_product = upsert(table("product"), fields, ["product_id"])
        fields = GroupRow.__struct_fields__
        self._load_group = SQL("SELECT {} FROM {} WHERE product_id = %s AND key = %s").format(
            columns(fields), table("device_group")
        )
        self._upsert_group = upsert(table("device_group"), fields, ["product_id", "key"])
        fields = FirmwareRow.__struct_fields__
        self._load_version = SQL("SELECT {} FROM {} WHERE product_id = %s AND version = %s").format(
            columns(fields), table("firmware")
        )
        self._upsert_version = upsert(table("firmware"), fields, ["product_id", "version"])

    def devices(
        self, cursor: Sql, ids: list[str], unwritten: Mapping[int, Cohort]
    ) -> list[DeviceRow]:
        """Those of them that there are, in no order. A cohort may not be in its table yet."""
        cursor.execute(self._load_devices, [ids], prepare=True)
        rows = []
        for *device, standing, groups, locked_version, development in cursor.fetchall():
            row = DeviceRow(*device)
            row.removed_from = tuple(row.removed_from)
            if standing is not None:
                row.standing, row.groups = standing, tuple(groups)
                row.locked_version, row.development = locked_version, development
            elif row.cohort_id is not None:
                cohort = unwritten[row.cohort_id]
                row.standing, row.groups = cohort.standing.value, cohort.groups
                row.locked_version, row.development = cohort.locked_version, cohort.development
            rows.append(row)
        return rows

    def prepare_stage(self, cursor: Sql) -> None:
        cursor.execute(self._stage)

    def insert_devices(self, cursor: Sql, rows: Iterable[DeviceRow]) -> None:
        self._copy_devices(cursor, self._insert_devices, rows)

    def update_devices(self, cursor: Sql, rows: Iterable[DeviceRow]) -> None:
        self._copy_devices(cursor, self._stage_devices, rows)
        cursor.execute(self._update_devices, prepare=True)

    @staticmethod
    def _copy_devices(cursor: Sql, statement: Composed, rows: Iterable[DeviceRow]) -> None:
        width = len(DEVICE_COLUMNS)
        with cursor.copy(statement) as copy:
            copy.set_types(COPY_TYPES)
            for row in rows:
                values = list(astuple(row)[:width])
                values[REMOVED_FROM] = list(row.removed_from) if row.removed_from else NO_LIST
                copy.write_row(values)

    def intern(self, cursor: Sql, cohorts: Mapping[int, Cohort]) -> None:
        cursor.executemany(
            self._insert_cohort,
            [
                [
                    known,
                    cohort.product_id,
                    cohort.standing.value,
                    list(cohort.groups),
                    cohort.locked_version,
                    cohort.development,
                ]
                for known, cohort in cohorts.items()
            ],
        )

    def count(self, cursor: Sql, changes: Counter[TallyKey]) -> None:
        """So many devices more, or fewer, in each state."""
        moved = [(*key, change) for key, change in changes.items() if change]
        if not moved:
            return
        arrays = [list(column) for column in zip(*moved, strict=True)]
        cursor.execute(self._count, arrays, prepare=True)
        fewest = min(devices for (devices,) in cursor.fetchall())
        assert fewest >= 0, "fewer than no devices counted in a state"
        if fewest == 0:
            cursor.execute(self._uncount, prepare=True)

    def product(self, cursor: Sql, product_id: int) -> ProductRow | None:
        values = cursor.execute(self._load_product, [product_id]).fetchone()
        return None if values is None else ProductRow(*values)

    def group(self, cursor: Sql, product_id: int, key: str) -> GroupRow | None:
        values = cursor.execute(self._load_group, [product_id, key]).fetchone()
        return None if values is None else GroupRow(*values)

    def version(self, cursor: Sql, product_id: int, version: int) -> FirmwareRow | None:
        values = cursor.execute(self._load_version, [product_id, version]).fetchone()
        return None if values is None else FirmwareRow(*values)

    def save_products(self, cursor: Sql, rows: Iterable[ProductRow]) -> None:
        place = ProductRow.__struct_fields__.index("group_versions")
        values = [list(astuple(row)) for row in rows]
        for one in values:
            one[place] = Jsonb(one[place])
        cursor.executemany(self._upsert_product, values)

    def save_groups(self, cursor: Sql, rows: Iterable[GroupRow]) -> None:
        cursor.executemany(self._upsert_group, [astuple(row) for row in rows])

    def save_firmware(self, cursor: Sql, rows: Iterable[FirmwareRow]) -> None:
        cursor.executemany(self._upsert_version, [astuple(row) for row in rows])
