"""Clients, refresh tokens and codes, answering what authlib asks of them."""

from hmac import compare_digest

from authlib.oauth2.rfc6749 import InvalidRequestError
from msgspec import Struct

from api.call import Call
from api.people.credentials import digest_of
from api.people.vouchers import Voucher
from domain.client import WEB
from domain.scopes import EVERY_SCOPE, EVERY_SCOPE_SPELLINGS, SCOPES

MFA_OTP = "urn:custom:mfa-otp"
CUSTOMER_SCOPE = "customer="

CLIENT = """
    SELECT client_id, name, type, redirect_uri, secret_hash, scope, user_id, product_id
    FROM access.client WHERE client_id = %s AND NOT removed
"""
REFRESH = """
    SELECT token_id, client_id, user_id, product_id, scopes FROM access.token
    WHERE refresh_hash = %s AND refresh_expires_at > now()
"""


class ClientRow(Struct, frozen=True):
    """A client that may ask for tokens. Without `user_id` and `product_id` it is the cloud's."""

    client_id: str
    name: str
    type: str
    redirect_uri: str
    secret_hash: bytes | None
    scope: str
    user_id: str
    product_id: int | None

    @property
    def everything(self) -> bool:
        """Whether it may all that its owner may."""
        return EVERY_SCOPE in (scopes_in(self.scope) or {EVERY_SCOPE})

    def check_client_secret(self, secret: str) -> bool:
        return self.secret_hash is not None and compare_digest(self.secret_hash, digest_of(secret))

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return True

    def check_grant_type(self, grant_type: str) -> bool:
        match grant_type:
            case "client_credentials":
                return self.user_id != "" or self.product_id is not None
            case "authorization_code":
                return self.type == WEB
        return True

    def check_response_type(self, response_type: str) -> bool:
        return self.type == WEB

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        if redirect_uri != self.redirect_uri:
            raise InvalidRequestError("redirect_uri is not what the client was registered with")
        return True

    def get_default_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_allowed_scope(self, scope: str | None) -> str | None:
        """Of the scopes asked for, those that the client may have; None if there is none of that
        name, or the client may have none of them."""
        asked = scopes_in(scope) or {EVERY_SCOPE}
        mine = scopes_in(self.scope) or {EVERY_SCOPE}
        if not asked <= SCOPES | mine | {EVERY_SCOPE}:
            return None
        if EVERY_SCOPE in asked:
            return " ".join(sorted(mine))
        allowed = asked if EVERY_SCOPE in mine else asked & mine
        return " ".join(sorted(allowed)) or None


def scopes_in(text: str | None) -> frozenset[str]:
    """The scopes that a text names, with blanks between them."""
    named = (text or "").split()
    return frozenset(EVERY_SCOPE if one in EVERY_SCOPE_SPELLINGS else one for one in named)


def customers_scope(scope: str | None) -> str | None:
    """Of the scopes asked for a customer, those that there are; None if one is no scope."""
    if scope is None or scope.startswith(CUSTOMER_SCOPE):
        return EVERY_SCOPE
    asked = scopes_in(scope) or {EVERY_SCOPE}
    return " ".join(sorted(asked)) if asked <= SCOPES | {EVERY_SCOPE} else None


class RefreshRow(Struct, frozen=True):
    """The token that a refresh token came with. `user_id` may mean a customer."""

    token_id: str
    client_id: str
    user_id: str
    product_id: int | None
    scopes: list[str]

    def check_client(self, client: ClientRow) -> bool:
        return client.client_id == self.client_id

    def get_scope(self) -> str:
        return " ".join(self.scopes)


class CodeRow(Struct, frozen=True):
    """What a user consented to."""

    code: str
    voucher: Voucher
    code_challenge_method: str = "S256"

    @property
    def code_challenge(self) -> str:
        challenge: str = self.voucher.detail["code_challenge"]
        return challenge

    def get_redirect_uri(self) -> str:
        redirect_uri: str = self.voucher.detail["redirect_uri"]
        return redirect_uri

    def get_scope(self) -> str:
        scope: str = self.voucher.detail["scope"]
        return scope


async def client_with(call: Call, client_id: str) -> ClientRow | None:
    """A client that was not removed."""
    async with call.cloud.database.reading() as rows:
        return await rows.one(ClientRow, CLIENT, [client_id])


async def refresh_row_with(call: Call, refresh_token: str) -> RefreshRow | None:
    """The token that a refresh token came with, if both still work."""
    async with call.cloud.database.reading() as rows:
        return await rows.one(RefreshRow, REFRESH, [digest_of(refresh_token)])
