"""The grants of OAuth 2.0, by which a client gets a token: what each of them asks, answered."""

from typing import Any, ClassVar

from authlib.oauth2.rfc6749 import (
    InvalidGrantError,
    InvalidScopeError,
    OAuth2Request,
    UnauthorizedClientError,
    grants,
)
from authlib.oauth2.rfc6749.grants import BaseGrant, TokenEndpointMixin
from authlib.oauth2.rfc7636 import CodeChallenge

from api.call import Call
from api.people import customer_rows, pairs, proof, vouchers
from api.people.credentials import new_token
from api.people.oauth_rows import (
    CUSTOMER_SCOPE,
    MFA_OTP,
    ClientRow,
    CodeRow,
    RefreshRow,
    refresh_row_with,
)
from api.people.pairs import Holder, holder_of
from api.people.vouchers import Kind
from api.problem import CredentialsWrong
from domain.token import RefreshInvalid

# Ids and secrets from a Basic header stand among the fields, too: see api/people/oauth.py.
METHODS = ["client_secret_post"]
# What the first half of a log-in says of the token that the second half gets.
CARRIED_OVER = ("scope", "expires_in", "expires_at")


class MfaRequired(Exception):
    """The password was right, and is not enough: `mfa_token` goes with a one-time password."""

    def __init__(self, mfa_token: str) -> None:
        super().__init__()
        self.mfa_token = mfa_token


