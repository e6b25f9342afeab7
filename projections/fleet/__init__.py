"""The read model `fleet`: products, groups, firmware, devices, and how many are in which state."""

from projections.fleet.as_of import (
    catalogue_as_of,
    device_as_of,
    firmware_as_of,
    group_as_of,
    product_as_of,
)
from projections.fleet.rows import DeviceRow, FirmwareRow, GroupRow, ProductRow, TallyRow

__all__ = [
    "DeviceRow",
    "FirmwareRow",
    "GroupRow",
    "ProductRow",
    "TallyRow",
    "catalogue_as_of",
    "device_as_of",
    "firmware_as_of",
    "group_as_of",
    "product_as_of",
]
