"""Whose a device, a token or a claim code is, in one word: a user's, or a customer's of a product.

A user is named by id alone, a customer as `customer:<id>`. Events, rows and commands that speak of
a `user_id` or an `owner`, and need not know which of them it is, mean either.
"""

CUSTOMER_PREFIX = "customer:"


def customer_holder(customer_id: str) -> str:
    """The word for a customer."""
    return f"{CUSTOMER_PREFIX}{customer_id}"


def is_customer(holder: str) -> bool:
    return holder.startswith(CUSTOMER_PREFIX)


def customer_in(holder: str) -> str:
    """The id of the customer that is meant; empty if it is none."""
    return holder.removeprefix(CUSTOMER_PREFIX) if is_customer(holder) else ""


def stream_of(holder: str) -> str:
    """Where the log tells of whoever is meant."""
    return f"customer-{customer_in(holder)}" if is_customer(holder) else f"user-{holder}"
