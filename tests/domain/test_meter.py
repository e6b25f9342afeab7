"""What is counted of a period, and who is told when."""

from typing import Any

import pytest

from domain.allowance import ALLOWANCE, AllowanceSet, SetAllowance
from domain.meter import (
    METER,
    BatchMiscounted,
    DataMetered,
    DayOutside,
    OutboundMessagesMetered,
    RecordData,
    RecordOutbound,
    UsageLimitReached,
    UsageWarned,
)
from domain.meter_names import product_of, user_of
from tests.given import Story

given = Story(METER).given
PERIOD = {"meter": "product-7000", "period_start": "2030-01-31", "period_end": "2030-02-28"}
OF_PRODUCT = {**PERIOD, "product_id": 7000}
PAYER = "5f1e0c0000000000000000ce"


def batch(messages: int, **changes: Any) -> dict[str, Any]:
    return {
        "day": "2030-02-01",
        "messages": messages,
        "devices": {"a": messages},
        "first_place": 1,
        "last_place": messages,
        "batch_id": "b",
        **changes,
    }


def record(messages: int, **changes: Any) -> RecordOutbound:
    wanted = {"limit": 100, "warn_at": (70, 90), "payer": PAYER, **changes}
    return RecordOutbound(**PERIOD, **batch(messages, **wanted))


def metered(messages: int) -> OutboundMessagesMetered:
    return OutboundMessagesMetered(**OF_PRODUCT, **batch(messages))


def warned(percent: int, messages: int, limit: int = 100) -> UsageWarned:
    return UsageWarned(**OF_PRODUCT, percent=percent, limit=limit, messages=messages, payer=PAYER)


def reached(messages: int, limit: int = 100) -> UsageLimitReached:
    return UsageLimitReached(**OF_PRODUCT, limit=limit, messages=messages, payer=PAYER)


def test_a_batch_is_counted() -> None:
    given().when(record(3)).then(metered(3))


def test_without_a_limit_nobody_is_warned() -> None:
    given(metered(10_000)).when(record(1, limit=None)).then(metered(1))


def test_whoever_pays_is_warned_at_each_threshold_once() -> None:
    given(metered(60)).when(record(9)).then(metered(9))
    given(metered(60)).when(record(10)).then(metered(10), warned(70, 70))
    given(metered(70), warned(70, 70)).when(record(5)).then(metered(5))
    given(metered(75), warned(70, 70)).when(record(15)).then(metered(15), warned(90, 90))


def test_of_several_thresholds_at_once_the_highest_is_said() -> None:
    given().when(record(95)).then(metered(95), warned(90, 95))
    given().when(record(100)).then(metered(100), reached(100))


def test_the_limit_is_said_once() -> None:
    given(metered(99), warned(90, 99)).when(record(1)).then(metered(1), reached(100))
    given(metered(100), reached(100)).when(record(1)).then(metered(1))


def test_under_another_limit_it_is_said_again() -> None:
    given(metered(100), reached(100)).when(record(39, limit=200)).then(metered(39))
    given(metered(100), reached(100)).when(record(40, limit=200)).then(
        metered(40), warned(70, 140, limit=200)
    )


def test_nothing_at_all_may_be_allowed() -> None:
    given().when(record(1, limit=0)).then(metered(1), reached(1, limit=0))


def test_the_devices_of_a_batch_add_up() -> None:
    given().when(record(3, devices={"a": 1, "b": 1})).then_refused(
        BatchMiscounted, "A batch of 3 messages cannot be made of 2."
    )


@pytest.mark.parametrize("day", ["2030-01-30", "2030-02-28"])
def test_a_day_is_one_of_the_period(day: str) -> None:
    given().when(record(1, day=day)).then_refused(DayOutside, f"{day} is not in the period")


def test_data_of_a_day_is_counted_once() -> None:
    command = RecordData(**PERIOD, day="2030-01-31", messages=2, bytes=100, devices=1)
    said = DataMetered(**OF_PRODUCT, day="2030-01-31", messages=2, bytes=100, devices=1)

    given().when(command).then(said)
    given(said).when(command).then_nothing()


def test_a_meter_is_a_products_or_a_users() -> None:
    assert (product_of("product-7000"), user_of("product-7000")) == (7000, None)
    assert (product_of(f"user-{PAYER}"), user_of(f"user-{PAYER}")) == (None, PAYER)


def test_what_is_allowed_is_set_and_taken_back() -> None:
    story = Story(ALLOWANCE)
    some = AllowanceSet(meter="product-7000", product_id=7000, limit=5)
    story.given().when(SetAllowance(meter="product-7000", limit=5)).then(some)
    story.given(some).when(SetAllowance(meter="product-7000", limit=5)).then_nothing()
    story.given(some).when(SetAllowance(meter="product-7000", limit=None)).then(
        AllowanceSet(meter="product-7000", product_id=7000, limit=None)
    )
