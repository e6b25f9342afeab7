"""The authorization server: the framework-free core of authlib, and what it stands on here.

It knows no async, and asks from within its grants: which client is this, whose is that password,
what was consented to. So each call has a server of its own, in a thread, that asks the event loop.
"""

import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from anyio import from_thread
from authlib.oauth2.rfc6749 import (
    AccessDeniedError,
    AuthorizationServer,
    InvalidScopeError,
    OAuth2Error,
    OAuth2Request,
)
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from msgspec.structs import replace

from api.call import Call
from api.database import Database
from api.people import pairs, proof
from api.people.grants import (
    ClientGrant,
    CodeGrant,
    PasswordGrant,
    Pkce,
    RefreshGrant,
    SecondFactorGrant,
)
from api.people.oauth_rows import ClientRow, client_with, customers_scope
from api.people.pairs import Holder, Pair, expiry_of, new_pair
from api.problem import CredentialsWrong, GrantRefused

# At its most talkative it writes tokens.
logging.getLogger("authlib").setLevel(logging.INFO)

SENTENCES = {"invalid_client": "Client credentials are invalid"}
SPENT = "What was sent in exchange for a token is not known, was used, or has expired."

T = TypeVar("T")


class Asked(OAuth2Request):  # type: ignore[misc]
    """A call as authlib reads it."""

    def __init__(self, fields: dict[str, Any]) -> None:
        # It would refuse plain http. Whether there is TLS before us is the operator's to say.
        super().__init__("POST", "https://rollcall.invalid/oauth/token", headers={})
        self.payload = BasicOAuth2Payload(fields)

    @property
    def form(self) -> dict[str, Any]:
        fields: dict[str, Any] = self.payload.data
        return fields


class Server(AuthorizationServer):  # type: ignore[misc]
    """What authlib asks, for one call, from a thread of anyio's."""

    def __init__(self, call: Call, fields: dict[str, Any]) -> None:
        super().__init__()
        self.call = call
        self.asked = Asked(fields)
        self.pair: Pair | None = None
        self.client: ClientRow | None = None  # once it has shown its credentials
        self.wanted = fields  # what is said of the token, by whichever half of a log-in
        self.proved_at: int | None = None  # as of which position somebody proved who they are
        for grant in (PasswordGrant, SecondFactorGrant, RefreshGrant, ClientGrant):
            self.register_grant(grant)
        self.register_grant(CodeGrant, [Pkce(required=True)])

    @property
    def database(self) -> Database:
        return self.call.cloud.database

    def wait_for(self, work: Callable[..., Coroutine[Any, Any, T]], *args: Any) -> T:
        """What the event loop finds out."""
        return from_thread.run(work, *args)

    def token(self) -> Pair:
        """What was asked for, issued. Raises GrantRefused, MfaRequired, or a Problem."""
        self.create_token_response(self.asked)
        assert self.pair is not None
        return self.pair

    def answer(self, grant: Any, user: Holder | None) -> str:
        """Where to send the browser of a user who agreed, or did not: None."""
        location: str = self.create_authorization_response(self.asked, user, grant)
        return location

    def query_client(self, client_id: str) -> ClientRow | None:
        return self.wait_for(client_with, self.call, client_id)

    def send_signal(self, name: str, *args: Any, client: ClientRow, **kwargs: Any) -> None:
        """The one signal there is: this client has shown its credentials."""
        self.client = client
        self.call.caller = replace(self.call.caller, client_id=client.client_id)

    def generate_token(
        self,
        grant_type: str,
        client: ClientRow,
        user: Holder | None = None,
        scope: str | None = None,
        **rest: Any,
    ) -> dict[str, Any]:
        holder = user or self.asked.user
        of_customer = holder is not None and holder.customer_id
        # What a client is limited to is not what its product's customers may do.
        allowed = customers_scope(scope) if of_customer else client.get_allowed_scope(scope)
        if allowed is None:
            raise InvalidScopeError
        # A client that stands for its owner shows its credentials again: no need to refresh.
        refreshable = grant_type != ClientGrant.GRANT_TYPE
        self.pair = new_pair(expiry_of(self.wanted), refreshable=refreshable)
        return {"scope": allowed}

    def save_token(self, token: dict[str, Any], request: Asked) -> None:
        assert self.pair is not None
        holder: Holder = request.user
        self.call.caller = replace(self.call.caller, grants=holder.grants)
        scopes, client_id = token["scope"].split(), request.client.client_id
        self.wait_for(pairs.issue, self.call, self.pair, holder, client_id, scopes)
        since = (self.call, holder.grants.holder, self.proved_at)
        if self.proved_at is not None and self.wait_for(proof.password_changed, *since):
            # Whoever changed the password meanwhile logged everybody out who was in by then.
            self.wait_for(pairs.take_back, self.call, self.pair.token_id)
            raise CredentialsWrong

    def create_oauth2_request(self, request: Asked) -> Asked:
        return request

    def handle_response(self, status: int, body: Any, headers: Any) -> str:
        """Where an authorization leads to."""
        location: str = dict(headers).get("Location", "")
        return location

    def handle_error_response(self, request: Asked, error: OAuth2Error) -> str:
        if isinstance(error, AccessDeniedError):
            return self.handle_response(*error())
        raise refused(error)


def refused(error: OAuth2Error) -> GrantRefused:
    """The same in our words where authlib has none, or has those of a programmer."""
    sentence = SENTENCES.get(error.error) or error.get_error_description()
    if error.error == "invalid_grant":
        sentence = error.get_error_description() or SPENT
    return GrantRefused(error=error.error, sentence=sentence or error.error)
