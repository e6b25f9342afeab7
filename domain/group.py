"""A group: a named subset of a product's devices.

Devices and releases refer to it by a key that outlives its name, so a rename costs one event.
"""

from typing import TypeAlias, assert_never

from msgspec import Struct
from msgspec.structs import replace

from domain.model import Command, Decider, Event, Refused, Unknown
from domain.names import GROUPS_PER_PRODUCT_MAX, Color, Description, GroupName, ProductId


class GroupCreated(Event):
    """`group` is the key that devices and releases refer to; `name` is what people call it."""

    product_id: int
    group: str
    name: str
    color: str = ""
    description: str = ""


class GroupRenamed(Event):
    product_id: int
    group: str
    name: str


class GroupDescribed(Event):
    product_id: int
    group: str
    color: str
    description: str


class GroupRemoved(Event):
    """Its devices are in it no longer; a later group of the same name gets another key."""

    product_id: int
    group: str


GroupEvent: TypeAlias = GroupCreated | GroupRenamed | GroupDescribed | GroupRemoved


class AboutGroup(Command):
    product_id: ProductId
    group: str

    @property
    def stream(self) -> str:
        return f"group-{self.product_id}-{self.group}"


class CreateGroup(AboutGroup):
    """`names_taken` are the names of the product's groups now."""

    name: GroupName
    color: Color = ""
    description: Description = ""
    names_taken: frozenset[str] = frozenset()


class RenameGroup(AboutGroup):
    name: GroupName
    names_taken: frozenset[str] = frozenset()


class DescribeGroup(AboutGroup):
    color: Color | None = None
    description: Description | None = None


class RemoveGroup(AboutGroup):
    pass


GroupCommand: TypeAlias = CreateGroup | RenameGroup | DescribeGroup | RemoveGroup


class GroupUnknown(Unknown):
    """Group not found."""


class GroupNameTaken(Refused):
    """A group named {name} exists already."""

    field = "name"


class TooManyGroups(Refused):
    """The product has {limit} groups, which is the limit."""


class Group(Struct, frozen=True):
    name: str = ""
    color: str = ""
    description: str = ""
    exists: bool = False
    removed: bool = False


def decide(group: Group, command: GroupCommand) -> list[GroupEvent]:
    match command:
        case CreateGroup():
            return create(group, command)
        case RemoveGroup() if group.removed:
            return []
        case _ if not group.exists or group.removed:
            raise GroupUnknown
        case RenameGroup(product_id=product_id, group=key, name=name, names_taken=taken):
            if name == group.name:
                return []
            if name in taken:
                raise GroupNameTaken(name=name)
            return [GroupRenamed(product_id=product_id, group=key, name=name)]
        case DescribeGroup(product_id=product_id, group=key):
            color = group.color if command.color is None else command.color
            text = group.description if command.description is None else command.description
            if (color, text) == (group.color, group.description):
                return []
            return [GroupDescribed(product_id=product_id, group=key, color=color, description=text)]
        case RemoveGroup(product_id=product_id, group=key):
            return [GroupRemoved(product_id=product_id, group=key)]
    assert_never(command)


def create(group: Group, command: CreateGroup) -> list[GroupEvent]:
    if group.exists or command.name in command.names_taken:
        raise GroupNameTaken(name=command.name)
    if len(command.names_taken) >= GROUPS_PER_PRODUCT_MAX:
        raise TooManyGroups(limit=GROUPS_PER_PRODUCT_MAX)
    return [
        GroupCreated(
            product_id=command.product_id,
            group=command.group,
            name=command.name,
            color=command.color,
            description=command.description,
        )
    ]


def evolve(group: Group, event: GroupEvent) -> Group:
    match event:
        case GroupCreated(name=name, color=color, description=description):
            return Group(name=name, color=color, description=description, exists=True)
        case GroupRenamed(name=name):
            return replace(group, name=name)
        case GroupDescribed(color=color, description=description):
            return replace(group, color=color, description=description)
        case GroupRemoved():
            return replace(group, removed=True)
    assert_never(event)


GROUP = Decider(initial=Group(), decide=decide, evolve=evolve)


def key_for(name: str, keys_ever: frozenset[str]) -> str:
    """The key of a new group: its name, or the name with a number where a dead group had it."""
    if name not in keys_ever:
        return name
    number = 2
    while f"{name}~{number}" in keys_ever:
        number += 1
    return f"{name}~{number}"
