"""Who may do what on a product, now or as of a time: the same rule over rows or over events."""

from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import replace

from api.actors import names_of
from api.call import Call
from api.database import Rows
from api.fleet.past import AsOfWanted, position_of, states_at
from api.people.team_rows import PROGRAMS, ProgramRow, place_of
from api.problem import PermissionDenied
from domain.permissions import (
    Facts,
    Permit,
    Program,
    TeamFacts,
    organization_in,
    permits,
    team_facts,
    users_in,
)
from domain.roles import USER_PREFIX

OWNER = "SELECT coalesce(owner, '') FROM fleet.product WHERE product_id = %s"
MEMBERS = """
    SELECT coalesce(jsonb_object_agg(user_id, role), '{}') FROM access.member
    WHERE team = %s AND state = 'member'
"""
ADMINISTRATORS = "SELECT array_agg(user_id) FROM access.account WHERE administrator"
PEOPLE = "SELECT array_agg(user_id) FROM access.account WHERE user_id = ANY (%s) AND NOT erased"


class PermitObject(Struct, frozen=True):
    """What a user or an API user may do, and what their right comes by.

    `through` holds `ownership`, `product`, `organization` or `installation`; the latter are the
    administrators of Rollcall, whose one scope `*` is every scope. `username` is what somebody is
    called today, null for who is erased.
    """

    username: str | None
    role: str | None
    through: list[str]
    scopes: list[str]
    user_id: str | None = None
    api_user_id: str | None = None


class Permissions(Struct, frozen=True):
    """As of `position`. `owner` is `user:<id>` or `organization:<id>`."""

    product_id: int
    position: int
    owner: str
    permissions: list[PermitObject]


async def get_permissions(call: Call, query: AsOfWanted) -> Permissions:
    """Who may do what on a product, and why, now or as of a time or position."""
    if query.as_of:
        position = await position_of(call, query.as_of)
        facts = await facts_then(call, position)
    else:
        position, facts = await present(call)
    found = permits(facts)
    async with call.cloud.database.reading() as rows:
        names = await names_of(rows, (f"{USER_PREFIX}{permit.user_id}" for permit in found))
    shown = [shown_permit(permit, names) for permit in found]
    return Permissions(call.product_id, position, facts.owner, shown)


async def present(call: Call) -> tuple[int, Facts]:
    """What holds now, and the position that it is as of: read models say it while they agree on
    that, the log while they do not."""
    async with call.snapshot() as snapshot:
        if snapshot.position == snapshot.access_position:
            return snapshot.position, await facts_now(snapshot, call.product_id)
    position = await call.cloud.database.head()
    call.position = position
    return position, await facts_then(call, position)


async def facts_now(rows: Rows, product_id: int) -> Facts:
    """Raises PermissionDenied if there is no such product any more."""
    place = await place_of(rows, str(product_id))
    owner: str = await rows.value(OWNER, [product_id])
    organization_id = organization_in(owner)
    facts = Facts(
        product_id=product_id,
        owner=owner,
        organization_owner=place.owner if organization_id else "",
        team=await team_now(rows, place.key),
        organization_team=await team_now(rows, organization_id),
        administrators=frozenset(await rows.value(ADMINISTRATORS) or ()),
    )
    people = await rows.value(PEOPLE, [list(users_in(facts))])
    return with_people(facts, people or ())


async def team_now(rows: Rows, team: str) -> TeamFacts:
    programs = await rows.all(ProgramRow, PROGRAMS, [[team]])
    return TeamFacts(
        await rows.value(MEMBERS, [team]),
        {one.api_user_id: Program(one.username, frozenset(one.scopes)) for one in programs},
    )


async def facts_then(call: Call, position: int) -> Facts:
    """From events alone. Raises PermissionDenied if there was no such product then."""
    product_id = call.product_id
    streams = [f"product-{product_id}", f"team-{product_id}"]
    product, team = await states_at(call, streams, position)
    if not product.exists or product.retired:
        raise PermissionDenied
    owner = product.ownership.owner
    organization_id = organization_in(owner)
    streams = [f"organization-{organization_id}", f"team-{organization_id}"]
    organization, organization_team = await states_at(call, streams, position)
    facts = Facts(
        product_id=product_id,
        owner=owner,
        organization_owner=organization.owner,
        team=team_facts(team),
        organization_team=team_facts(organization_team),
        administrators=await ever_administrators(call),
    )
    user_ids = sorted(users_in(facts))
    users = await states_at(call, [f"user-{user_id}" for user_id in user_ids], position)
    there = [
        user_id
        for user_id, user in zip(user_ids, users, strict=True)
        if user.exists and not user.erased
    ]
    return with_people(facts, there)


async def ever_administrators(call: Call) -> frozenset[str]:
    """Whoever was one from the beginning: nobody is made one later. Their own events say when they
    were there."""
    async with call.cloud.database.reading() as rows:
        return frozenset(await rows.value(ADMINISTRATORS) or ())


def with_people(facts: Facts, people: Iterable[str]) -> Facts:
    return replace(facts, people=frozenset(people))


def shown_permit(permit: Permit, names: dict[str, str]) -> PermitObject:
    return PermitObject(
        username=permit.username or names.get(f"{USER_PREFIX}{permit.user_id}"),
        role=permit.role.value if permit.role else None,
        through=[way.value for way in permit.through],
        scopes=list(permit.scopes),
        user_id=permit.user_id or None,
        api_user_id=permit.api_user_id or None,
    )
