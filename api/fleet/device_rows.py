"""Rows of devices as they are shown: with what each says it has, and what its owner is called."""

from typing import Any

from msgspec.structs import asdict

from api.database import Rows
from domain.description import Description
from domain.holders import CUSTOMER_PREFIX
from projections.fleet import DeviceRow
from projections.fleet.rows import DEVICE_COLUMNS

COHORT_FIELDS = ("standing", "groups", "locked_version", "development")
# Of a device in no product there is no cohort: the fields are then what a row of none has.
COLUMNS = ", ".join(
    [
        *(f"device.{column}" for column in DEVICE_COLUMNS),
        "coalesce(c.standing, 'member') AS standing",
        "coalesce(c.groups, ARRAY[]::text[]) AS groups",
        "c.locked_version",
        "coalesce(c.development, false) AS development",
        "NULL AS known_facts",  # a column for every field: so rows are made by place
        *(f"said.{field}" for field in Description.__struct_fields__),
        "coalesce(account.email, customer.username) AS owner_name",
    ]
)
CUSTOMER_ID = f"substr({{}}, {1 + len(CUSTOMER_PREFIX)})"  # in the word for an owner
FROM = f"""
    FROM fleet.device AS device
    LEFT JOIN fleet.cohort c ON c.cohort_id = device.cohort_id
    LEFT JOIN described.device said ON said.device_id = device.device_id
    LEFT JOIN access.account account ON account.user_id = device.owner
    LEFT JOIN access.customer customer
           ON customer.customer_id = {CUSTOMER_ID.format("device.owner")}
"""
OWNER = f"""
    SELECT coalesce(account.email, customer.username) FROM (SELECT %s::text) AS asked (owner)
    LEFT JOIN access.account account ON account.user_id = asked.owner
    LEFT JOIN access.customer customer
           ON customer.customer_id = {CUSTOMER_ID.format("asked.owner")}
"""


class ShownRow(DeviceRow):
    """What the device has is None before it has said so, what its owner is called once erased."""

    functions: list[str] | None = None
    variables: dict[str, str] | None = None
    serial_number: str | None = None
    imei: str | None = None
    iccid: str | None = None
    subscriptions: list[str] | None = None
    owner_name: str | None = None


async def shown_row(row: DeviceRow, has: Description | None, rows: Rows) -> ShownRow:
    """The same of a device as it was. Its owner is called what people call them now."""
    found: dict[str, Any] = {}
    if has is not None:
        found = {**asdict(has), "functions": [*has.functions], "variables": {**has.variables}}
        found["subscriptions"] = [*has.subscriptions]
    name = None if row.owner is None else await rows.value(OWNER, [row.owner])
    return ShownRow(**asdict(row), **found, owner_name=name)
