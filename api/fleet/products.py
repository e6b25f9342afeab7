"""Products: created, listed, described, retired."""

import re
from collections.abc import Sequence
from typing import Annotated, ClassVar

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import asdict

from api.auth import Caller
from api.call import Call
from api.database import Rows, Snapshot
from api.fleet.past import AsOfWanted, catalogue_at, position_of
from api.fleet.product_object import OWNERS, CountedProduct, ProductObject, shown_product
from api.problem import NothingToChange, PermissionDenied
from api.views import Page, PageNumber, page_of
from domain.device_events import (
    DeviceImported,
    DeviceJoined,
)
from domain.log.fleet import Contended
from domain.model import Command
from domain.names import PRODUCT_ID_MAX, PRODUCT_ID_MIN, Description, Name, ProductId
from domain.product import (
    AllowAutoApproval,
    ChangeEventRetention,
    CreateProduct,
    DescribeProduct,
    ForbidAutoApproval,
    LimitFailedAttempts,
    ProductIdTaken,
    RenameProduct,
    RequireActivationCodes,
    RetireProduct,
    WaiveActivationCodes,
)
from domain.roles import ORGANIZATION_PREFIX
from domain.team_events import PRODUCT_ID_DIGITS_MAX
from projections.fleet import ProductRow

PRODUCTS_PER_PAGE_MAX = 1_000
ID_ATTEMPTS_MAX = 100
SLUG_NAME_CHARACTERS_MAX = 64

COLUMNS = """
    SELECT p.product_id, p.platform_id, p.name, p.slug, p.description, p.owner, p.auto_approves,
           p.attempts_max, p.retired, p.default_version, p.group_versions, p.created_at,
           p.updated_at, p.facts_position, p.requires_activation_codes, p.device_event_days
"""
WITH_COUNTS = f"""{COLUMNS},
    ARRAY (SELECT g.name FROM fleet.device_group g
           WHERE g.product_id = p.product_id AND NOT g.removed ORDER BY g.name) AS groups,
    (SELECT coalesce(sum(t.devices), 0)::bigint
     FROM fleet.tally t JOIN fleet.cohort c USING (cohort_id)
     WHERE t.product_id = p.product_id AND c.standing = 'member') AS device_count,
    {OWNERS}
    FROM fleet.product p WHERE NOT p.retired
"""
BY_ID = COLUMNS + " FROM fleet.product p WHERE NOT p.retired AND p.product_id = %s"
RETIRED = "SELECT retired FROM fleet.product WHERE product_id = %s"
ONE = WITH_COUNTS + " AND p.product_id = %s"
SEEN = """
    AND (%(everything)s OR p.product_id = ANY(%(product_ids)s) OR p.owner = ANY(%(owners)s))
"""
PAGE = WITH_COUNTS + SEEN + " ORDER BY p.product_id LIMIT %(rows)s OFFSET %(before)s"
COUNT = "SELECT count(*) FROM fleet.product p WHERE NOT p.retired" + SEEN
CALLED = f"SELECT {OWNERS} FROM (SELECT %s::text AS owner) p"
HIGHEST = "SELECT coalesce(max(product_id), 0) FROM fleet.product"
CREATED_BY_COMMAND = """
    SELECT (convert_from(state, 'UTF8')::json -> 'event' ->> 'product_id')::integer
    FROM log.fleet_events
    WHERE originator_id >= 'product-' AND originator_id < 'product.' AND originator_version = 1
      AND convert_from(state, 'UTF8')::json ->> 'command' = %s
"""
TAKEN = "SELECT product_id FROM fleet.product WHERE product_id >= %s ORDER BY product_id"


class Called(Struct, frozen=True):
    user: str | None = None
    org: str | None = None


class OneProduct(Struct, frozen=True):
    product: ProductObject


class Products(Struct, frozen=True):
    products: list[ProductObject]
    meta: Page


class Seen(Struct, frozen=True):
    """Which products somebody sees: everything, or those, and those of the owners."""

    everything: bool = False
    product_ids: list[int] = []
    owners: list[str] = []


class ProductsWanted(Struct, frozen=True):
    page: PageNumber = 1
    per_page: Annotated[int, Meta(ge=1, le=PRODUCTS_PER_PAGE_MAX)] = PRODUCTS_PER_PAGE_MAX


class Settings(Struct, frozen=True):
    """`quarantine` false: devices that ask for the product join it without being asked about.
    `device_event_days` null: device events are kept as long as the installation keeps them."""

    quarantine: bool | UnsetType = UNSET
    failed_attempts_max: int | UnsetType = UNSET
    device_event_days: int | UnsetType | None = UNSET


