"""Groups of a product: listed, created, renamed, described, removed."""

from collections.abc import Iterable, Sequence
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from api.call import Call
from api.database import Rows, Snapshot
from api.fleet.past import AsOfWanted, catalogue_at, position_of
from api.fleet.products import product_in, product_named
from api.problem import NotFound, NothingToChange
from api.views import stamp
from domain.group import (
    CreateGroup,
    DescribeGroup,
    GroupCreated,
    GroupNameTaken,
    GroupRemoved,
    GroupRenamed,
    RemoveGroup,
    RenameGroup,
    key_for,
)
from domain.log.fleet import Contended
from domain.model import Command
from domain.names import GROUP_CHARACTERS_MAX, Color, Description, GroupName
from projections.fleet import GroupRow

CREATE_ATTEMPTS_MAX = 5
NAMES_CHANGED_BY = (GroupCreated, GroupRenamed, GroupRemoved)

COLUMNS = """
    SELECT product_id, key, name, color, description, removed, released_version, created_at,
           updated_at FROM fleet.device_group WHERE product_id = %s
"""
ALIVE = COLUMNS + " AND NOT removed ORDER BY name"
REMOVED = COLUMNS + " AND removed AND name = %s"
KEYS_EVER = "SELECT array_agg(key) FROM fleet.device_group WHERE product_id = %s"
COUNTS = """
    SELECT member_of AS key, sum(t.devices)::bigint AS devices
    FROM fleet.cohort c
    JOIN fleet.tally t USING (cohort_id), unnest(c.groups) AS member_of
    WHERE c.product_id = %(product)s AND t.product_id = %(product)s AND c.standing = 'member'
      AND (%(key)s::text IS NULL OR %(key)s = ANY (c.groups))
    GROUP BY member_of
"""


class GroupCount(Struct, frozen=True):
    key: str
    devices: int


class GroupObject(Struct, frozen=True):
    """The Particle API's group. `key` is what events call it, whatever its name."""

    name: str
    description: str
    color: str
    fw_version: int | None
    device_count: int | None
    key: str
    created_at: str
    updated_at: str


class OneGroup(Struct, frozen=True):
    group: GroupObject


class Groups(Struct, frozen=True):
    groups: list[GroupObject]


class GroupsWanted(Struct, frozen=True):
    name: Annotated[str, Meta(max_length=GROUP_CHARACTERS_MAX)] = ""


class NewGroup(Struct, frozen=True):
    name: GroupName
    color: Color = ""
    description: Description = ""


class GroupChange(Struct, frozen=True):
    name: GroupName | UnsetType = UNSET
    color: Color | UnsetType = UNSET
    description: Description | UnsetType = UNSET


async def list_groups(call: Call, query: GroupsWanted) -> Groups:
    """The groups of a product, those whose name contains `name`."""
    async with call.snapshot() as snapshot:
        product = await product_in(call, snapshot)
        groups = await groups_of(snapshot, product.product_id)
        params = {"product": product.product_id, "key": None}
        counts = await snapshot.all(GroupCount, COUNTS, params)
    devices = {count.key: count.devices for count in counts}
    wanted = [group for group in groups if query.name in group.name]
    return Groups([shown_group(group, devices.get(group.key, 0)) for group in wanted])


async def get_group(call: Call, query: AsOfWanted) -> OneGroup:
    """A group, now or as of a time or position."""
    product = await product_named(call)
    if query.as_of:
        position = await position_of(call, query.as_of)
        return OneGroup(await group_then(call, product.product_id, position, call.part("group")))
    return OneGroup(await group_now(call, product.product_id, call.part("group")))


async def create_group(call: Call, body: NewGroup) -> OneGroup:
    """Create a group."""
    product = await product_named(call)
    await create(call, product.product_id, body)
    return OneGroup(await group_as_written(call, product.product_id, body.name))


async def change_group(call: Call, body: GroupChange) -> OneGroup:
    """Rename or describe a group. Its devices and its release stay."""
    product = await product_named(call)
    product_id, name = product.product_id, call.part("group")
    if body.name is UNSET and body.color is UNSET and body.description is UNSET:
        raise NothingToChange(fields="name, color, description")
    key = ""

    async def look(snapshot: Snapshot) -> Sequence[Command]:
        nonlocal key
        groups = await groups_of(snapshot, product_id)
        key = await key_to_change(call, groups, product_id, name, body)
        return changes(product_id, key, body, frozenset(group.name for group in groups))

    await call.decide(product_id, NAMES_CHANGED_BY, look)
    name = name if body.name is UNSET else body.name
    return OneGroup(await group_as_written(call, product_id, name))


async def key_to_change(
    call: Call, groups: Sequence[GroupRow], product_id: int, name: str, wanted: GroupChange
) -> str:
    """The key of the group of that name, or of the one that an earlier try of this call renamed.

    Raises NotFound.
    """
    for group in groups:
        renamed = group.name == wanted.name != name
        if renamed and await call.was_carried_out(f"group-{product_id}-{group.key}"):
            return group.key
    return group_in(groups, name).key


