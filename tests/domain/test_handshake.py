"""What a device is told when it says hello."""

import pytest

from domain.device_events import Standing
from domain.facts import DeviceFacts, ProductFacts
from domain.handshake import answer, product_asked_for, product_of, running_version
from domain.hello import UNSET_PRODUCT, Answer, Hello, Told
from domain.targeting import Rule

HERE, THERE = 7000, 7001
LAMP = ProductFacts(product_id=HERE, platform_id=6, default=3, groups={"beta": 4})
QUIET = ProductFacts(product_id=HERE, platform_id=6)
OPEN = ProductFacts(product_id=HERE, platform_id=6, default=3, auto_approves=True)
RETIRED = ProductFacts(product_id=HERE, platform_id=6, default=3, retired=True)
MEMBER = DeviceFacts(product_id=HERE)
UNKNOWN = Answer(told=Told.UNKNOWN)


def hello(version: int | None = 2, product_id: int | None = HERE, **more: object) -> Hello:
    return Hello(
        product_id=product_id,
        version=version,
        **more,  # type: ignore[arg-type]
    )


def default(told: Told, *, joins: bool = False) -> Answer:
    return Answer(told=told, rule=Rule.DEFAULT, version=3, product_id=HERE, joins=joins)


def test_a_device_is_offered_its_target_when_it_runs_something_else() -> None:
    assert answer(hello(2), MEMBER, LAMP) == default(Told.UPDATE)


def test_a_device_is_offered_its_target_even_if_that_is_lower() -> None:
    assert answer(hello(9), MEMBER, LAMP) == default(Told.UPDATE)


def test_a_device_is_offered_its_target_when_it_runs_no_version_at_all() -> None:
    assert answer(hello(None), MEMBER, LAMP) == default(Told.UPDATE)
    assert answer(hello(UNSET_PRODUCT), MEMBER, LAMP) == default(Told.UPDATE)


def test_a_device_that_runs_its_target_is_told_nothing() -> None:
    assert answer(hello(3), MEMBER, LAMP) == default(Told.NOTHING)


def test_a_device_without_a_target_is_told_nothing() -> None:
    assert answer(hello(2), MEMBER, QUIET) == Answer(told=Told.NOTHING, product_id=HERE)


def test_the_answer_names_the_group_that_chose_the_target() -> None:
    in_beta = DeviceFacts(product_id=HERE, groups=("beta",))
    assert answer(hello(2), in_beta, LAMP) == Answer(
        told=Told.UPDATE, rule=Rule.GROUP, version=4, product_id=HERE, group="beta"
    )


def test_a_locked_device_is_offered_its_lock() -> None:
    locked = DeviceFacts(product_id=HERE, groups=("beta",), locked_version=1)
    assert answer(hello(3), locked, LAMP) == Answer(
        told=Told.UPDATE, rule=Rule.LOCKED, version=1, product_id=HERE
    )


def test_a_development_device_is_left_alone() -> None:
    marked = DeviceFacts(product_id=HERE, development=True, locked_version=1)
    assert answer(hello(2), marked, LAMP) == Answer(
        told=Told.NOTHING, rule=Rule.DEVELOPMENT, product_id=HERE
    )


def test_the_offer_waits_while_the_device_wants_no_updates() -> None:
    assert answer(hello(2, updates_enabled=False), MEMBER, LAMP) == default(Told.PENDING)


def test_a_forced_update_does_not_wait() -> None:
    forced = DeviceFacts(product_id=HERE, forced=True)
    assert answer(hello(2, updates_enabled=False), forced, LAMP) == default(Told.UPDATE)


def test_nothing_is_pending_for_a_device_that_runs_its_target() -> None:
    assert answer(hello(3, updates_enabled=False), MEMBER, LAMP) == default(Told.NOTHING)


def test_a_stuck_device_is_not_offered_the_version_that_it_is_stuck_at() -> None:
    stuck = DeviceFacts(product_id=HERE, stuck_version=3)
    assert answer(hello(2), stuck, LAMP) == default(Told.STUCK)
    assert answer(hello(2, updates_enabled=False), stuck, LAMP) == default(Told.STUCK)


def test_a_stuck_device_is_offered_any_other_version() -> None:
    stuck = DeviceFacts(product_id=HERE, stuck_version=4)
    assert answer(hello(2), stuck, LAMP) == default(Told.UPDATE)


def test_a_device_that_runs_the_version_it_was_stuck_at_is_told_nothing() -> None:
    stuck = DeviceFacts(product_id=HERE, stuck_version=3)
    assert answer(hello(3), stuck, LAMP) == default(Told.NOTHING)


