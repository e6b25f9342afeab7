"""The facts that edges answer from say the same as the states that deciders decide from."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from domain.device import DEVICE
from domain.device_commands import DeviceCommand
from domain.device_events import (
    DeviceEvent,
    Standing,
)
from domain.facts import (
    DEVICE_FACTS_CHANGED_BY,
    NO_DEVICE_FACTS,
    PRODUCT_FACTS_CHANGED_BY,
    DeviceFacts,
    evolve_device,
    evolve_product,
)
from domain.model import Event, Refused, fold
from domain.product import PRODUCT, ProductCreated
from tests.laws.pools import COMMANDS, EVENTS, law, some_of

created = ProductCreated(product_id=7000, platform_id=6, name="Lamp", slug="lamp-v1")


def device_facts(history: Sequence[Event]) -> DeviceFacts:
    facts = NO_DEVICE_FACTS
    for event in history:
        facts = evolve_device(facts, event)
    return facts


def agree(history: Sequence[DeviceEvent]) -> None:
    device, facts = fold(DEVICE, history), device_facts(history)
    assert facts.product_id == device.product_id
    assert facts.standing == (device.standing or Standing.MEMBER)
    assert facts.groups == device.groups
    assert facts.locked_version == device.locked_version
    assert facts.development == device.development
    assert facts.forced == device.forced
    assert set(facts.removed_from) == device.removed_from
    assert facts.owned == bool(device.ownership.owner)


@law
@given(some_of(COMMANDS["device"], size_max=20))
def test_a_devices_facts_agree_with_its_decider_after_any_commands(
    commands: list[DeviceCommand],
) -> None:
    history: list[DeviceEvent] = []
    for command in commands:
        try:
            history += DEVICE.decide(fold(DEVICE, history), command)
        except Refused:
            continue
    agree(history)


@law
@given(some_of(EVENTS["device"]))
def test_a_devices_facts_agree_with_its_decider_after_any_events(
    history: list[DeviceEvent],
) -> None:
    agree(history)


@law
@given(some_of(EVENTS["product"]))
def test_a_products_facts_agree_with_its_decider(rest: list[Event]) -> None:
    history = [created, *rest]
    product, facts = fold(PRODUCT, history), None  # type: ignore[arg-type]
    for event in history:
        facts = evolve_product(facts, event)
    assert facts is not None
    assert facts.auto_approves == product.auto_approves
    assert facts.attempts_max == product.attempts_max
    assert facts.retired == product.retired


ANYTHING = [kind for kinds in EVENTS.values() for kind in kinds]


@law
@given(some_of(ANYTHING), st.one_of([some_of([kind], size_max=1) for kind in ANYTHING]))
def test_only_the_events_that_are_said_to_change_facts_change_them(
    history: list[Event], last: list[Event]
) -> None:
    facts, product = device_facts(history), evolve_product(None, created)
    for event in history:
        product = evolve_product(product, event)
    for event in last:
        if not isinstance(event, DEVICE_FACTS_CHANGED_BY):
            assert evolve_device(facts, event) == facts
        if not isinstance(event, PRODUCT_FACTS_CHANGED_BY):
            assert evolve_product(product, event) == product
