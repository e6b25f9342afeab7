"""Saying an accepted command again changes nothing, and reading history never refuses anything."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.deciders import DECIDERS
from domain.device_events import (
    DevelopmentMarked,
    DeviceImported,
    FirmwareLocked,
    UpdatesForced,
)
from domain.facts import NO_DEVICE_FACTS, ProductFacts, evolve_device, evolve_product
from domain.firmware import FirmwareProven, FirmwareUploaded, ReleaseFirmware
from domain.group import CreateGroup, GroupCreated, GroupNameTaken
from domain.model import Command, Event, Refused, fold
from domain.product import CreateProduct, ProductCreated, ProductIdTaken
from tests.laws.pools import (
    COMMANDS,
    EVENTS,
    NOUNS,
    law,
    law_of_a_command,
    made_of_the_pool,
    some_of,
)

# Creating is the exception: a second one of the same name may be somebody else's, so it is refused.
# (The same call repeated is known by its command id.)
TOLD_SO: dict[type[Command], type[Refused]] = {
    CreateProduct: ProductIdTaken,
    CreateGroup: GroupNameTaken,
}
# A random history seldom gets far by itself, so some begin where there is something to say no to.
ID = "e00fce681234567890abcdef"
imported = DeviceImported(device_id=ID, product_id=7000)
marked = DevelopmentMarked(device_id=ID, product_id=7000)
forced = UpdatesForced(device_id=ID, product_id=7000)
locked = FirmwareLocked(device_id=ID, product_id=7000, version=1)
uploaded = FirmwareUploaded(
    product_id=7000, version=1, sha256="1" * 64, size_bytes=512, title="First"
)
BEGINNINGS: dict[str, list[tuple[Event, ...]]] = {
    "product": [
        (),
        (ProductCreated(product_id=7000, platform_id=6, name="beta", slug="lamp-v1"),),
    ],
    "group": [(), (GroupCreated(product_id=7000, group="beta", name="beta"),)],
    "firmware": [
        (),
        (uploaded,),
        (uploaded, FirmwareProven(product_id=7000, version=1, device_id=ID)),
    ],
    "device": [(), (imported,), (imported, marked, forced, locked)],
    "session": [()],
}
KINDS = [(noun, kind) for noun, kinds in COMMANDS.items() for kind in kinds]
ANYTHING = [kind for kinds in EVENTS.values() for kind in kinds]


def again(command: Command) -> Command:
    """The same command as it would be sent a second time: what it looks up is looked up anew."""
    match command:
        case ReleaseFirmware(product_default=default, groups=groups):
            return replace(command, held_default=default, held_groups=groups)
        case _:
            return command


@pytest.mark.parametrize(("noun", "kind"), KINDS, ids=[kind.__name__ for _, kind in KINDS])
def test_repeating_an_accepted_command_yields_nothing(noun: str, kind: type[Command]) -> None:
    decider = DECIDERS[noun]
    changes = 0

    @law_of_a_command
    @given(st.sampled_from(BEGINNINGS[noun]), some_of(EVENTS[noun], 8), made_of_the_pool(kind))
    def check(beginning: tuple[Event, ...], history: list[Event], command: Command) -> None:
        nonlocal changes
        state = fold(decider, [*beginning, *history])
        try:
            events = decider.decide(state, command)
        except Refused:
            return
        for happened in events:
            state = decider.evolve(state, happened)
        if kind in TOLD_SO:
            with pytest.raises(TOLD_SO[kind]):
                decider.decide(state, again(command))
        else:
            assert list(decider.decide(state, again(command))) == []
        changes += bool(events)

    check()
    # Were the command refused in every scene, the law would say nothing of it.
    assert changes


@pytest.mark.parametrize("noun", NOUNS)
def test_history_is_never_refused_whatever_it_holds(noun: str) -> None:
    decider = DECIDERS[noun]

    @law
    @given(some_of(EVENTS[noun]))
    def check(history: list[object]) -> None:
        state = decider.initial
        for happened in history:
            state = decider.evolve(state, happened)
            assert type(state) is type(decider.initial)

    check()


@law
@given(some_of(ANYTHING, size_max=20))
def test_facts_are_folded_from_any_events_in_any_order(history: list[object]) -> None:
    device, product = NO_DEVICE_FACTS, None
    for happened in history:
        device = evolve_device(device, happened)  # type: ignore[arg-type]
        product = evolve_product(product, happened)  # type: ignore[arg-type]
    assert type(device) is type(NO_DEVICE_FACTS)
    assert product is None or type(product) is ProductFacts
