"""Small pools of values, so that random commands and events often speak of the same thing."""

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from domain.device import DeviceCommand
from domain.device_events import DeviceEvent
from domain.firmware import FirmwareCommand, FirmwareEvent
from domain.group import GroupCommand, GroupEvent
from domain.hello import Answer, Hello, Told
from domain.model import Command, Event
from domain.product import ProductCommand, ProductEvent
from domain.session import Progress, SessionCommand, SessionEvent

COMMANDS: dict[str, tuple[type[Command], ...]] = {
    "product": get_args(ProductCommand),
    "group": get_args(GroupCommand),
    "firmware": get_args(FirmwareCommand),
    "device": get_args(DeviceCommand),
    "session": get_args(SessionCommand),
}
EVENTS: dict[str, tuple[type[Event], ...]] = {
    "product": get_args(ProductEvent),
    "group": get_args(GroupEvent),
    "firmware": get_args(FirmwareEvent),
    "device": get_args(DeviceEvent),
    "session": get_args(SessionEvent),
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
    "at": st.sampled_from(["2030-01-01T10:00:00Z", "2030-01-01T11:00:00Z"]),
    "add": GROUPS,
    "attempt": st.integers(1, 3),
    "attempts": st.integers(1, 3),
    "attempts_max": st.integers(0, 4),
    "based_on": st.integers(0, 9),
    "before": MAYBE_VERSION,
    "color": st.sampled_from(["", "ff0000"]),
    "connection": st.sampled_from(["", "c1", "c2"]),
    "connections_left": st.integers(0, 1),
    "description": st.sampled_from(["", "It glows"]),
    "device_id": st.just("e00fce681234567890abcdef"),
    "devices": st.integers(0, 1),
    "devices_locked": st.integers(0, 1),
    "edge": st.just("edge-1"),
    "file_name": st.just("lamp.bin"),
    "flash": st.booleans(),
    "group": st.just("beta"),
    "groups": GROUPS,
    "groups_unknown": st.sampled_from([(), (), (), ("delta",)]),
    "held_default": st.booleans(),
    "held_groups": GROUPS,
    "highest_version": st.integers(0, 3),
    "intelligent": st.booleans(),
    "mandatory": st.booleans(),
    "name": st.sampled_from(["beta", "gamma"]),
    "names_taken": st.sampled_from([frozenset[str](), frozenset({"gamma"})]),
    "notes": st.sampled_from(["", "Flickers"]),
    "online": st.booleans(),
    "owner": st.just("ada"),
    "platform_id": st.sampled_from([6, 6, 6, 7]),
    "product_default": st.booleans(),
    "product_id": PRODUCTS,
    "reason": st.sampled_from(["", "no space"]),
    "remove": GROUPS,
    # Never empty: a request without a name means something new each time it is made.
    "request": st.sampled_from(["r1", "r2"]),
    "running": MAYBE_VERSION,
    "said": HELLOS,
    "sha256": st.sampled_from(["1" * 64, "2" * 64]),
    "size_bytes": st.just(512),
    "slug": st.just("lamp-v1"),
    "state": st.sampled_from(Progress),
    "stuck_version": MAYBE_VERSION,
    "title": st.sampled_from(["First", "Best"]),
    "told": ANSWERS,
    "version": SOME_VERSION,
    "version_known": st.sampled_from([True, True, False]),
}


def made_of_the_pool(kind: type[Any]) -> SearchStrategy[Any]:
    """Any value of the type whose fields all come from the pool."""
    return st.builds(kind, **{field: POOL[field] for field in kind.__struct_fields__})


def some_of(kinds: Sequence[type[Any]], size_max: int = 12) -> SearchStrategy[list[Any]]:
    return st.lists(st.one_of([made_of_the_pool(kind) for kind in kinds]), max_size=size_max)
