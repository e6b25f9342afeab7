"""An activation code: issued to somebody, used by one customer, removed."""

import pytest

from domain.activation_code import (
    ACTIVATION_CODE,
    ACTIVATION_CODES_MAX,
    ActivationCodeIssued,
    ActivationCodeNotOpen,
    ActivationCodeRemoved,
    ActivationCodeResent,
    ActivationCodeSpent,
    ActivationCodeUnknown,
    ActivationCodeUsed,
    ActivationIdTaken,
    IssueActivationCode,
    RemoveActivationCode,
    ResendActivationCode,
    TooManyActivationCodes,
    UseActivationCode,
    as_typed,
)
from tests.given import Story

ONE = {"activation_id": "c" * 24, "product_id": 7000}
ELSEWHERE = {"activation_id": "c" * 24, "product_id": 7001}
ANN, BOB = "a" * 24, "b" * 24
story = Story(ACTIVATION_CODE)

issue = IssueActivationCode(**ONE, email="sealed email", code="sealed code", codes=0)
issued = ActivationCodeIssued(**ONE, email="sealed email", code="sealed code")
used = ActivationCodeUsed(**ONE, customer_id=ANN)
removed = ActivationCodeRemoved(**ONE)


def use(customer_id: str = ANN) -> UseActivationCode:
    return UseActivationCode(**ONE, customer_id=customer_id)


def test_a_code_is_issued_once() -> None:
    story.given().when(issue).then(issued)
    story.given(issued).when(issue).then_refused(ActivationIdTaken)
    story.given(issued, removed).when(issue).then_refused(ActivationIdTaken)


def test_a_product_has_only_so_many() -> None:
    full = IssueActivationCode(**ONE, email="e", code="c", codes=ACTIVATION_CODES_MAX)
    story.given().when(full).then_refused(TooManyActivationCodes, "10000")


def test_a_code_lets_one_customer_in_who_may_show_it_again() -> None:
    story.given(issued).when(use()).then(used)
    story.given(issued, used).when(use()).then_nothing()
    story.given(issued, used).when(use(BOB)).then_refused(ActivationCodeSpent)


def test_a_code_that_nobody_used_is_sent_again() -> None:
    story.given(issued).when(ResendActivationCode(**ONE)).then(ActivationCodeResent(**ONE))
    story.given(issued, used).when(ResendActivationCode(**ONE)).then_refused(ActivationCodeNotOpen)


def test_a_code_is_removed_used_or_not() -> None:
    story.given(issued).when(RemoveActivationCode(**ONE)).then(removed)
    story.given(issued, used).when(RemoveActivationCode(**ONE)).then(removed)
    story.given(issued, removed).when(RemoveActivationCode(**ONE)).then_nothing()


@pytest.mark.parametrize("command", [use(), ResendActivationCode(**ONE)])
def test_a_code_that_was_removed_is_worth_nothing(command) -> None:
    story.given(issued, removed).when(command).then_refused(ActivationCodeUnknown)


@pytest.mark.parametrize(
    "command",
    [
        UseActivationCode(**ELSEWHERE, customer_id=ANN),
        ResendActivationCode(**ELSEWHERE),
        RemoveActivationCode(**ELSEWHERE),
    ],
)
def test_to_other_products_a_code_does_not_exist(command) -> None:
    story.given(issued).when(command).then_refused(ActivationCodeUnknown)
    story.given().when(command).then_refused(ActivationCodeUnknown)


def test_a_code_is_typed_in_any_case_and_with_blanks() -> None:
    assert as_typed(" ab 3z ") == "AB3Z"