def changes(
    product_id: int, key: str, wanted: GroupChange, names_taken: frozenset[str]
) -> list[Command]:
    commands: list[Command] = []
    if wanted.name is not UNSET:
        commands.append(
            RenameGroup(product_id=product_id, group=key, name=wanted.name, names_taken=names_taken)
        )
    if wanted.color is not UNSET or wanted.description is not UNSET:
        described = DescribeGroup(
            product_id=product_id,
            group=key,
            color=None if wanted.color is UNSET else wanted.color,
            description=None if wanted.description is UNSET else wanted.description,
        )
        commands.append(described)
    return commands


async def remove_group(call: Call) -> None:
    """Remove a group: its devices are in it no longer, and what was released to it is not."""
    name = call.part("group")
    async with call.snapshot() as snapshot:
        product = await product_in(call, snapshot)
        groups = await groups_of(snapshot, product.product_id)
        removed = await snapshot.all(GroupRow, REMOVED, [product.product_id, name])
    for group in removed:
        if await call.was_carried_out(f"group-{product.product_id}-{group.key}"):
            return
    group = group_in(groups, name)
    await call.carry_out(RemoveGroup(product_id=product.product_id, group=group.key))


async def create(call: Call, product_id: int, wanted: NewGroup) -> str:
    """Create a group; returns its key. Raises GroupNameTaken or TooManyGroups."""
    key = ""

    async def look(snapshot: Snapshot) -> Sequence[Command]:
        nonlocal key
        taken = frozenset(group.name for group in await groups_of(snapshot, product_id))
        keys_ever = frozenset(await snapshot.value(KEYS_EVER, [product_id]) or ())
        key = key_for(wanted.name, keys_ever)
        command = CreateGroup(
            product_id=product_id,
            group=key,
            name=wanted.name,
            color=wanted.color,
            description=wanted.description,
            names_taken=taken,
        )
        return [command]

    try:
        await call.decide(product_id, NAMES_CHANGED_BY, look)
    except GroupNameTaken:
        if not call.resumed:
            raise
        return await created_before(call, product_id, wanted.name)
    return key


async def created_before(call: Call, product_id: int, name: str) -> str:
    """The key of the group that an earlier try of this same call created.

    Raises GroupNameTaken if somebody else did.
    """
    async with call.cloud.database.reading() as rows:
        groups = await groups_of(rows, product_id)
    for group in groups:
        if group.name == name and await call.was_carried_out(f"group-{product_id}-{group.key}"):
            return group.key
    raise GroupNameTaken(name=name)


async def keys_of(call: Call, product_id: int, names: Iterable[str]) -> dict[str, str]:
    """The keys of groups by name; groups that are not there yet are created."""
    wanted = sorted(set(names))
    keys: dict[str, str] = {}
    for _ in range(CREATE_ATTEMPTS_MAX):
        async with call.cloud.database.reading() as rows:
            keys |= {group.name: group.key for group in await groups_of(rows, product_id)}
        missing = [name for name in wanted if name not in keys]
        try:
            for name in missing:
                keys[name] = await create(call, product_id, NewGroup(name))
        except GroupNameTaken:
            continue  # created by somebody else meanwhile
        return {name: keys[name] for name in wanted}
    raise Contended


async def groups_of(rows: Rows, product_id: int) -> list[GroupRow]:
    """The groups of a product, by name."""
    return await rows.all(GroupRow, ALIVE, [product_id])


def group_in(groups: Iterable[GroupRow], name: str) -> GroupRow:
    """Raises NotFound."""
    for group in groups:
        if group.name == name:
            return group
    raise NotFound(what="Group")


async def group_now(call: Call, product_id: int, name: str) -> GroupObject:
    async with call.snapshot() as snapshot:
        group = group_in(await groups_of(snapshot, product_id), name)
        params = {"product": product_id, "key": group.key}
        counts = await snapshot.all(GroupCount, COUNTS, params)
    devices = {count.key: count.devices for count in counts}
    return shown_group(group, devices.get(group.key, 0))


async def group_then(call: Call, product_id: int, position: int, name: str) -> GroupObject:
    catalogue = await catalogue_at(call, product_id, position)
    alive = [group for group in catalogue.groups.values() if not group.removed]
    return shown_group(group_in(alive, name), None)


async def group_as_written(call: Call, product_id: int, name: str) -> GroupObject:
    """The group after the caller's own write, even if the read model is not there yet."""
    await call.settle()
    if "fleet" in call.behind:
        return await group_then(call, product_id, call.position or 0, name)
    return await group_now(call, product_id, name)


def shown_group(group: GroupRow, devices: int | None) -> GroupObject:
    return GroupObject(
        name=group.name,
        description=group.description,
        color=group.color,
        fw_version=group.released_version,
        device_count=devices,
        key=group.key,
        created_at=stamp(group.created_at),
        updated_at=stamp(group.updated_at),
    )
