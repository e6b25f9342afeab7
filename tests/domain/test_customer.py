"""A customer: made for one product, with a password or without, and one day erased."""

import pytest

from domain.customer import (
    CUSTOMER,
    ChangeCustomerPassword,
    CreateCustomer,
    CustomerCreated,
    CustomerErased,
    CustomerExists,
    CustomerIdTaken,
    CustomerPasswordChanged,
    CustomerUnknown,
    CustomerWithoutPassword,
    EraseCustomer,
    normal_username,
)
from tests.given import Story

ANN = {"customer_id": "a" * 24, "product_id": 7000}
ELSEWHERE = {"customer_id": "a" * 24, "product_id": 7001}
story = Story(CUSTOMER)

create = CreateCustomer(**ANN, username="sealed name", password="sealed hash")
created = CustomerCreated(**ANN, username="sealed name", password="sealed hash")
shadow = CustomerCreated(**ANN, username="sealed name")
erased = CustomerErased(**ANN)
change = ChangeCustomerPassword(**ANN, password="another hash")
changed = CustomerPasswordChanged(**ANN, password="another hash")


def test_a_customer_is_made_with_a_password_or_as_a_shadow() -> None:
    story.given().when(create).then(created)
    story.given().when(CreateCustomer(**ANN, username="sealed name")).then(shadow)


def test_no_two_customers_of_a_product_are_called_the_same() -> None:
    taken = CreateCustomer(**ANN, username="sealed name", username_taken=True)
    story.given().when(taken).then_refused(CustomerExists, "of this name already")


@pytest.mark.parametrize("history", [[created], [created, erased]])
def test_an_id_stands_for_one_person_ever(history: list) -> None:
    story.given(*history).when(create).then_refused(CustomerIdTaken)


def test_a_password_is_changed_where_there_is_one() -> None:
    story.given(created).when(change).then(changed)
    story.given(shadow).when(change).then_refused(CustomerWithoutPassword)


def test_whoever_is_erased_is_erased_once_and_has_no_password() -> None:
    story.given(created).when(EraseCustomer(**ANN)).then(erased)
    story.given(created, erased).when(EraseCustomer(**ANN)).then_nothing()
    story.given(created, erased).when(change).then_refused(CustomerUnknown)


@pytest.mark.parametrize(
    "command",
    [EraseCustomer(**ELSEWHERE), ChangeCustomerPassword(**ELSEWHERE, password="another hash")],
)
def test_to_other_products_a_customer_does_not_exist(command) -> None:
    story.given(created).when(command).then_refused(CustomerUnknown)
    story.given().when(command).then_refused(CustomerUnknown)


def test_emails_are_the_same_in_capitals_and_other_names_are_not() -> None:
    assert normal_username(" Ann@Example.COM ") == "ann@example.com"
    assert normal_username(" Kd8sAq ") == "Kd8sAq"
