"""The customers of a product: made, listed, given another password, erased."""

import secrets
from collections.abc import Sequence
from typing import Annotated, Literal
from urllib.parse import urlencode

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import asdict, replace
from starlette.responses import Response

from api.call import Call
from api.database import Rows, Snapshot
from api.fleet.products import product_in
from api.people import activation_codes, pairs
from api.people.credentials import NewPassword
from api.people.customer_rows import CustomerRow, customer_named
from api.people.oauth import (
    NOT_STORED,
    Text,
    TokenObject,
    fields_of,
    unstored,
)
from api.people.pairs import LIFETIME_S_MAX, Holder, Pair, expiry_of, new_pair
from api.people.sponsors import Sponsor, sponsor_of
from api.problem import FieldInvalid, NotFound
from api.views import PER_PAGE_DEFAULT, Done, Page, PageNumber, PageRows, page_of
from domain.claim_code import CODE_VALID_S, ClaimCodeIssued, RevokeClaimCode
from domain.customer import (
    PASSWORD,
    USERNAME,
    ChangeCustomerPassword,
    CreateCustomer,
    CustomerCreated,
    CustomerExists,
    EraseCustomer,
    normal_username,
)
from domain.holders import customer_holder, customer_in
from domain.model import Command
from domain.names import EMAIL_CHARACTERS_MAX
from domain.scopes import EVERY_SCOPE

DEVICES_LISTED_MAX = 5_000  # of the customers of one page

TAKEN = """
    SELECT EXISTS (SELECT FROM access.customer WHERE product_id = %s AND username_digest = %s)
"""
COUNT = "SELECT count(*) FROM access.customer WHERE product_id = %s AND NOT erased"
PAGE = """
    SELECT customer_id, username FROM access.customer WHERE product_id = %s AND NOT erased
    ORDER BY created_at, customer_id LIMIT %s OFFSET %s
"""
DEVICES = f"""
    SELECT device_id AS id, product_id, last_ip AS last_ip_address, running AS firmware_version,
           online, owner
    FROM fleet.device WHERE owner = ANY (%s) AND product_id = %s
    ORDER BY device_id LIMIT {DEVICES_LISTED_MAX}
"""
CLAIM_CODES = f"""
    SELECT ARRAY (SELECT stream FROM history.entry
                  WHERE actor = %s AND name = '{ClaimCodeIssued.__name__}'
                    AND "position" > log.position_at(now() - interval '{CODE_VALID_S} seconds'))
"""

Username = Annotated[
    str,
    # Whatever the product knows them by, to be said in one line.
    Meta(max_length=EMAIL_CHARACTERS_MAX, pattern=r"^(?=.*\S)[^\x00-\x1f\x7f]+$(?!\n)"),
]


class NewCustomer(Struct, frozen=True):
    """`email` may be any name that the product knows the customer by. With `no_password` the
    product's own server asks for their tokens. The client's id and secret may stand in a Basic
    header; a program in a browser sends its id alone, and `response_type`. `expires_in` is in
    seconds."""

    email: Username
    password: NewPassword | UnsetType = UNSET
    no_password: bool = False
    grant_type: Text = ""
    client_id: Text = ""
    client_secret: Text = ""
    response_type: Literal["", "token"] = ""
    state: Text = ""
    expires_in: Annotated[int, Meta(ge=0, le=LIFETIME_S_MAX)] | UnsetType = UNSET
    expires_at: Text = ""


class CustomerChange(Struct, frozen=True):
    password: NewPassword


class CustomersWanted(Struct, frozen=True):
    page: PageNumber = 1
    per_page: PageRows = PER_PAGE_DEFAULT


class NamedCustomer(Struct, frozen=True):
    customer_id: str
    username: str


class OwnedDevice(Struct, frozen=True):
    id: str
    product_id: int
    last_ip_address: str
    firmware_version: int | None
    online: bool
    owner: str


class CustomerObject(Struct, frozen=True):
    """`devices` are the ids of those that the customer has claimed."""

    id: str
    username: str
    devices: list[str]


class CustomersDevice(Struct, frozen=True):
    """A device of one of the customers on the page."""

    id: str
    product_id: int
    last_ip_address: str | None
    firmware_version: int | None
    online: bool


class Customers(Struct, frozen=True):
    customers: list[CustomerObject]
    devices: list[CustomersDevice]
    meta: Page


async def create_customer(call: Call, body: NewCustomer) -> Annotated[Response, TokenObject]:
    """Make a customer of the product, and let them in: for its team, or for a client of it."""
    fields = fields_of(call, body)
    expires_at = expiry_of(fields)
    sponsor = await sponsor_of(call, fields)
    if body.password is UNSET and not body.no_password:
        raise FieldInvalid(field="password", reason="is missing; or send no_password")
    customer_id = await created(call, sponsor.product.product_id, body)
    # A browser cannot keep what a refresh token is.
    pair = new_pair(expires_at, refreshable=not body.response_type)
    holder = Holder(product_id=sponsor.product.product_id, customer_id=customer_id)
    call.caller = replace(call.caller, grants=holder.grants)
    await pairs.issue(call, pair, holder, sponsor.client_id, [EVERY_SCOPE])
    if body.response_type:
        return sent_back(sponsor, pair, body.state)
    refresh_token = pair.refresh_token or UNSET
    token = TokenObject("bearer", pair.access_token, pair.expires_in, refresh_token)
    return unstored(token, 201)