@pytest.mark.parametrize(
    ("standing", "told", "rule"),
    [
        (Standing.QUARANTINED, Told.QUARANTINED, Rule.QUARANTINED),
        (Standing.DENIED, Told.DENIED, Rule.DENIED),
    ],
)
def test_a_device_that_is_not_approved_is_told_so(
    standing: Standing, told: Told, rule: Rule
) -> None:
    facts = DeviceFacts(product_id=HERE, standing=standing)
    for product in (LAMP, OPEN):  # a product that takes whoever asks takes nobody it has not taken
        assert answer(hello(), facts, product) == Answer(told=told, rule=rule, product_id=HERE)


def test_a_stranger_is_quarantined() -> None:
    for stranger in (None, DeviceFacts(), DeviceFacts(product_id=THERE)):
        assert answer(hello(), stranger, LAMP) == Answer(
            told=Told.QUARANTINED, rule=Rule.QUARANTINED, product_id=HERE
        )


def test_a_stranger_joins_a_product_that_takes_whoever_asks_and_is_updated_at_once() -> None:
    assert answer(hello(2), None, OPEN) == default(Told.UPDATE, joins=True)
    assert answer(hello(3), None, OPEN) == default(Told.NOTHING, joins=True)
    assert answer(hello(2, updates_enabled=False), None, OPEN) == default(Told.PENDING, joins=True)


def test_a_stranger_that_is_somebodys_waits_even_where_everybody_is_taken() -> None:
    for stranger in (DeviceFacts(owned=True), DeviceFacts(product_id=THERE, owned=True)):
        assert answer(hello(), stranger, OPEN) == Answer(
            told=Told.QUARANTINED, rule=Rule.QUARANTINED, product_id=HERE
        )


def test_of_a_member_it_does_not_matter_whether_it_is_somebodys() -> None:
    owned = DeviceFacts(product_id=HERE, owned=True)
    for product in (LAMP, OPEN):
        assert answer(hello(), owned, product) == default(Told.UPDATE)


def test_a_removed_device_that_asks_again_is_denied_even_where_everybody_is_taken() -> None:
    removed = DeviceFacts(removed_from=(HERE,))
    for product in (LAMP, OPEN):
        assert answer(hello(), removed, product) == Answer(
            told=Told.DENIED, rule=Rule.DENIED, product_id=HERE
        )


def test_a_device_denied_here_that_waits_elsewhere_is_denied_here_still() -> None:
    waits_there = DeviceFacts(product_id=THERE, standing=Standing.QUARANTINED, removed_from=(HERE,))
    assert answer(hello(), waits_there, OPEN).told == Told.DENIED


def test_a_stranger_of_another_device_type_is_unknown() -> None:
    assert answer(hello(platform_id=12), None, OPEN) == UNKNOWN
    assert answer(hello(platform_id=6), None, OPEN) == default(Told.UPDATE, joins=True)


def test_where_there_is_no_product_the_device_is_unknown() -> None:
    assert answer(hello(), MEMBER, None) == UNKNOWN
    assert answer(hello(), None, None) == UNKNOWN
    assert answer(hello(), None, RETIRED) == UNKNOWN


@pytest.mark.parametrize("product_id", [None, 0, 6, 103, UNSET_PRODUCT])
def test_firmware_without_a_product_asks_for_none(product_id: int | None) -> None:
    assert product_asked_for(hello(product_id=product_id)) is None
    assert product_of(hello(product_id=product_id), None) is None


def test_firmware_asks_for_the_product_it_was_built_for() -> None:
    assert product_asked_for(hello(product_id=HERE)) == HERE
    assert product_of(hello(product_id=HERE), None) == HERE


def test_a_member_is_answered_by_its_own_product_whatever_it_runs() -> None:
    for asked in (HERE, THERE, 6, None):
        assert product_of(hello(product_id=asked), MEMBER) == HERE


@pytest.mark.parametrize("standing", [Standing.QUARANTINED, Standing.DENIED])
def test_a_device_that_waits_is_answered_by_the_product_it_asks_for_now(standing: Standing) -> None:
    waits = DeviceFacts(product_id=HERE, standing=standing)
    assert product_of(hello(product_id=THERE), waits) == THERE
    assert product_of(hello(product_id=None), waits) == HERE


def test_a_version_counts_for_the_product_that_the_firmware_was_built_for() -> None:
    assert running_version(hello(2, HERE), HERE) == 2
    assert running_version(hello(2, THERE), HERE) is None
    assert running_version(hello(2, None), HERE) == 2
    assert running_version(hello(2, 6), HERE) == 2  # newer binaries carry their platform's id
    assert running_version(hello(UNSET_PRODUCT, HERE), HERE) is None


def test_a_member_that_runs_another_products_firmware_is_brought_back() -> None:
    assert answer(hello(3, THERE), MEMBER, LAMP) == default(Told.UPDATE)
