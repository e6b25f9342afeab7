"""The targeting rule agrees with a second opinion, after whatever people and devices did."""

from collections import Counter

from hypothesis import given, settings

from domain.facts import ProductFacts
from domain.targeting import Rule
from tests.laws.operations import DEVICES, OPERATIONS, PRODUCTS, Kind, Operation
from tests.laws.oracle import Oracle
from tests.laws.world import World

HISTORIES = 3_000


def assert_same_targets(world: World, oracle: Oracle) -> None:
    names = {(product, key): name for (product, name), key in world.keys.items()}
    for device in DEVICES:
        target = world.target_of(device)
        if target is None:
            assert oracle.target(device) == (None, "none")
            continue
        assert (target.version, target.rule) == oracle.target(device)
        if target.group:
            product = world.facts_of(device).product_id
            assert product is not None
            assert target.version is not None
            chose = oracle.groups_that_chose(device, target.version)
            assert names[product, target.group] in chose


def test_every_target_is_what_the_description_of_the_product_says() -> None:
    rules: Counter[str] = Counter()

    @settings(max_examples=HISTORIES, deadline=None)
    @given(OPERATIONS)
    def check(history: list[Operation]) -> None:
        world, oracle = World(), Oracle()
        for done in history:
            assert world.do(done) == oracle.do(done), done
        assert_same_targets(world, oracle)
        rules.update(oracle.target(device)[1] for device in DEVICES)

    check()
    # Were some rule hardly ever reached, the law would say little of it.
    assert {rule for rule, times in rules.items() if times > HISTORIES / 50} == set(Rule)


@settings(max_examples=1_000, deadline=None)
@given(OPERATIONS)
def test_nothing_is_released_that_was_not_proven(history: list[Operation]) -> None:
    world = World()
    for done in history:
        world.do(done)
    for product in PRODUCTS:
        facts = world.products[product]
        for version in {*facts.groups.values(), facts.default} - {None}:
            assert version is not None
            firmware = world.firmware(product, version)
            assert firmware.exists
            assert firmware.proven
            assert firmware.released
        # Only groups that there are point anywhere.
        assert facts.groups.keys() <= {world.keys.get(where) for where in world.keys}


def test_the_oracle_tells_a_story_as_a_person_would() -> None:
    """A group's release wins over the default though it is lower, said in plain words."""
    world, oracle = World(), Oracle()
    first = Operation(Kind.IMPORT, PRODUCTS[0], DEVICES[0], ("alpha",), 1, False)
    story = [
        first,
        first._replace(kind=Kind.CREATE_GROUP),
        first._replace(kind=Kind.GROUP),
        first._replace(kind=Kind.UPLOAD),
        first._replace(kind=Kind.UPLOAD, version=2),
        first._replace(kind=Kind.RUN),
        first._replace(kind=Kind.RUN, version=2),
        first._replace(kind=Kind.RELEASE),
        first._replace(kind=Kind.RELEASE, version=2, groups=(), default=True),
    ]
    for done in story:
        assert world.do(done)
        assert oracle.do(done)
    assert oracle.target(DEVICES[0]) == (1, "group")
    assert world.products[PRODUCTS[0]] == ProductFacts(
        product_id=PRODUCTS[0], platform_id=6, default=2, groups={"alpha": 1}
    )
    assert_same_targets(world, oracle)
