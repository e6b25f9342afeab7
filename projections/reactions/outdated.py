"""Handshakes that were answered from facts which had changed by the time they were recorded.

The change's own nudge went to the devices that were online before it; these were just connecting.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec.structs import replace
from psycopg import Cursor
from psycopg.rows import class_row

from domain.facts import ProductFacts
from domain.handshake import answer, product_of
from domain.session import DeviceHandshook
from projections.fleet.rows import DEVICE_COLUMNS, DeviceRow, ProductRow

Sql = Cursor[tuple[Any, ...]]

DEVICE = ", ".join(f"device.{column}" for column in DEVICE_COLUMNS)
COHORT = "cohort.standing, cohort.groups, cohort.locked_version, cohort.development"
NEWEST = """
    SELECT greatest((SELECT max(facts_position) FROM fleet.device),
                    (SELECT max(facts_position) FROM fleet.product))
"""
# Between what the answer was based on and the handshake itself; of the rest we know without
# looking closer. What changed later has its own nudge, or waits for the next handshake as it may.
CHANGED_MEANWHILE = f"""
    SELECT {DEVICE}, {COHORT}
    FROM unnest(%s::text[], %s::int8[], %s::int8[], %s::int4[])
        AS answered (device_id, based_on, "position", answered_for)
    JOIN fleet.device USING (device_id)
    JOIN fleet.cohort ON cohort.cohort_id = device.cohort_id
    LEFT JOIN fleet.product ON product.product_id = answered.answered_for
    WHERE device.online AND (
        (device.facts_position > answered.based_on
         AND device.facts_position < answered."position")
        OR (product.facts_position > answered.based_on
            AND product.facts_position < answered."position")
    )
"""
PRODUCT = f"""
    SELECT {", ".join(ProductRow.__struct_fields__)} FROM fleet.product WHERE product_id = %s
"""

Handshakes = Mapping[str, tuple[int, DeviceHandshook]]  # each device's last one, and where it is


def outdated(cursor: Sql, handshakes: Handshakes) -> Iterator[tuple[str, int]]:
    """The devices that would be told something else now, and the position that they must know."""
    row = cursor.execute(NEWEST, prepare=True).fetchone()
    newest = row[0] if row and row[0] is not None else 0
    # Of nearly all handshakes this says already that nothing has changed since.
    late = {one: it for one, it in handshakes.items() if it[1].based_on < newest}
    if not late:
        return
    params = [
        list(late),
        [event.based_on for _, event in late.values()],
        [position for position, _ in late.values()],
        [event.told.product_id for _, event in late.values()],
    ]
    with cursor.connection.cursor(row_factory=class_row(DeviceRow), binary=True) as devices:
        changed = devices.execute(CHANGED_MEANWHILE, params, prepare=True).fetchall()
    products: dict[int | None, ProductFacts | None] = {None: None}
    for device in changed:
        position, handshake = handshakes[device.device_id]
        product_id = product_of(handshake.said, device.facts())
        if product_id not in products:
            products[product_id] = product_facts(cursor, product_id)
        now = answer(handshake.said, device.facts(), products[product_id])
        if now != replace(handshake.told, joins=False):  # who joined is in by now
            yield device.device_id, position


def product_facts(cursor: Sql, product_id: int | None) -> ProductFacts | None:
    with cursor.connection.cursor(row_factory=class_row(ProductRow), binary=True) as products:
        row = products.execute(PRODUCT, [product_id], prepare=True).fetchone()
    return row.facts() if row else None
