"""Who may make customers of a product: its team, or a program that shows the product's credentials.

A program in a browser shows its id alone, for it can keep no secret; what it gets goes where its
client was registered to.
"""

from typing import Any

from msgspec import Struct

from api.call import Call
from api.gate import admitted
from api.limits import SIGN_UP
from api.network import network_in
from api.people.oauth_rows import ClientRow, client_with
from api.problem import FieldInvalid, GrantRefused, PermissionDenied, TokenMissing
from api.realms import Realm
from domain.client import WEB
from domain.roles import ORGANIZATION_PREFIX, InProduct

TOKEN = "token"


class Sponsor(Struct, frozen=True):
    """For which product; by which client, and where that is, if it was one."""

    product: InProduct
    client_id: str = ""
    redirect_uri: str = ""


async def sponsor_of(call: Call, fields: dict[str, Any]) -> Sponsor:
    """`fields` are what was sent, with the client's credentials from where they stand.

    Raises as the gate does, GrantRefused for credentials that are none, or TooManyRequests.
    """
    if "product" in call.request.path_params and has_token(call):
        call.caller = await call.cloud.callers.caller(call.request)
        parts, places = call.request.path_params, call.cloud.places
        call.place = await admitted(places, call.caller, "customers:create", Realm.PRODUCT, parts)
        assert isinstance(call.place, InProduct)
        return Sponsor(call.place)
    client = await client_shown(call, fields)
    product = await product_named(call, client)
    if not client.everything:
        # Whoever has the program has what it shows: this is where anybody may sign up.
        call.cloud.limits.spend(SIGN_UP, network_in(call.request))
    call.place = product
    return Sponsor(product, client.client_id, client.redirect_uri)


def has_token(call: Call) -> bool:
    scheme, _, _ = call.request.headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer"


async def client_shown(call: Call, fields: dict[str, Any]) -> ClientRow:
    """The client whose credentials these are. Raises TokenMissing, GrantRefused, FieldInvalid."""
    if "client_id" not in fields:
        raise TokenMissing
    client, secret = await client_with(call, fields["client_id"]), fields.get("client_secret")
    in_browser = fields.get("response_type") == TOKEN
    if client is None or not (
        client.check_client_secret(secret) if secret else in_browser and client.type == WEB
    ):
        raise GrantRefused(error="invalid_client", sentence="Client credentials are invalid")
    if in_browser and not client.redirect_uri:
        reason = "the client was registered without a redirect_uri"
        raise FieldInvalid(field="response_type", reason=reason)
    return client


async def product_named(call: Call, client: ClientRow) -> InProduct:
    """The client's product, if it is the one that the path names, or is of the organization that
    the path names. Raises PermissionDenied."""
    places, parts = call.cloud.places, call.request.path_params
    product = None
    if client.product_id is not None:
        product = await places.product(str(client.product_id))
    if product is None:
        raise PermissionDenied
    if "product" in parts:
        named = await places.product(parts["product"])
        right = named is not None and named.product_id == product.product_id
    else:
        organization = await places.organization(parts["org"])
        right = (
            organization is not None
            and product.owner == f"{ORGANIZATION_PREFIX}{organization.organization_id}"
        )
    if not right:
        raise PermissionDenied
    return product
