"""How often a device may publish: some at once, so many a second in the long run."""

from device_edge.intake.allowance import AT_ONCE, Allowance


def test_what_a_device_has_not_used_it_has_at_once() -> None:
    allowance = Allowance(events_per_s=2)
    assert allowance.take("a", AT_ONCE, at_s=0) == AT_ONCE
    assert allowance.take("a", 1, at_s=0) == 0
    assert allowance.take("b", 1, at_s=0) == 1


def test_it_comes_back_by_the_second_and_never_beyond_all_of_it() -> None:
    allowance = Allowance(events_per_s=2)
    allowance.take("a", AT_ONCE, at_s=0)
    assert allowance.take("a", 10, at_s=1.5) == 3
    assert allowance.take("a", AT_ONCE + 1, at_s=1_000) == AT_ONCE


def test_a_clock_that_was_set_back_gives_and_takes_nothing() -> None:
    allowance = Allowance(events_per_s=1)
    allowance.take("a", AT_ONCE - 1, at_s=100)
    assert allowance.take("a", 5, at_s=90) == 1
    assert allowance.take("a", 5, at_s=91) == 1


def test_without_a_limit_everything_is_allowed() -> None:
    assert Allowance(events_per_s=0).take("a", 1_000_000, at_s=0) == 1_000_000


def test_who_has_everything_again_is_forgotten_first() -> None:
    allowance = Allowance(events_per_s=1, devices_max=2)
    allowance.take("old", AT_ONCE, at_s=0)
    allowance.take("new", AT_ONCE, at_s=AT_ONCE - 1)
    allowance.take("another", 1, at_s=AT_ONCE)
    assert allowance.take("new", AT_ONCE, at_s=AT_ONCE) == 1


def test_memory_is_bounded_whatever_comes() -> None:
    allowance = Allowance(events_per_s=1, devices_max=2)
    for device in ("a", "b", "c"):
        assert allowance.take(device, AT_ONCE, at_s=0) == AT_ONCE
    assert allowance.take("a", 1, at_s=0) == 1
