"""Customers as they are read: by what a product calls them, or by id; and one who logs in."""

from msgspec import Struct
from msgspec.structs import replace

from api.call import Call
from api.people.proof import address_of
from api.problem import CredentialsWrong
from domain.customer import normal_username
from domain.roles import Grants

COLUMNS = """
    SELECT c.customer_id, c.product_id, c.username, c.password_hash,
           (SELECT coalesce(max(notification_id), 0) FROM access.tracking) AS as_of
    FROM access.customer c JOIN fleet.product p ON p.product_id = c.product_id AND NOT p.retired
    WHERE c.product_id = %(product)s AND NOT c.erased
"""
BY_USERNAME = COLUMNS + " AND c.username_digest = %(digest)s"
# An id comes first: no name that somebody chose may stand in its way.
BY_EITHER = (
    COLUMNS
    + """
    AND (c.customer_id = %(name)s OR c.username_digest = %(digest)s)
    ORDER BY c.customer_id = %(name)s DESC LIMIT 1
    """
)


class CustomerRow(Struct, frozen=True):
    """A customer of a product that is in use. A shadow has no `password_hash`."""

    customer_id: str
    product_id: int
    username: str
    password_hash: str | None
    as_of: int


async def customer_named(call: Call, product_id: int, name: str) -> CustomerRow | None:
    """The customer of the product of that name, however an e-mail is spelled, or of that id."""
    return await found(call, BY_EITHER, product_id, name)


async def customer_proved(call: Call, product_id: int, username: str, password: str) -> CustomerRow:
    """The customer whose name and password these are; the call is theirs from here on.

    Raises CredentialsWrong, alike and after the same time whichever of the two is wrong, and
    TooManyBadLogIns.
    """
    tried = f"customer of {product_id}: {normal_username(username)}"
    async with call.cloud.log_ins.turn(address_of(call), tried) as turn:
        customer = await found(call, BY_USERNAME, product_id, username)
        kept = customer.password_hash if customer else None
        right = await call.cloud.passwords.right(kept, password)
        if customer is None or not right:
            await turn.failed()
            raise CredentialsWrong
        await turn.succeeded()
    grants = Grants(customer_id=customer.customer_id, product_id=product_id)
    call.caller = replace(call.caller, grants=grants)
    return customer


async def found(call: Call, query: str, product_id: int, name: str) -> CustomerRow | None:
    digest = call.cloud.seals.digest(normal_username(name))
    wanted = {"product": product_id, "name": name, "digest": digest}
    async with call.cloud.database.reading() as rows:
        return await rows.one(CustomerRow, query, wanted)
