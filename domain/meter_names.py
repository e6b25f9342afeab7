"""What meters are called: `product-<id>`, or `user-<id>` for a user's own devices."""

from typing import Annotated

from msgspec import Meta

PRODUCT, USER = "product-", "user-"
METER_PATTERN = r"^(product-[0-9]{1,5}|user-[0-9a-f]{24})$(?!\n)"

MeterName = Annotated[str, Meta(pattern=METER_PATTERN)]


def meter_of(product_id: int | None, user_id: str | None) -> str:
    """What counts for a product, or for a user."""
    return f"{USER}{user_id}" if product_id is None else f"{PRODUCT}{product_id}"


def product_of(meter: str) -> int | None:
    """The product that a meter is of; None for a user's."""
    return int(meter.removeprefix(PRODUCT)) if meter.startswith(PRODUCT) else None


def user_of(meter: str) -> str | None:
    """The user that a meter is of; None for a product's."""
    return meter.removeprefix(USER) if meter.startswith(USER) else None
