"""Model `access` on customers and activation codes, whatever the pages it was told in; and what
follows when a customer is erased."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from domain.activation_code import (
    RemoveActivationCode,
    ResendActivationCode,
    UseActivationCode,
)
from domain.customer import PASSWORD, ChangeCustomerPassword, EraseCustomer
from domain.device_commands import ImportDevice
from domain.holders import customer_holder
from domain.ownership import ClaimDevice, DeviceUnclaimed
from projections.rebuilding.rebuild import rebuild
from tests.people import People, follow_access, people
from tests.projections.following import query
from tests.projections.test_orphans import look_after_orphans, owners
from tests.projections.test_reactions import of_kind
from tests.projections.world import PRODUCTS, World, device_id

PRODUCT, OTHER = PRODUCTS
ANN, BOB = "Ann@example.com", "id-42"


@pytest.fixture
def those(database: str) -> Iterator[People]:
    with people(database) as those:
        yield those


def rows(database: str, table: str) -> list[dict[str, Any]]:
    with psycopg.connect(database, row_factory=dict_row) as connection:
        return connection.execute(f"SELECT * FROM access.{table} ORDER BY 1".encode()).fetchall()


def customer(database: str, customer_id: str) -> dict[str, Any]:
    (found,) = [row for row in rows(database, "customer") if row["customer_id"] == customer_id]
    return found


def erase(those: People, customer_id: str, product_id: int = PRODUCT) -> None:
    those.do(EraseCustomer(customer_id=customer_id, product_id=product_id))


def test_a_customer_is_found_by_what_the_product_calls_them(database: str, those: People) -> None:
    ann, bob = those.sell_to(PRODUCT, ANN, "hash"), those.sell_to(PRODUCT, BOB, None)
    found = customer(database, ann)
    assert (found["username"], found["product_id"]) == (ANN, PRODUCT)
    assert found["username_digest"] == those.seals.digest("ann@example.com")
    assert found["password_hash"] == "hash"
    shadow = customer(database, bob)
    assert (shadow["username"], shadow["password_hash"]) == (BOB, None)
    assert shadow["username_digest"] == those.seals.digest(BOB)


def test_a_password_changes(database: str, those: People) -> None:
    ann = those.sell_to(PRODUCT, ANN)
    sealed = those.seals.seal(ann, PASSWORD, "another hash")
    those.do(ChangeCustomerPassword(customer_id=ann, product_id=PRODUCT, password=sealed))
    assert customer(database, ann)["password_hash"] == "another hash"


def test_of_who_is_erased_nothing_is_left_but_that_they_were_there(
    database: str, those: People
) -> None:
    ann, bob = those.sell_to(PRODUCT, ANN), those.sell_to(PRODUCT, BOB)
    for name, customer_id in (("hers", ann), ("his", bob)):
        those.issue(name, customer_holder(customer_id), product_id=PRODUCT)
    erase(those, ann)
    # Issued while she was being erased: it never works.
    those.issue("late", customer_holder(ann), product_id=PRODUCT)
    left = customer(database, ann)
    assert left["erased"]
    assert {left[name] for name in ("username", "username_digest", "password_hash")} == {None}
    assert [row["user_id"] for row in rows(database, "token")] == [customer_holder(bob)]
    (destroyed,) = query(database, "SELECT person_id FROM secrets.person_key WHERE wrapped IS NULL")
    assert destroyed == (ann,)


def test_an_activation_code_has_a_row_until_it_is_removed(database: str, those: People) -> None:
    ann = those.sell_to(PRODUCT, ANN)
    of = {"activation_id": those.invite_buyer(PRODUCT, ANN, "AB23"), "product_id": PRODUCT}
    (row,) = rows(database, "activation_code")
    assert (row["email"], row["used_by"], row["used_at"]) == (ANN, "", None)
    assert row["code_digest"] == those.seals.digest("AB23")
    assert row["sent_at"] == row["issued_at"]

    those.do(ResendActivationCode(**of))
    those.do(UseActivationCode(**of, customer_id=ann))
    (row,) = rows(database, "activation_code")
    assert row["sent_at"] > row["issued_at"]
    assert row["used_by"] == ann
    assert row["used_at"] is not None

    those.do(RemoveActivationCode(**of))
    assert rows(database, "activation_code") == []
    (destroyed,) = query(database, "SELECT person_id FROM secrets.person_key WHERE wrapped IS NULL")
    assert destroyed == (of["activation_id"],)


def lived(those: People) -> None:
    """A history with something of everything; the names of who left are used again."""
    ann, bob = those.sell_to(PRODUCT, ANN), those.sell_to(PRODUCT, BOB, None)
    code = those.invite_buyer(PRODUCT, ANN, "AB23")
    those.issue("hers", customer_holder(ann), product_id=PRODUCT)
    those.do(UseActivationCode(activation_id=code, product_id=PRODUCT, customer_id=ann))
    those.do(RemoveActivationCode(activation_id=code, product_id=PRODUCT))
    erase(those, ann)
    those.sell_to(OTHER, ANN)
    those.sell_to(PRODUCT, f" {ANN.upper()}")
    those.invite_buyer(PRODUCT, ANN, "AB24")
    those.issue("his", customer_holder(bob), product_id=PRODUCT)


TABLES = ("customer", "activation_code", "token")


def test_rebuilt_from_the_log_it_is_the_same(database: str, those: People) -> None:
    lived(those)
    before = [rows(database, table) for table in TABLES]
    rebuild(database, "access", accept=False, say=print, seals=those.seals)
    assert [rows(database, table) for table in TABLES] == before
    those.sell_to(PRODUCT, "somebody else")  # and it goes on from there


def test_it_does_not_matter_where_pages_end(database: str, those: People) -> None:
    lived(those)
    before = [rows(database, table) for table in TABLES]
    with psycopg.connect(database) as connection:
        for table in (*TABLES, "client", "account", "spent_refresh", "tracking"):
            connection.execute(f"DELETE FROM access.{table}".encode())
    follow_access(database, those.seals, page_events_max=1)
    assert [rows(database, table) for table in TABLES] == before


@pytest.mark.parametrize("page_events_max", [1, 5_000])
def test_devices_of_a_customer_who_is_erased_are_nobodys(
    database: str, fleet_world: World, those: People, page_events_max: int
) -> None:
    ann, bob = (customer_holder(those.sell_to(PRODUCT, name)) for name in (ANN, BOB))
    for number, owner in ((1, ann), (2, bob)):
        one = device_id(number)
        fleet_world.do(ImportDevice(device_id=one, product_id=PRODUCT))
        fleet_world.do(
            ClaimDevice(device_id=one, user_id=owner, reachable=True, product_id=PRODUCT)
        )
    erase(those, ann.partition(":")[2])
    late = device_id(3)
    fleet_world.do(ImportDevice(device_id=late, product_id=PRODUCT))
    fleet_world.do(ClaimDevice(device_id=late, user_id=ann, reachable=True, product_id=PRODUCT))

    look_after_orphans(database, fleet_world, page_events_max=page_events_max)

    assert owners(database) == {device_id(1): None, device_id(2): bob, late: None}
    assert len(of_kind(fleet_world, DeviceUnclaimed)) == 2
