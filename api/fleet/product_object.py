"""A product as the API shows it."""

from typing import Any

from msgspec import Struct

from api.views import stamp
from domain.roles import ORGANIZATION_PREFIX
from projections.fleet import ProductRow

# What people call the owner of a product `p`. Who is erased is called nothing.
OWNERS = """
    (SELECT a.email FROM access.account a WHERE a.user_id = substr(p.owner, 6)
     AND p.owner LIKE 'user:%%') AS user,
    (SELECT o.slug FROM access.organization o WHERE o.organization_id = substr(p.owner, 14)
     AND p.owner LIKE 'organization:%%') AS org
"""


class CountedProduct(ProductRow):
    """A row with the names of its groups, the number of its members where that is known, and what
    people call its owner: a user's e-mail, or an organization's slug."""

    groups: list[str]
    device_count: int | None
    user: str | None = None
    org: str | None = None


class ProductObject(Struct, frozen=True):
    """The Particle API's product, and when it was created and last changed.

    It belongs to a `user`, shown by e-mail, or to an organization, by id and slug.
    """

    id: int
    platform_id: int
    name: str
    slug: str
    description: str
    user: str | None
    groups: list[str]
    settings: dict[str, Any]
    device_protection: str
    requires_activation_codes: bool
    subscription_id: None
    organization: str | None
    org: str | None
    organization_id: str | None
    product_id: int
    config_id: str
    type: str
    hardware_version: None
    default_firmware_version: int | None
    device_count: int | None
    created_at: str
    updated_at: str


def shown_product(product: CountedProduct) -> ProductObject:
    organization_id = organization_in(product.owner)
    return ProductObject(
        id=product.product_id,
        platform_id=product.platform_id,
        name=product.name,
        slug=product.slug,
        description=product.description,
        user=None if organization_id else product.user or product.owner or None,
        groups=product.groups,
        settings={
            "location": {},
            "known_application": {"opt_in": False},
            "quarantine": not product.auto_approves,
            "failed_attempts_max": product.attempts_max,
            "device_event_days": product.device_event_days,
        },
        device_protection="disabled",
        requires_activation_codes=product.requires_activation_codes,
        subscription_id=None,
        organization=product.org,
        org=product.org,
        organization_id=organization_id,
        product_id=product.product_id,
        config_id=str(product.product_id),
        type="Consumer",
        hardware_version=None,
        default_firmware_version=product.default_version,
        device_count=product.device_count,
        created_at=stamp(product.created_at),
        updated_at=stamp(product.updated_at),
    )


def organization_in(owner: str) -> str | None:
    """The id of the organization that an owner is, if it is one."""
    if not owner.startswith(ORGANIZATION_PREFIX):
        return None
    return owner.removeprefix(ORGANIZATION_PREFIX)
