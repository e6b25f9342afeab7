"""OAuth clients of the caller, or of a product: listed, registered, changed, removed."""

import re
import secrets
from collections.abc import Sequence
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType
from starlette.responses import Response

from api.call import Call
from api.database import Rows
from api.people.credentials import digest_of, new_token
from api.people.oauth import unstored
from api.problem import FieldInvalid, NotFound, NothingToChange, ScopeMissing
from domain.client import (
    WEB,
    ChangeClient,
    ClientIdTaken,
    RedirectMissing,
    RegisterClient,
    RemoveClient,
)
from domain.names import Name
from domain.roles import InProduct, allows, scopes_on
from domain.scopes import API_USER_SCOPES, EVERY_SCOPE, PRODUCT_TOKEN_SCOPES

CLIENTS_MAX = 100  # of one user, or one product
ID_ATTEMPTS_MAX = 5
SLUG_CHARACTERS_MAX = 60
REDIRECT_CHARACTERS_MAX = 2_048
SCOPE_CHARACTERS_MAX = 200
EVERYTHING = "*:*"
SCOPES = ("customers:create", EVERYTHING)
NO_SCOPE = "none"

OWN = """
    SELECT client_id, name, type, redirect_uri, scope FROM access.client
    WHERE user_id = %(user)s AND product_id IS NOT DISTINCT FROM %(product)s AND NOT removed
"""
ALL = OWN + " ORDER BY created_at, client_id"
ONE = OWN + " AND client_id = %(client)s"

RedirectUri = Annotated[
    str,
    # Wherever it leads, a code goes there: no fragment, nothing that a browser would run.
    Meta(
        max_length=REDIRECT_CHARACTERS_MAX,
        pattern=r"^(?!(?:javascript|data|vbscript|file):)[a-z][a-z0-9+.-]*:[!$-~]+$(?!\n)",
    ),
]
Scope = Annotated[str, Meta(max_length=SCOPE_CHARACTERS_MAX)]


class Client(Struct, frozen=True):
    client_id: str
    name: str
    type: str
    redirect_uri: str
    scope: str


class ClientObject(Struct, frozen=True, omit_defaults=True):
    """The Particle API's client. `secret` is shown once, when it is registered."""

    id: str
    name: str
    type: str
    redirect_uri: str = ""
    scope: str = ""
    secret: str = ""


class OneClient(Struct, frozen=True):
    client: ClientObject
    ok: bool = True


class Clients(Struct, frozen=True):
    clients: list[ClientObject]
    ok: bool = True


class NewClient(Struct, frozen=True):
    """A `web` client needs a `redirect_uri`. `scope` is `customers:create`, `*:*`, or both."""

    name: Name
    type: Literal["installed", "web"]
    redirect_uri: RedirectUri | UnsetType | None = UNSET
    scope: Scope | UnsetType | None = UNSET


class ClientChange(Struct, frozen=True):
    """`scope` is as it is for a new client, or `none`."""

    name: Name | UnsetType = UNSET
    scope: Scope | UnsetType = UNSET


class TooManyClients(FieldInvalid):
    """There are {limit} clients, which is the limit."""

    error = "too_many_clients"


async def list_clients(call: Call) -> Clients:
    """The OAuth clients of the caller, or of a product. Their secrets are not known here."""
    async with call.cloud.database.reading() as rows:
        return Clients([shown(client) for client in await clients_of(call, rows)])


