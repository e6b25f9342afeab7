"""Organizations: created, listed, renamed; and the products that are theirs."""

import re
import secrets
from collections.abc import Sequence
from typing import ClassVar

from msgspec import Struct

from api.call import Call
from api.database import Rows, Snapshot
from api.fleet.products import (
    NewProduct,
    OneProduct,
    Products,
    ProductsWanted,
    Seen,
    created_for,
    products_seen,
)
from api.problem import PermissionDenied
from domain.model import Command
from domain.names import Name
from domain.organization import (
    SLUG_CHARACTERS_MAX,
    CreateOrganization,
    OrganizationCreated,
    OrganizationSlug,
    RenameOrganization,
)
from domain.roles import ORGANIZATION_PREFIX, InOrganization

ORGANIZATIONS_SHOWN_MAX = 1_000
MARK_BYTES = 3

COLUMNS = "SELECT organization_id AS id, slug, name FROM access.organization"
ONE = COLUMNS + " WHERE organization_id = %s"
SEEN = (
    COLUMNS
    + """
    WHERE %(everything)s OR owner = %(user)s OR organization_id = ANY (%(teams)s)
    ORDER BY slug LIMIT %(limit)s
"""
)
TAKEN = "SELECT EXISTS (SELECT FROM access.organization WHERE slug = %s)"
CREATED_BEFORE = """
    SELECT split_part(originator_id, '-', 2) FROM log.fleet_events
    WHERE originator_id >= 'organization-' AND originator_id < 'organization.'
      AND originator_version = 1 AND convert_from(state, 'UTF8')::json ->> 'command' = %s
"""


class OrganizationObject(Struct, frozen=True):
    id: str
    slug: str
    name: str


class OneOrganization(Struct, frozen=True):
    organization: OrganizationObject


class Organizations(Struct, frozen=True):
    organizations: list[OrganizationObject]


class NewOrganization(Struct, frozen=True):
    """Without a `slug` it gets one made of its name."""

    WRAPPER: ClassVar[str] = "organization"

    name: Name
    slug: OrganizationSlug | None = None


class OrganizationChange(Struct, frozen=True):
    WRAPPER: ClassVar[str] = "organization"

    name: Name


async def list_organizations(call: Call) -> Organizations:
    """The organizations that the caller owns or is on the team of."""
    caller = call.caller
    wanted = {
        "everything": caller.administrator,
        "user": caller.user_id,
        "teams": [*caller.teams, caller.grants.team],
        "limit": ORGANIZATIONS_SHOWN_MAX,
    }
    async with call.snapshot() as snapshot:
        return Organizations(await snapshot.all(OrganizationObject, SEEN, wanted))


async def get_organization(call: Call) -> OneOrganization:
    """An organization."""
    async with call.snapshot() as snapshot:
        return OneOrganization(await organization_in(call, snapshot))


async def create_organization(call: Call, body: NewOrganization) -> OneOrganization:
    """Create an organization; the caller is its owner. Its slug is nobody else's."""
    organization_id = secrets.token_hex(12)
    if call.resumed and (created := await created_before(call)):
        organization_id = created
    slug = body.slug or slug_for(body.name)

    async def look(snapshot: Snapshot) -> Sequence[Command]:
        create = CreateOrganization(
            organization_id=organization_id,
            slug=slug,
            name=body.name,
            owner=call.caller.user_id,
            slug_taken=await snapshot.value(TAKEN, [slug]),
        )
        return [create]

    await call.decide(None, (OrganizationCreated,), look, models=("access",))
    return OneOrganization(OrganizationObject(organization_id, slug, body.name))


async def created_before(call: Call) -> str | None:
    """The organization that an earlier try of this same call created, if it came so far."""
    async with call.cloud.database.reading() as rows:
        found: str | None = await rows.value(CREATED_BEFORE, [call.command])
    return found


async def rename_organization(call: Call, body: OrganizationChange) -> OneOrganization:
    """Rename an organization. Its slug stays: addresses are made of it."""
    async with call.snapshot() as snapshot:
        organization = await organization_in(call, snapshot)
    await call.carry_out(RenameOrganization(organization_id=organization.id, name=body.name))
    return OneOrganization(OrganizationObject(organization.id, organization.slug, body.name))


async def list_organization_products(call: Call, query: ProductsWanted) -> Products:
    """The products of an organization."""
    return await products_seen(call, query, Seen(owners=[owner_in(call)]))


async def create_organization_product(call: Call, body: NewProduct) -> OneProduct:
    """Create a product that is the organization's: whoever is on its team works on it."""
    return await created_for(call, body, owner_in(call))


async def organization_in(call: Call, rows: Rows) -> OrganizationObject:
    """The organization that the path names. Raises PermissionDenied."""
    organization_id = owner_in(call).removeprefix(ORGANIZATION_PREFIX)
    found = await rows.one(OrganizationObject, ONE, [organization_id])
    if found is None:
        raise PermissionDenied
    return found


def owner_in(call: Call) -> str:
    """The organization that the path names, as events have owners."""
    assert isinstance(call.place, InOrganization)
    return f"{ORGANIZATION_PREFIX}{call.place.organization_id}"


def slug_for(name: str) -> str:
    """A part of the name, that people know it by, and what makes it nobody else's."""
    mark = secrets.token_hex(MARK_BYTES)
    words = re.sub(r"[^a-z0-9]+", "-", name.lower())[: SLUG_CHARACTERS_MAX - len(mark) - 1]
    return f"{words.strip('-') or 'organization'}-{mark}"
