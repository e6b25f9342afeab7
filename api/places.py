"""Where a call goes: the product, organization or device that its path names, and whose it is."""

from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TypeVar

from msgspec import Struct

from api.database import Database
from api.problem import DeviceNameAmbiguous
from domain.names import PRODUCT_ID_MAX, PRODUCT_ID_MIN
from domain.roles import AtDevice, InOrganization, InProduct

# Who lost a product loses it no later than this, and the time until the read model knows of it.
CACHED_S = 0.5
CACHED_PLACES_MAX = 10_000
NAME_CHARACTERS_MAX = 200  # of an id, a slug or a name in a path

# Retired products too: a call that retired one is answered when it is sent again.
PRODUCT = "SELECT product_id, owner FROM fleet.product WHERE "
PRODUCT_BY_ID = PRODUCT + "product_id = %s"
PRODUCT_BY_SLUG = PRODUCT + "slug = %s"
ORGANIZATION = """
    SELECT organization_id, owner FROM access.organization
    WHERE organization_id = %(named)s OR slug = %(named)s
    ORDER BY organization_id = %(named)s DESC LIMIT 1
"""
DEVICE = """
    SELECT d.device_id, coalesce(d.owner, '') AS owner, p.product_id,
           coalesce(p.owner, '') AS product_owner
    FROM fleet.device d
    LEFT JOIN fleet.cohort c ON c.cohort_id = d.cohort_id AND c.standing = 'member'
    LEFT JOIN fleet.product p ON p.product_id = c.product_id AND NOT p.retired
"""
# A product that a device only asks for has no say over it.
DEVICE_BY_ID = DEVICE + "WHERE d.device_id = %s"
DEVICE_BY_NAME = DEVICE + "WHERE d.owner = %s AND d.name = %s LIMIT 2"

P = TypeVar("P", InProduct, InOrganization)


class DeviceRow(Struct, frozen=True):
    device_id: str
    owner: str
    product_id: int | None
    product_owner: str


class Places:
    """Looks places up, and remembers for a moment those that it found."""

    def __init__(self, database: Database, clock: Callable[[], float] = monotonic) -> None:
        self._database = database
        self._clock = clock
        self._products: dict[str, tuple[float, InProduct]] = {}
        self._organizations: dict[str, tuple[float, InOrganization]] = {}

    async def product(self, named: str) -> InProduct | None:
        """A product by id or slug; None if no product has that name."""
        return await self._remembered(self._products, named, self._product)

    async def organization(self, named: str) -> InOrganization | None:
        """An organization by id or slug; None if no organization has that name."""
        return await self._remembered(self._organizations, named, self._organization)

    async def device(self, named: str, holder: str) -> AtDevice | None:
        """A device by its id, or one of the holder's by name; None if nobody knows it.

        Never remembered. Raises DeviceNameAmbiguous.
        """
        if not speakable(named):
            return None
        async with self._database.reading() as rows:
            found = await rows.all(DeviceRow, DEVICE_BY_ID, [named.lower()])
            if not found and holder:
                found = await rows.all(DeviceRow, DEVICE_BY_NAME, [holder, named])
        if len(found) > 1:
            raise DeviceNameAmbiguous
        return at_device(found[0]) if found else None

    def forget(self, named: str) -> None:
        """What was remembered of a product or an organization may be out of date."""
        self._products.pop(named, None)
        self._organizations.pop(named, None)

    async def _remembered(
        self,
        known: dict[str, tuple[float, P]],
        named: str,
        look_up: Callable[[str], Awaitable[P | None]],
    ) -> P | None:
        until, place = known.get(named, (0.0, None))
        if place is not None and self._clock() < until:
            return place
        known.pop(named, None)
        found = await look_up(named) if speakable(named) else None
        if found is not None:
            if len(known) >= CACHED_PLACES_MAX:
                known.clear()
            known[named] = (self._clock() + CACHED_S, found)
        return found

    async def _product(self, named: str) -> InProduct | None:
        number = int(named) if named.isascii() and named.isdigit() else None
        if number is not None and not PRODUCT_ID_MIN <= number <= PRODUCT_ID_MAX:
            return None
        async with self._database.reading() as rows:
            if number is None:
                return await rows.one(InProduct, PRODUCT_BY_SLUG, [named])
            return await rows.one(InProduct, PRODUCT_BY_ID, [number])

    async def _organization(self, named: str) -> InOrganization | None:
        async with self._database.reading() as rows:
            return await rows.one(InOrganization, ORGANIZATION, {"named": named})


def at_device(found: DeviceRow) -> AtDevice:
    product = None
    if found.product_id is not None:
        product = InProduct(found.product_id, found.product_owner)
    return AtDevice(found.owner, product, found.device_id)


def speakable(named: str) -> bool:
    """Whether it can be a name at all: no database is asked for what cannot."""
    return len(named) <= NAME_CHARACTERS_MAX and "\0" not in named