async def register_client(call: Call, body: NewClient) -> Annotated[Response, OneClient]:
    """Register an OAuth client. Its secret is shown this once."""
    if body.type == WEB and not body.redirect_uri:
        raise RedirectMissing
    redirect_uri, scope = body.redirect_uri or "", scope_in(body.scope or "")
    must_be_given_as_much(call, scope)
    async with call.cloud.database.reading() as rows:
        if len(await clients_of(call, rows)) >= CLIENTS_MAX:
            raise TooManyClients(limit=CLIENTS_MAX)
    owner, secret = owner_of(call), new_token()
    for attempt in range(ID_ATTEMPTS_MAX):
        command = RegisterClient(
            client_id=new_id(body.name),
            name=body.name,
            type=body.type,
            redirect_uri=redirect_uri,
            secret_hash=digest_of(secret).hex(),
            scope=scope,
            user_id=owner.user_id,
            product_id=owner.product_id,
        )
        try:
            await call.carry_out(command)
            break
        except ClientIdTaken:
            if attempt + 1 == ID_ATTEMPTS_MAX:
                raise
    await call.settle()
    made = ClientObject(command.client_id, body.name, body.type, redirect_uri, scope, secret)
    return unstored(OneClient(made))


async def change_client(call: Call, body: ClientChange) -> OneClient:
    """Change the name or the scope of an OAuth client."""
    if body.name is UNSET and body.scope is UNSET:
        raise NothingToChange(fields="name, scope")
    client = await client_named(call)
    name = client.name if body.name is UNSET else body.name
    scope = client.scope if body.scope is UNSET else scope_in(body.scope)
    if scope != client.scope:
        must_be_given_as_much(call, scope)
    await call.carry_out(ChangeClient(client_id=client.client_id, name=name, scope=scope))
    return OneClient(ClientObject(client.client_id, name, client.type, client.redirect_uri, scope))


async def remove_client(call: Call) -> None:
    """Remove an OAuth client. The tokens that it was given work no longer."""
    client = await client_named(call)
    await call.carry_out(RemoveClient(client_id=client.client_id))


def must_be_given_as_much(call: Call, scope: str) -> None:
    """Nobody makes a client that then may do more than they may themselves. Raises ScopeMissing."""
    if scope and EVERYTHING not in scope.split():
        return
    caller = call.caller
    if not isinstance(call.place, InProduct):
        held, needed = caller.scopes, frozenset({EVERY_SCOPE})
    else:
        held = scopes_on(caller.grants, call.place)
        # Some of what a product's own token may do, no API user can be given.
        most = API_USER_SCOPES if caller.api_user_id else PRODUCT_TOKEN_SCOPES
        needed = PRODUCT_TOKEN_SCOPES & most
    missing = sorted(one for one in needed if not allows(held, one))
    if missing:
        raise ScopeMissing(scope=missing[0])


class Owner(Struct, frozen=True):
    user_id: str
    product_id: int | None


def owner_of(call: Call) -> Owner:
    """Whose clients the call is about: the product's that its path names, or else the caller's."""
    if isinstance(call.place, InProduct):
        return Owner("", call.place.product_id)
    return Owner(call.caller.user_id, None)


async def clients_of(call: Call, rows: Rows) -> Sequence[Client]:
    owner = owner_of(call)
    return await rows.all(Client, ALL, {"user": owner.user_id, "product": owner.product_id})


async def client_named(call: Call) -> Client:
    """The client that the path names, if it is its owner who calls. Raises NotFound."""
    owner = owner_of(call)
    wanted = {"user": owner.user_id, "product": owner.product_id, "client": call.part("client")}
    async with call.cloud.database.reading() as rows:
        client = await rows.one(Client, ONE, wanted)
    if client is None:
        raise NotFound(what="Client")
    return client


def shown(client: Client) -> ClientObject:
    return ClientObject(
        client.client_id, client.name, client.type, client.redirect_uri, client.scope
    )


def new_id(name: str) -> str:
    """A part of the name, that people know it by, and four digits, that make it another's."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:SLUG_CHARACTERS_MAX] or "client"
    return f"{slug}-{secrets.randbelow(10_000):04}"


def scope_in(text: str) -> str:
    """Raises FieldInvalid for a scope that no client can have."""
    named = text.split()
    if named == [NO_SCOPE]:
        return ""
    unknown = sorted(set(named) - {*SCOPES})
    if unknown:
        raise FieldInvalid(field="scope", reason=f"there are only {' and '.join(SCOPES)}")
    return " ".join(sorted(set(named)))
