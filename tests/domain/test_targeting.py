"""Which version a device should run: every rule, in the order in which they are tried."""

import pytest

from domain.device_events import Standing
from domain.targeting import (
    NO_TARGET,
    Candidate,
    Cohort,
    Releases,
    Rule,
    Target,
    candidates,
    target_of,
)

EVERYTHING = Releases(default=3, groups={"beta": 4, "gamma": 5})


def device(
    *groups: str,
    standing: Standing = Standing.MEMBER,
    locked: int | None = None,
    development: bool = False,
) -> Cohort:
    return Cohort(
        product_id=7000,
        standing=standing,
        groups=groups,
        locked_version=locked,
        development=development,
    )


@pytest.mark.parametrize(
    ("standing", "rule"),
    [(Standing.QUARANTINED, Rule.QUARANTINED), (Standing.DENIED, Rule.DENIED)],
)
def test_a_device_that_is_not_a_member_gets_no_update_whatever_else_is_said_of_it(
    standing: Standing, rule: Rule
) -> None:
    everything = device("beta", standing=standing, locked=2, development=True)
    assert target_of(everything, EVERYTHING) == Target(None, rule)
    assert target_of(device(standing=standing), Releases()) == Target(None, rule)


def test_a_development_device_ignores_releases_and_its_lock() -> None:
    marked = device("beta", locked=2, development=True)
    assert target_of(marked, EVERYTHING) == Target(None, Rule.DEVELOPMENT)


def test_a_locked_device_gets_exactly_that_version_above_any_release() -> None:
    assert target_of(device("beta", locked=2), EVERYTHING) == Target(2, Rule.LOCKED)
    assert target_of(device("beta", locked=9), EVERYTHING) == Target(9, Rule.LOCKED)


def test_a_lock_may_name_a_version_that_was_never_released() -> None:
    assert target_of(device(locked=9), Releases()) == Target(9, Rule.LOCKED)


def test_a_device_in_a_group_gets_what_was_released_to_the_group() -> None:
    assert target_of(device("beta"), EVERYTHING) == Target(4, Rule.GROUP, "beta")


def test_a_device_in_many_groups_gets_the_highest_of_their_versions() -> None:
    assert target_of(device("beta", "gamma"), EVERYTHING) == Target(5, Rule.GROUP, "gamma")
    swapped = Releases(groups={"beta": 5, "gamma": 4})
    assert target_of(device("beta", "gamma"), swapped) == Target(5, Rule.GROUP, "beta")


def test_a_group_beats_the_default_even_with_a_lower_version() -> None:
    releases = Releases(default=9, groups={"beta": 1})
    assert target_of(device("beta"), releases) == Target(1, Rule.GROUP, "beta")


def test_of_two_groups_with_the_same_version_the_first_by_name_is_said() -> None:
    releases = Releases(groups={"gamma": 4, "beta": 4})
    assert target_of(device("beta", "gamma"), releases) == Target(4, Rule.GROUP, "beta")


def test_a_group_that_nothing_was_released_to_does_not_count() -> None:
    assert target_of(device("alpha"), EVERYTHING) == Target(3, Rule.DEFAULT)
    assert target_of(device("alpha", "beta"), EVERYTHING) == Target(4, Rule.GROUP, "beta")


def test_a_device_in_no_group_gets_the_default() -> None:
    assert target_of(device(), EVERYTHING) == Target(3, Rule.DEFAULT)


def test_where_nothing_applies_there_is_no_target() -> None:
    assert target_of(device("beta"), Releases()) == NO_TARGET
    assert target_of(device(), Releases(groups={"beta": 4})) == NO_TARGET


def test_every_reason_that_applies_is_a_candidate_the_winner_first() -> None:
    everything = device("beta", "gamma", standing=Standing.DENIED, locked=2, development=True)
    assert candidates(everything, EVERYTHING) == [
        Candidate(Rule.DENIED, None),
        Candidate(Rule.DEVELOPMENT, None),
        Candidate(Rule.LOCKED, 2),
        Candidate(Rule.GROUP, 5, "gamma"),
        Candidate(Rule.GROUP, 4, "beta"),
        Candidate(Rule.DEFAULT, 3),
    ]
