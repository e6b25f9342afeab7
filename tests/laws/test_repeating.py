"""Saying an accepted command again changes nothing, and reading history never refuses anything."""

import pytest
from hypothesis import event, given, note
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.deciders import DECIDERS
from domain.facts import NO_DEVICE_FACTS, ProductFacts, evolve_device, evolve_product
from domain.firmware import DeleteFirmware, FirmwareUnknown, ReleaseFirmware
from domain.group import CreateGroup, GroupNameTaken, GroupUnknown, RemoveGroup
from domain.model import Command, Refused, fold
from domain.product import CreateProduct, ProductIdTaken, ProductUnknown, RetireProduct
from tests.laws.pools import COMMANDS, EVENTS, NOUNS, law, made_of_the_pool, some_of

# What begins or ends a thing is told, when it is said again, that the thing is there or gone.
TOLD_SO: dict[type[Command], type[Refused]] = {
    CreateProduct: ProductIdTaken,
    RetireProduct: ProductUnknown,
    CreateGroup: GroupNameTaken,
    RemoveGroup: GroupUnknown,
    DeleteFirmware: FirmwareUnknown,
}
SCENES = {
    noun: st.tuples(some_of(EVENTS[noun]), st.sampled_from(kinds).flatmap(made_of_the_pool))
    for noun, kinds in COMMANDS.items()
}
ANYTHING = [kind for kinds in EVENTS.values() for kind in kinds]


def again(command: Command) -> Command:
    """The same command as it would be sent a second time: what it looks up is looked up anew."""
    match command:
        case ReleaseFirmware(product_default=default, groups=groups):
            return replace(command, held_default=default, held_groups=groups)
        case _:
            return command


@pytest.mark.parametrize("noun", NOUNS)
def test_repeating_an_accepted_command_yields_nothing(noun: str) -> None:
    decider = DECIDERS[noun]

    @law
    @given(SCENES[noun])
    def check(scene: tuple[list[object], Command]) -> None:
        history, command = scene
        state = fold(decider, history)  # type: ignore[arg-type]
        try:
            events = decider.decide(state, command)
        except Refused as refused:
            event(f"refused: {type(refused).__name__}")
            return
        event(f"accepted: {type(command).__name__}")
        note(f"decided {events}")
        for happened in events:
            state = decider.evolve(state, happened)
        if type(command) in TOLD_SO:
            with pytest.raises(TOLD_SO[type(command)]):
                decider.decide(state, again(command))
        else:
            assert list(decider.decide(state, again(command))) == []

    check()


@pytest.mark.parametrize("noun", NOUNS)
def test_every_command_can_be_accepted_and_change_something(noun: str) -> None:
    """Guards the law above: were a command refused in every scene, it would prove nothing."""
    decider = DECIDERS[noun]
    changed: set[type[Command]] = set()

    @law
    @given(SCENES[noun])
    def look(scene: tuple[list[object], Command]) -> None:
        history, command = scene
        try:
            if decider.decide(fold(decider, history), command):  # type: ignore[arg-type]
                changed.add(type(command))
        except Refused:
            return

    look()
    assert changed == set(COMMANDS[noun])


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