class PasswordGrant(grants.ResourceOwnerPasswordCredentialsGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS: ClassVar[list[str]] = METHODS

    def authenticate_user(self, username: str, password: str) -> Holder:
        call: Call = self.server.call
        product_id = self.server.client.product_id
        if product_id is not None:
            # Whoever logs in by a product's own client is a customer of that product.
            known = (call, product_id, username, password)
            customer = self.server.wait_for(customer_rows.customer_proved, *known)
            self.server.proved_at = customer.as_of
            return Holder(product_id=product_id, customer_id=customer.customer_id)
        account = self.server.wait_for(proof.first_factor, call, username, password)
        self.server.proved_at = account.as_of
        if account.totp_secret is None:
            return Holder(account.user_id)
        mfa_token, form = new_token(), self.request.form
        detail = {name: form[name] for name in CARRIED_OVER if name in form}
        detail["proved_at"] = account.as_of
        kept = (Kind.SECOND_FACTOR, mfa_token, account.user_id, form["client_id"], detail)
        self.server.wait_for(vouchers.keep, self.server.database, *kept)
        raise MfaRequired(mfa_token)


class SecondFactorGrant(BaseGrant, TokenEndpointMixin):  # type: ignore[misc]
    """The other half of a log-in with a password: a one-time password, or a recovery code."""

    GRANT_TYPE = MFA_OTP
    TOKEN_ENDPOINT_AUTH_METHODS: ClassVar[list[str]] = METHODS

    def validate_token_request(self) -> None:
        self.request.client = self.authenticate_token_endpoint_client()
        form, call = self.request.form, self.server.call
        shown = (Kind.SECOND_FACTOR, form.get("mfa_token", ""))
        voucher = self.server.wait_for(vouchers.try_once, self.server.database, *shown)
        if voucher is None or voucher.client_id != self.request.client.client_id:
            raise InvalidGrantError("The mfa_token is not known, was used, or has expired.")
        account = self.server.wait_for(proof.account_of, call, voucher.user_id)
        if account is None:
            raise CredentialsWrong
        self.server.wait_for(proof.second_factor, call, account, form.get("otp", ""))
        self.server.proved_at = voucher.detail["proved_at"]
        self.server.wanted = {**voucher.detail, **form}
        self.request.user = Holder(account.user_id)

    def create_token_response(self) -> tuple[int, dict[str, Any], list[Any]]:
        token = self.generate_token(self.request.user, self.server.wanted.get("scope"))
        spent = (Kind.SECOND_FACTOR, self.request.form["mfa_token"], self.server.pair.token_id)
        if not self.server.wait_for(vouchers.spend, self.server.database, *spent):
            raise InvalidGrantError
        self.save_token(token)
        return 200, token, []


class RefreshGrant(grants.RefreshTokenGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS: ClassVar[list[str]] = METHODS
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token: str) -> RefreshRow | None:
        row: RefreshRow | None
        row = self.server.wait_for(refresh_row_with, self.server.call, refresh_token)
        if row is None:
            self.server.wait_for(pairs.revoke_what_came_of, self.server.call, refresh_token)
        return row

    def authenticate_user(self, row: RefreshRow) -> Holder:
        return holder_of(row.user_id, row.product_id)

    def revoke_old_credential(self, row: RefreshRow) -> None:
        """The new token is there already: if the old one went meanwhile, both were stolen, or
        lost."""
        call, new = self.server.call, self.server.pair.token_id
        refresh_token = self.request.form["refresh_token"]
        try:
            self.server.wait_for(pairs.trade, call, row.token_id, refresh_token, new)
        except RefreshInvalid:
            self.server.wait_for(pairs.take_back, call, new)
            self.server.wait_for(pairs.revoke_what_came_of, call, refresh_token)
            raise InvalidGrantError from None


class ClientGrant(grants.ClientCredentialsGrant):  # type: ignore[misc]
    """A client stands for its owner: a product, or the user who registered it; or a product's own
    server for one of its customers."""

    TOKEN_ENDPOINT_AUTH_METHODS: ClassVar[list[str]] = METHODS

    def validate_requested_scope(self) -> None:
        client: ClientRow = self.request.client
        scope = self.request.payload.scope or ""
        if scope.startswith(CUSTOMER_SCOPE):
            self.request.user = self._customer(client, scope.removeprefix(CUSTOMER_SCOPE))
            return
        if client.product_id is not None:
            self.request.user = Holder(product_id=client.product_id)
            return
        if self.server.wait_for(proof.account_of, self.server.call, client.user_id) is None:
            raise CredentialsWrong
        self.request.user = Holder(client.user_id)

    def _customer(self, client: ClientRow, name: str) -> Holder:
        if client.product_id is None or not client.everything:
            # What an app shows, anybody has who has the app.
            raise UnauthorizedClientError("Only a product's own client with every scope may this.")
        wanted = (self.server.call, client.product_id, name)
        customer = self.server.wait_for(customer_rows.customer_named, *wanted)
        if customer is None:
            raise InvalidScopeError("The product has no such customer.")
        return Holder(product_id=client.product_id, customer_id=customer.customer_id)


class CodeGrant(grants.AuthorizationCodeGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS: ClassVar[list[str]] = METHODS

    def generate_authorization_code(self) -> str:
        return new_token()

    def save_authorization_code(self, code: str, request: OAuth2Request) -> None:
        detail = {
            "redirect_uri": request.payload.redirect_uri,
            "scope": request.scope,
            "code_challenge": request.payload.data["code_challenge"],
        }
        kept = (Kind.CODE, code, request.user.user_id, request.client.client_id, detail)
        self.server.wait_for(vouchers.keep, self.server.database, *kept)

    def query_authorization_code(self, code: str, client: Any) -> CodeRow | None:
        voucher = self.server.wait_for(vouchers.try_once, self.server.database, Kind.CODE, code)
        if voucher is None:
            self.server.wait_for(revoke_what_came_of, self.server.call, code)
            return None
        return CodeRow(code, voucher) if voucher.client_id == client.client_id else None

    def authenticate_user(self, code: CodeRow) -> Holder | None:
        account = self.server.wait_for(proof.account_of, self.server.call, code.voucher.user_id)
        return Holder(account.user_id) if account else None

    def delete_authorization_code(self, code: CodeRow) -> None:
        call, new = self.server.call, self.server.pair.token_id
        spent = (Kind.CODE, code.code, new)
        if not self.server.wait_for(vouchers.spend, self.server.database, *spent):
            self.server.wait_for(pairs.take_back, call, new)
            self.server.wait_for(revoke_what_came_of, call, code.code)
            raise InvalidGrantError


async def revoke_what_came_of(call: Call, code: str) -> None:
    """Somebody came with a code again: it was overheard, so what it was worth is worth nothing."""
    token_id = await vouchers.worth(call.cloud.database, Kind.CODE, code)
    await pairs.revoke_from(call, token_id)


class Pkce(CodeChallenge):  # type: ignore[misc]
    """Always, and never in the clear: who overhears the question must not be able to answer it."""

    DEFAULT_CODE_CHALLENGE_METHOD = "S256"
    SUPPORTED_CODE_CHALLENGE_METHOD: ClassVar[list[str]] = ["S256"]
