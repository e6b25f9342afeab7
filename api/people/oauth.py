"""OAuth 2.0: where clients get their tokens, and where users agree that a client acts for them."""

from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from anyio import to_thread
from authlib.oauth2.rfc6749 import OAuth2Error
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import asdict
from starlette.responses import Response

from api.body import JSON
from api.call import Call
from api.people.authority import Server, refused
from api.people.credentials import WAITING_MAX, Password
from api.people.grants import MfaRequired
from api.people.pairs import LIFETIME_S_MAX, Holder, expiry_of
from api.people.proof import BASIC_CHARACTERS_MAX, OTP_CHARACTERS_MAX, address_of, basic_in
from api.problem import Busy, FieldInvalid, ScopeMissing, Trouble
from domain.names import EMAIL_CHARACTERS_MAX
from domain.scopes import EVERY_SCOPE

TEXT_CHARACTERS_MAX = 2_048
NOT_STORED = {"Cache-Control": "no-store"}

T = TypeVar("T")
Text = Annotated[str, Meta(max_length=TEXT_CHARACTERS_MAX)]
Challenge = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{43}$(?!\n)")]


class TokenWanted(Struct, frozen=True, omit_defaults=True):
    """Which fields are needed, the `grant_type` says. Without `expires_in`, in seconds, a token
    lasts 90 days; with 0 for ever. The client's id and secret may stand in a Basic header."""

    grant_type: Text
    client_id: Text = ""
    client_secret: Text = ""
    username: Annotated[str, Meta(max_length=EMAIL_CHARACTERS_MAX)] = ""
    password: Password = ""
    mfa_token: Text = ""
    otp: Annotated[str, Meta(max_length=OTP_CHARACTERS_MAX)] = ""
    refresh_token: Text = ""
    code: Text = ""
    code_verifier: Text = ""
    redirect_uri: Text = ""
    scope: Text = ""
    expires_in: Annotated[int, Meta(ge=0, le=LIFETIME_S_MAX)] | UnsetType = UNSET
    expires_at: Text = ""


class TokenObject(Struct, frozen=True):
    """The Particle API's token. `expires_in` is in seconds, 0 for ever."""

    token_type: str
    access_token: str
    expires_in: int
    refresh_token: str | UnsetType = UNSET


class Authorization(Struct, frozen=True):
    """What a client asks a user for, by the authorization code grant. PKCE is not optional."""

    response_type: Literal["code"]
    client_id: Text
    code_challenge: Challenge
    code_challenge_method: Literal["S256"]
    redirect_uri: Text = ""
    scope: Text = ""
    state: Text = ""


class Consent(Authorization, frozen=True):
    """The same, with the user's answer."""

    approve: bool = True


class ClientAsking(Struct, frozen=True):
    id: str
    name: str


class Question(Struct, frozen=True):
    """Who asks, for which scopes; `*` is all that the user may do."""

    client: ClientAsking
    scopes: list[str]
    redirect_uri: str


class Answered(Struct, frozen=True):
    """Where to send the user's browser."""

    redirect_uri: str


async def issue_token(call: Call, body: TokenWanted) -> Annotated[Response, TokenObject]:
    """Get a token: by password, one-time password, refresh token, code, or as a client."""
    await call.cloud.log_ins.must_be_open(address_of(call))
    fields = fields_of(call, body)
    expiry_of(fields)
    server = Server(call, fields)
    try:
        pair = await apart(call, server.token)
    except MfaRequired as needed:
        sentence = "A one-time password is needed to log in"
        trouble = Trouble(False, "mfa_required", sentence, mfa_token=needed.mfa_token)
        return unstored(trouble, 403)
    refresh_token = pair.refresh_token or UNSET
    return unstored(TokenObject("bearer", pair.access_token, pair.expires_in, refresh_token))


def fields_of(call: Call, body: Struct) -> dict[str, Any]:
    """What was sent, with the client's credentials from where they stand. Raises FieldInvalid."""
    fields = {name: value for name, value in asdict(body).items() if value not in ("", UNSET)}
    header = call.request.headers.get("authorization", "")
    if header.lower().startswith("basic"):
        credentials = basic_in(header)
        if credentials is None:
            reason = f"expected Basic with id:secret, of {BASIC_CHARACTERS_MAX} characters at most"
            raise FieldInvalid(field="Authorization", reason=reason)
        fields["client_id"], fields["client_secret"] = credentials
    return fields


async def show_authorization(call: Call, query: Authorization) -> Question:
    """What a client asks for, to be shown to the user who is to agree."""
    server = Server(call, fields_asked(query))
    grant = await authorized(call, lambda: server.get_consent_grant(server.asked))
    client = grant.request.client
    shown = ClientAsking(client.client_id, client.name)
    return Question(shown, grant.request.scope.split(), grant.redirect_uri)


async def answer_authorization(call: Call, body: Consent) -> Annotated[Response, Answered]:
    """Agree, or not, that a client acts for the caller: it is told so through the browser."""
    if EVERY_SCOPE not in call.caller.scopes:
        # What a token may not do, the one that came of it must not do either.
        raise ScopeMissing(scope=EVERY_SCOPE)
    server = Server(call, fields_asked(body))
    user = Holder(call.caller.user_id) if body.approve else None

    def decided() -> str:
        grant = server.get_consent_grant(server.asked)
        return server.answer(grant, user)

    return unstored(Answered(await authorized(call, decided)))


def fields_asked(asked: Authorization) -> dict[str, Any]:
    return {name: value for name, value in asdict(asked).items() if value != ""}


async def authorized(call: Call, work: Callable[[], T]) -> T:
    """What authlib says of an authorization. Raises GrantRefused."""
    try:
        return await apart(call, work)
    except OAuth2Error as error:
        raise refused(error) from None


async def apart(call: Call, work: Callable[[], T]) -> T:
    """In a thread, from which the event loop can be asked. Raises Busy."""
    if call.cloud.grants.statistics().tasks_waiting >= WAITING_MAX:
        raise Busy
    return await to_thread.run_sync(work, limiter=call.cloud.grants)


def unstored(reply: Struct, status: int = 200) -> Response:
    """A reply that holds a secret: no cache between us and the caller may keep it."""
    return Response(msgspec.json.encode(reply), status, NOT_STORED, media_type=JSON)
