"""Which device events somebody hears: of products, or of whose devices; maybe of one; by name."""

from typing import Any, LiteralString

from msgspec import Struct

from projections.device_events.telemetry import DeviceEventRow

# One product at a time, so that each is read in order from its index, and no further than needed.
OF_PRODUCT: LiteralString = "product_id = %(product_{})s"
OF_HOLDER: LiteralString = "user_id = %(holder)s"
# The index is of hashes, which are shorter.
OF_DEVICE: LiteralString = """
    hashtextextended(device_id, 0) = hashtextextended(%(device)s, 0) AND device_id = %(device)s
"""


class Earshot(Struct, frozen=True):
    """`product_ids` are those that are listened to; None listens among the devices of `holder`.
    Of those the device alone, if one is named, and the names that start with the prefix."""

    product_ids: frozenset[int] | None = None
    holder: str = ""
    device_id: str = ""
    prefix: str = ""

    def reaches(self, row: DeviceEventRow) -> bool:
        if self.product_ids is None:
            within = row.user_id == self.holder
        else:
            within = row.product_id in self.product_ids
        about = not self.device_id or row.device_id == self.device_id
        return within and about and row.name.startswith(self.prefix)

    def may_name(self, holder: str | None, product_id: int | None) -> bool:
        """Whether what a device is called now is theirs to know: it may be another's since."""
        if self.product_ids is None:
            return holder == self.holder
        return product_id in self.product_ids

    @property
    def conditions(self) -> list[str]:
        """The same as `reaches`, but for the prefix, in SQL: a device event is reached by one of
        them, or by none."""
        rest = f" AND {OF_DEVICE}" if self.device_id else ""
        if self.product_ids is None:
            return [OF_HOLDER + rest]
        return [OF_PRODUCT.format(place) + rest for place in range(len(self.product_ids))]

    @property
    def parameters(self) -> dict[str, Any]:
        products = enumerate(sorted(self.product_ids or ()))
        named = {f"product_{place}": product_id for place, product_id in products}
        about = {"holder": self.holder, "device": self.device_id, "prefix": self.prefix}
        return {**about, **named, "products": sorted(self.product_ids or ())}