class NewProduct(Struct, frozen=True):
    """`id` may name the number wanted; without it, the next free one is taken. With
    `requires_activation_codes` the product begins as a private beta."""

    WRAPPER: ClassVar[str] = "product"

    name: Name
    platform_id: int
    description: Description = ""
    id: ProductId | None = None
    settings: Settings = Settings()
    requires_activation_codes: bool | UnsetType = UNSET


class ProductChange(Struct, frozen=True):
    WRAPPER: ClassVar[str] = "product"

    name: Name | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    settings: Settings = Settings()
    requires_activation_codes: bool | UnsetType = UNSET


async def product_in(call: Call, rows: Rows) -> ProductRow:
    """The product that the path names, by id or slug. Raises PermissionDenied if there is none."""
    return await product_of_id(rows, call.product_id)


async def product_of_id(rows: Rows, product_id: int) -> ProductRow:
    """Raises PermissionDenied if there is no such product, or no more."""
    product = await rows.one(ProductRow, BY_ID, [product_id])
    if product is None:
        raise PermissionDenied
    return product


async def product_named(call: Call) -> ProductRow:
    """The same, where nothing else is to be read with it."""
    async with call.snapshot() as snapshot:
        return await product_in(call, snapshot)


async def get_product(call: Call, query: AsOfWanted) -> OneProduct:
    """A product, now or as of a time or position."""
    product = await product_named(call)
    if query.as_of:
        position = await position_of(call, query.as_of)
        return OneProduct(await product_then(call, product.product_id, position))
    return OneProduct(await product_now(call, product.product_id))


async def list_products(call: Call, query: ProductsWanted) -> Products:
    """The products that the caller has a role in, or all of them to an administrator."""
    return await products_seen(call, query, seen_by(call.caller))


async def products_seen(call: Call, query: ProductsWanted, seen: Seen) -> Products:
    async with call.snapshot() as snapshot:
        total = await snapshot.value(COUNT, asdict(seen))
        limits = {"rows": query.per_page, "before": (query.page - 1) * query.per_page}
        found = await snapshot.all(CountedProduct, PAGE, {**asdict(seen), **limits})
    shown = [shown_product(product) for product in found]
    return Products(shown, page_of(query.page, query.per_page, total))


def seen_by(caller: Caller) -> Seen:
    """What the teams of the caller have, and what is the caller's own."""
    if caller.product_id is not None:
        return Seen(product_ids=[caller.product_id])
    teams = {*caller.teams, caller.grants.team} - {""}
    numbers = {team for team in teams if len(team) <= PRODUCT_ID_DIGITS_MAX}
    organizations = [f"{ORGANIZATION_PREFIX}{team}" for team in teams - numbers]
    own = [caller.owner] if caller.owner else []
    return Seen(caller.administrator, [int(number) for number in numbers], own + organizations)


async def create_product(call: Call, body: NewProduct) -> OneProduct:
    """Create a product; its number is compiled into its firmware, so it is never used again."""
    return await created_for(call, body, call.caller.owner)


async def created_for(call: Call, body: NewProduct, owner: str) -> OneProduct:
    """The same, for an owner: `user:<id>` or `organization:<id>`."""
    product_id = body.id if body.id is not None else await free_id(call)
    if call.resumed and (created := await created_before(call)):
        product_id = created
    for _ in range(ID_ATTEMPTS_MAX):
        try:
            await call.carry_out(*creation(body, product_id, owner))
            break
        except ProductIdTaken:
            if body.id is not None or product_id >= PRODUCT_ID_MAX:
                raise
            product_id += 1  # somebody was quicker
    else:
        raise Contended
    return OneProduct(await product_as_written(call, product_id))


async def created_before(call: Call) -> int | None:
    """The product that an earlier try of this same call created, if it came so far."""
    async with call.cloud.database.reading() as rows:
        found: int | None = await rows.value(CREATED_BY_COMMAND, [call.command])
    return found


async def free_id(call: Call) -> int:
    """The lowest number above all those taken; when they are used up, the lowest one free."""
    async with call.cloud.database.reading() as rows:
        highest: int = max(PRODUCT_ID_MIN - 1, await rows.value(HIGHEST))
        if highest < PRODUCT_ID_MAX:
            return highest + 1
        cursor = await rows.connection.execute(TAKEN.encode(), [PRODUCT_ID_MIN])
        taken = {number for (number,) in await cursor.fetchall()}
    free = (number for number in range(PRODUCT_ID_MIN, PRODUCT_ID_MAX) if number not in taken)
    return next(free, PRODUCT_ID_MAX)