async def created(call: Call, product_id: int, wanted: NewCustomer) -> str:
    """The id of the new customer. Raises CustomerExists."""
    customer_id, username = secrets.token_hex(12), wanted.email.strip()
    async with call.snapshot() as snapshot:
        await product_in(call, snapshot)
        if await is_taken(call, snapshot, product_id, username):
            raise CustomerExists  # before there is a key, and work is done
    texts = {USERNAME: username}
    if wanted.password is not UNSET and not wanted.no_password:
        texts[PASSWORD] = await call.cloud.passwords.hash(wanted.password)
    await call.in_thread(call.cloud.seals.new_key, customer_id)
    sealed = await call.in_thread(call.cloud.seals.seal_all, customer_id, texts)

    async def look(snapshot: Snapshot) -> Sequence[Command]:
        return [
            CreateCustomer(
                customer_id=customer_id,
                product_id=product_id,
                username=sealed[USERNAME],
                password=sealed.get(PASSWORD, ""),
                username_taken=await is_taken(call, snapshot, product_id, username),
            )
        ]

    async with call.cloud.turns.take(f"customers of {product_id}"):
        await call.decide(product_id, (CustomerCreated,), look, models=("access",))
    return customer_id


async def is_taken(call: Call, rows: Rows, product_id: int, username: str) -> bool:
    digest = call.cloud.seals.digest(normal_username(username))
    taken: bool = await rows.value(TAKEN, [product_id, digest])
    return taken


def sent_back(sponsor: Sponsor, pair: Pair, state: str) -> Response:
    """To where the client is, with the token behind the mark that no server is ever sent."""
    told = {
        "access_token": pair.access_token,
        "token_type": "bearer",
        "expires_in": pair.expires_in,
        **({"state": state} if state else {}),
    }
    location = f"{sponsor.redirect_uri}#{urlencode(told)}"
    return Response(status_code=303, headers={"Location": location, **NOT_STORED})


async def list_customers(call: Call, query: CustomersWanted) -> Customers:
    """A page of the product's customers, those who came first first, and their devices."""
    product_id, before = call.product_id, (query.page - 1) * query.per_page
    async with call.snapshot() as snapshot:
        await product_in(call, snapshot)
        total = await snapshot.value(COUNT, [product_id])
        page = await snapshot.all(NamedCustomer, PAGE, [product_id, query.per_page, before])
        holders = [customer_holder(customer.customer_id) for customer in page]
        devices = await snapshot.all(OwnedDevice, DEVICES, [holders, product_id])
    owned: dict[str, list[str]] = {}
    for device in devices:
        owned.setdefault(customer_in(device.owner), []).append(device.id)
    customers = [
        CustomerObject(one.customer_id, one.username, owned.get(one.customer_id, []))
        for one in page
    ]
    listed = [shown(device) for device in devices]
    return Customers(customers, listed, page_of(query.page, query.per_page, total))


def shown(device: OwnedDevice) -> CustomersDevice:
    fields = asdict(device)
    del fields["owner"]
    return CustomersDevice(**{**fields, "last_ip_address": device.last_ip_address or None})


async def customer_in_path(call: Call) -> CustomerRow:
    """The customer that the path names, by name or id. Raises NotFound."""
    customer = await customer_named(call, call.product_id, call.part("customer"))
    if customer is None:
        raise NotFound(what="Customer")
    return customer


async def change_customer(call: Call, body: CustomerChange) -> Done:
    """Give a customer another password. Wherever they were logged in, they are no longer."""
    customer = await customer_in_path(call)
    kept = await call.cloud.passwords.hash(body.password)
    sealed = await call.in_thread(call.cloud.seals.seal, customer.customer_id, PASSWORD, kept)
    command = ChangeCustomerPassword(
        customer_id=customer.customer_id, product_id=customer.product_id, password=sealed
    )
    await call.carry_out(command)
    await pairs.revoke_all_of(call, customer_holder(customer.customer_id))
    return Done()


async def remove_customer(call: Call) -> Done:
    """Erase a customer: their tokens, claim codes and activation codes are worth nothing any more,
    their devices are nobody's, and who they were nobody can read."""
    customer = await customer_in_path(call)
    customer_id, product_id = customer.customer_id, customer.product_id
    await activation_codes.remove_all_of(call, product_id, customer_id, customer.username)
    await call.carry_out(EraseCustomer(customer_id=customer_id, product_id=product_id))
    # The read model does it, too, once it is there; nobody has to wait for that.
    await call.in_thread(call.cloud.seals.destroy, customer_id)
    await revoke_claim_codes(call, customer_holder(customer_id))
    return Done()


async def revoke_claim_codes(call: Call, holder: str) -> None:
    """Those that are still good. One that is issued just now claims a device for nobody: see
    projections/reactions/orphans.py."""
    await call.cloud.followed.behind(await call.cloud.database.head(), ("history",))
    async with call.cloud.database.reading() as rows:
        streams: list[str] = await rows.value(CLAIM_CODES, [holder])
    for stream in streams:
        await call.carry_out(RevokeClaimCode(code_hash=stream.partition("-")[2]))
