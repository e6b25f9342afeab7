"""A customer: an end user of one product, made by it, and one day erased.

What a customer is called, an e-mail or any other name that the product knows them by, stands in
events only sealed under the customer's own key, as does the hash of their password. A shadow
customer has no password: the product's own server asks for their tokens.
"""

from typing import TypeAlias, assert_never

from msgspec import Struct
from msgspec.structs import replace

from domain.model import Command, Decider, Event, Refused, Unknown
from domain.names import Id, ProductId, Sealed

# What a text is sealed as: see domain/log/seals.py.
USERNAME = "username"
PASSWORD = "password"  # its hash, rather


class CustomerCreated(Event):
    """`password` is empty of a shadow customer."""

    customer_id: str
    product_id: int
    username: str
    password: str = ""


class CustomerPasswordChanged(Event):
    customer_id: str
    product_id: int
    password: str


class CustomerErased(Event):
    """The key is destroyed: nobody can read any more who this was."""

    customer_id: str
    product_id: int


CustomerEvent: TypeAlias = CustomerCreated | CustomerPasswordChanged | CustomerErased


class AboutCustomer(Command):
    customer_id: Id
    product_id: ProductId

    @property
    def stream(self) -> str:
        return f"customer-{self.customer_id}"


class CreateCustomer(AboutCustomer):
    """`username_taken` says whether another customer of the product is called so now."""

    username: Sealed
    password: Sealed | str = ""
    username_taken: bool = False


class ChangeCustomerPassword(AboutCustomer):
    password: Sealed


class EraseCustomer(AboutCustomer):
    pass


CustomerCommand: TypeAlias = CreateCustomer | ChangeCustomerPassword | EraseCustomer


class CustomerUnknown(Unknown):
    """Customer not found."""


class CustomerExists(Refused):
    """The product has a customer of this name already."""

    field = "email"


class CustomerIdTaken(Refused):
    """Another customer has this id, or had it."""


class CustomerWithoutPassword(Refused):
    """A customer who was made without a password has none to change."""

    field = "password"


class Customer(Struct, frozen=True):
    """`product_id` is None before there is one."""

    product_id: int | None = None
    shadow: bool = False
    erased: bool = False


def decide(customer: Customer, command: CustomerCommand) -> list[CustomerEvent]:
    customer_id, product_id = command.customer_id, command.product_id
    match command:
        case CreateCustomer(username=username, password=password):
            # Not even after an erasure: an id stands for one person, ever.
            if customer.product_id is not None:
                raise CustomerIdTaken
            if command.username_taken:
                raise CustomerExists
            return [
                CustomerCreated(
                    customer_id=customer_id,
                    product_id=product_id,
                    username=username,
                    password=password,
                )
            ]
        case _ if customer.product_id != product_id:
            raise CustomerUnknown
        case EraseCustomer():
            if customer.erased:
                return []
            return [CustomerErased(customer_id=customer_id, product_id=product_id)]
        case ChangeCustomerPassword(password=password):
            if customer.erased:
                raise CustomerUnknown
            if customer.shadow:
                raise CustomerWithoutPassword
            changed = CustomerPasswordChanged(
                customer_id=customer_id, product_id=product_id, password=password
            )
            return [changed]
    assert_never(command)


def evolve(customer: Customer, event: CustomerEvent) -> Customer:
    match event:
        case CustomerCreated(product_id=product_id, password=password):
            return Customer(product_id, shadow=not password)
        case CustomerPasswordChanged():
            return customer
        case CustomerErased():
            return replace(customer, erased=True)
    assert_never(event)


CUSTOMER = Decider(initial=Customer(), decide=decide, evolve=evolve)


def normal_username(username: str) -> str:
    """The one spelling by which customers of a product are told apart: as it is, for what need be
    no e-mail may mean something else in capitals."""
    plain = username.strip()
    return plain.casefold() if "@" in plain else plain