def creation(wanted: NewProduct, product_id: int, owner: str) -> list[Command]:
    create = CreateProduct(
        product_id=product_id,
        platform_id=wanted.platform_id,
        name=wanted.name,
        slug=slug_for(wanted.name, product_id),
        description=wanted.description,
        owner=owner,
    )
    beta = beta_commands(product_id, wanted.requires_activation_codes)
    return [create, *settings_commands(product_id, wanted.settings), *beta]


def slug_for(name: str, product_id: int) -> str:
    """A slug that no other product has, because it ends with the number."""
    words = re.sub(r"[^a-z0-9]+", "-", name.lower())[:SLUG_NAME_CHARACTERS_MAX].strip("-")
    return f"{words or 'product'}-{product_id}"


def settings_commands(product_id: int, settings: Settings) -> list[Command]:
    commands: list[Command] = []
    if settings.quarantine is not UNSET:
        kind = ForbidAutoApproval if settings.quarantine else AllowAutoApproval
        commands.append(kind(product_id=product_id))
    if settings.failed_attempts_max is not UNSET:
        attempts_max = settings.failed_attempts_max
        commands.append(LimitFailedAttempts(product_id=product_id, attempts_max=attempts_max))
    if settings.device_event_days is not UNSET:
        days = settings.device_event_days
        commands.append(ChangeEventRetention(product_id=product_id, days=days))
    return commands


def beta_commands(product_id: int, required: bool | UnsetType) -> list[Command]:
    if required is UNSET:
        return []
    kind = RequireActivationCodes if required else WaiveActivationCodes
    return [kind(product_id=product_id)]


async def change_product(call: Call, body: ProductChange) -> OneProduct:
    """Change a product's name, description or settings."""
    product = await product_named(call)
    product_id = product.product_id
    commands = settings_commands(product_id, body.settings)
    commands += beta_commands(product_id, body.requires_activation_codes)
    if body.name is not UNSET:
        commands.append(RenameProduct(product_id=product_id, name=body.name))
    if body.description is not UNSET:
        described = DescribeProduct(product_id=product_id, description=body.description)
        commands.append(described)
    if not commands:
        settings = ", ".join(f"settings.{name}" for name in Settings.__struct_fields__)
        fields = f"name, description, requires_activation_codes, {settings}"
        raise NothingToChange(fields=fields)
    await call.carry_out(*commands)
    return OneProduct(await product_as_written(call, product_id))


async def retire_product(call: Call) -> None:
    """Retire a product that has no devices left."""
    if await was_retired(call):
        return
    product = await product_named(call)
    product_id = product.product_id

    async def look(snapshot: Snapshot) -> Sequence[Command]:
        found = await snapshot.one(CountedProduct, ONE, [product_id])
        if found is None:
            raise PermissionDenied
        return [RetireProduct(product_id=product_id, devices=found.device_count or 0)]

    await call.decide(product_id, (DeviceImported, DeviceJoined), look)


async def was_retired(call: Call) -> bool:
    """Whether an earlier try of this same call retired the product that the path names."""
    if not call.resumed:
        return False
    async with call.cloud.database.reading() as rows:
        retired = await rows.value(RETIRED, [call.product_id])
    return bool(retired) and await call.was_carried_out(f"product-{call.product_id}")


async def product_now(call: Call, product_id: int) -> ProductObject:
    async with call.snapshot() as snapshot:
        found = await snapshot.one(CountedProduct, ONE, [product_id])
    if found is None:
        raise PermissionDenied
    return shown_product(found)


async def product_then(call: Call, product_id: int, position: int) -> ProductObject:
    """The product as of a position, from the log. How many devices it had is not counted."""
    catalogue = await catalogue_at(call, product_id, position)
    row = catalogue.product(product_id)
    if row is None or row.retired:
        raise PermissionDenied
    names = sorted(group.name for group in catalogue.groups.values() if not group.removed)
    async with call.cloud.database.reading() as rows:
        called = await rows.one(Called, CALLED, [row.owner]) or Called()
    return shown_product(
        CountedProduct(**asdict(row), **asdict(called), groups=names, device_count=None)
    )


async def product_as_written(call: Call, product_id: int) -> ProductObject:
    """The product after the caller's own write, even if the read model is not there yet."""
    await call.settle()
    if "fleet" in call.behind:
        return await product_then(call, product_id, call.position or 0)
    return await product_now(call, product_id)
