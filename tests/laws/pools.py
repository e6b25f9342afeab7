"""Small pools of values, so that random commands and events often speak of the same thing."""

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from domain.claim_code import ClaimCodeCommand, ClaimCodeEvent
from domain.description import Description
from domain.device_commands import DeviceCommand
from domain.device_events import DeviceEvent
from domain.firmware import FirmwareCommand, FirmwareEvent
from domain.group import GroupCommand, GroupEvent
from domain.hello import Answer, Hello, Told
from domain.integration import IntegrationCommand
from domain.integration_events import IntegrationEvent
from domain.model import Command, Event
from domain.organization import OrganizationCommand, OrganizationEvent
from domain.product import ProductCommand, ProductEvent
from domain.roles import Role
from domain.session import Progress, SessionCommand, SessionEvent
from domain.team import TeamCommand
from domain.team_events import TeamEvent

COMMANDS: dict[str, tuple[type[Command], ...]] = {
    "product": get_args(ProductCommand),
    "group": get_args(GroupCommand),
    "firmware": get_args(FirmwareCommand),
    "device": get_args(DeviceCommand),
    "claim_code": get_args(ClaimCodeCommand),
    "session": get_args(SessionCommand),
    "integration": get_args(IntegrationCommand),
    "organization": get_args(OrganizationCommand),
    "team": get_args(TeamCommand),
}
EVENTS: dict[str, tuple[type[Event], ...]] = {
    "product": get_args(ProductEvent),
    "group": get_args(GroupEvent),
    "firmware": get_args(FirmwareEvent),
    "device": get_args(DeviceEvent),
    "claim_code": get_args(ClaimCodeEvent),
    "session": get_args(SessionEvent),
    "integration": get_args(IntegrationEvent),
    "organization": get_args(OrganizationEvent),
    "team": get_args(TeamEvent),
}
NOUNS = list(COMMANDS)

# Laws have no deadline of their own: the machine may be busy.
law = settings(max_examples=600, deadline=None)
law_of_a_command = settings(max_examples=200, deadline=None)

VERSIONS = (1, 2, 3)
GROUPS = st.sampled_from([(), ("beta",), ("gamma",), ("beta", "gamma")])
PRODUCTS = st.sampled_from([7000, 7000, 7001])
SOME_VERSION = st.sampled_from(VERSIONS)
MAYBE_VERSION = st.sampled_from([None, *VERSIONS])
HELLOS = st.builds(Hello, product_id=PRODUCTS, version=SOME_VERSION)
ANSWERS = st.builds(Answer, told=st.sampled_from(Told), product_id=PRODUCTS, version=MAYBE_VERSION)

POOL: Mapping[str, SearchStrategy[Any]] = {
    "after": st.sampled_from([None, 3]),
    "api_user_id": st.sampled_from(["p1", "p2"]),
    "at": st.sampled_from(["2030-01-01T10:00:00Z", "2030-01-01T11:00:00Z"]),
    "add": GROUPS,
    "attempt": st.integers(1, 3),
    "attempts": st.integers(1, 3),
    "attempts_max": st.integers(0, 4),
    "days": st.none() | st.integers(0, 3),
    "based_on": st.integers(0, 9),
    "before": MAYBE_VERSION,
    "code_hash": st.just("1" * 64),
    "color": st.sampled_from(["", "ff0000"]),
    "connection": st.sampled_from(["", "c1", "c2"]),
    "connections_left": st.integers(0, 1),
    "delivery_id": st.sampled_from([None, 7]),
    "description": st.sampled_from(["", "It glows"]),
    "device_id": st.just("e00fce681234567890abcdef"),
    "devices": st.integers(0, 1),
    "devices_locked": st.integers(0, 1),
    "disabled": st.booleans(),
    "edge": st.just("edge-1"),
    "event_prefix": st.sampled_from(["temp", "t"]),
    "expires_at": st.sampled_from(["2030-01-01T10:30:00Z", "2030-01-02T12:00:00Z"]),
    "file_name": st.just("lamp.bin"),
    "flash": st.booleans(),
    "former_until": st.just("2030-01-02T12:00:00.000Z"),
    "friendly_name": st.sampled_from(["Import", "Export"]),
    "group": st.just("beta"),
    "groups": GROUPS,
    "groups_unknown": st.sampled_from([(), (), (), ("delta",)]),
    "has": st.sampled_from([Description(), Description(functions=("check",))]),
    "held_default": st.booleans(),
    "held_groups": GROUPS,
    "highest_version": st.integers(0, 3),
    "integration_id": st.just("5f1e0c0000000000000000ea"),
    "intelligent": st.booleans(),
    "is_member": st.booleans(),
    "kind": st.just("webhook"),
    "mandatory": st.booleans(),
    "name": st.sampled_from(["beta", "gamma"]),
    "names_taken": st.sampled_from([frozenset[str](), frozenset({"gamma"})]),
    "notes": st.sampled_from(["", "Flickers"]),
    "online": st.booleans(),
    "organization_id": st.just("5f1e0c0000000000000000ff"),
    "owner": st.sampled_from(["ada", "u1"]),
    "owner_outside": st.sampled_from(["", "u1"]),
    "platform_id": st.sampled_from([6, 6, 6, 7]),
    "product_default": st.booleans(),
    "product_id": PRODUCTS,
    "reachable": st.booleans(),
    "reason": st.sampled_from(["", "no space"]),
    "remove": GROUPS,
    # Never empty: a request without a name means something new each time it is made.
    "request": st.sampled_from(["r1", "r2"]),
    "role": st.sampled_from(Role),
    "running": MAYBE_VERSION,
    "said": HELLOS,
    "scopes": st.sampled_from([("devices:list",), ("devices:list", "devices:get")]),
    "scopes_held": st.sampled_from([frozenset({"*"}), frozenset({"devices:list"})]),
    "seats_max": st.sampled_from([None, None, 2]),
    "secret": st.sampled_from(["v1.one", "v1.two"]),
    "settings": st.sampled_from(["v1.one", "v1.two"]),
    "sha256": st.sampled_from(["1" * 64, "2" * 64]),
    "since": st.sampled_from(["", "2030-01-01T10:00:00.000Z"]),
    "size_bytes": st.just(512),
    "slug": st.just("lamp-v1"),
    "slug_taken": st.booleans(),
    "state": st.sampled_from(Progress),
    "stuck_version": MAYBE_VERSION,
    "team": st.just("7000"),
    "there_are": st.integers(0, 1),
    "title": st.sampled_from(["First", "Best"]),
    "token_id": st.sampled_from(["t1", "t2"]),
    "told": ANSWERS,
    "transfer_id": st.sampled_from(["t1", "t2"]),
    "until": st.sampled_from([None, 4]),
    "user_id": st.sampled_from(["u1", "u2"]),
    "username": st.just("import+0@api.particle.io"),
    "version": SOME_VERSION,
    "version_known": st.sampled_from([True, True, False]),
}


def made_of_the_pool(kind: type[Any]) -> SearchStrategy[Any]:
    """Any value of the type whose fields all come from the pool."""
    return st.builds(kind, **{field: POOL[field] for field in kind.__struct_fields__})


def some_of(kinds: Sequence[type[Any]], size_max: int = 12) -> SearchStrategy[list[Any]]:
    return st.lists(st.one_of([made_of_the_pool(kind) for kind in kinds]), max_size=size_max)
