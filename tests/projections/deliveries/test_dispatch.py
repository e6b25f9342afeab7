"""Of each device event a delivery is made for each integration that wants it, once."""

import pytest

from tests.projections.deliveries.world import DEVICE, World

USER, ORGANIZATION = "b" * 24, "c" * 24
NOWHERE = "http://nowhere.example/"


def made(world: World) -> list[tuple[str, int, str]]:
    """What was made: for which integration, of which place, on whose account."""
    world.dispatch()
    return world.sql(
        "SELECT integration_id, place, meter FROM outbound.delivery ORDER BY delivery_id"
    )  # type: ignore[return-value]


def test_a_name_must_begin_with_the_prefix_as_it_is_written(world: World) -> None:
    ours = world.webhook(NOWHERE, prefix="temp")
    for name in ("temp", "temperature", "temp/x", "Temp", "tem", "xtemp", "te_p"):
        world.say("", name=name)
    assert [(one, place) for one, place, _ in made(world)] == [(ours, 1), (ours, 2), (ours, 3)]


def test_a_product_hears_its_devices_alone(world: World) -> None:
    ours = world.webhook(NOWHERE)
    world.say("ours", user_id=USER)
    world.say("another's", product_id=7001)
    world.say("nobody's", product_id=None, user_id=USER)
    assert made(world) == [(ours, 1, "product-7000")]


def test_a_user_hears_their_own_devices_and_may_choose_one(world: World) -> None:
    everything = world.webhook(NOWHERE, product_id=None, user_id=USER)
    one = world.webhook(NOWHERE, product_id=None, user_id=USER, device_id=DEVICE)
    world.say("of one", product_id=None, user_id=USER)
    world.say("of another", product_id=None, user_id=USER, device_id="a" * 24)
    world.say("in a product, but theirs", user_id=USER)
    world.say("somebody else's", user_id="e" * 24)
    meter = f"user-{USER}"
    assert made(world) == [
        (everything, 1, meter),
        (one, 1, meter),
        (everything, 2, meter),
        (everything, 3, meter),
        (one, 3, meter),
    ]


def test_an_organization_hears_all_its_products(world: World) -> None:
    ours = world.webhook(NOWHERE, product_id=None, organization_id=ORGANIZATION)
    world.sql("UPDATE fleet.product SET owner = %s", f"organization:{ORGANIZATION}")
    world.say("ours")
    world.say("not ours", product_id=7001)
    assert made(world) == [(ours, 1, "product-7000")]


def test_system_events_are_for_integrations_and_what_deliveries_say_is_not(world: World) -> None:
    ours = world.webhook(NOWHERE, prefix="s")
    world.say("online", name="spark/status", publisher="particle-internal", position=77)
    world.say("thanks", name="something", publisher="particle-internal")
    world.say("by hand", name="said", publisher="api")
    assert [(one, place) for one, place, _ in made(world)] == [(ours, 1), (ours, 3)]


def test_what_is_disabled_or_removed_hears_nothing_new(world: World) -> None:
    disabled, removed = world.webhook(NOWHERE), world.webhook(NOWHERE)
    world.say("1")
    assert len(made(world)) == 2
    world.disable(disabled)
    world.remove(removed)
    world.say("2")
    assert len(made(world)) == 2
    world.disable(disabled, disabled=False)
    world.say("3")
    assert made(world)[2:] == [(disabled, 3, "product-7000")]


@pytest.mark.parametrize("pages", [1, 2, 3])
def test_nothing_is_made_twice_however_often_it_is_begun_again(world: World, pages: int) -> None:
    world.webhook(NOWHERE)
    for number in range(pages):
        world.say(*map(str, range(3)))
        assert len(made(world)) == 3 * (number + 1)
        assert len(made(world)) == 3 * (number + 1)
    assert world.sql("SELECT place FROM outbound.dispatched") == [(3 * pages,)]


def test_what_nobody_holds_on_to_is_given_back(world: World) -> None:
    period = "'2026-11-01', '2026-12-01'"
    world.sql(f"SELECT usage.take_for(gen_random_uuid(), 0, 'user-a', {period}, 9, 5)")
    assert world.meter("user-a") == (0, 5)
    world.dispatch()
    assert world.meter("user-a") == (0, 0)
