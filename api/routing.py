"""What a route is, and how a call finds its way through one: who, what, once, answered."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from re import compile as regex
from typing import Any, get_type_hints
from urllib.parse import parse_qsl

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route as StarletteRoute

from api.auth import NOBODY, token_in
from api.body import SMALL_BYTES_MAX, Body, receive
from api.call import Call, Cloud
from api.failure import answer_to
from api.fields import FORM_FIELDS_MAX, nested, understood
from api.gate import admitted
from api.idempotency import HEADER, fingerprint_of, key_of
from api.multipart import File
from api.network import network_in
from api.problem import FieldInvalid, PermissionDenied, ScopeMissing
from api.realms import Realm, realm_of

POSITION_HEADER = "X-Rollcall-Position"
BEHIND_HEADER = "X-Rollcall-Behind"
AT_LEAST_HEADER = "X-Rollcall-At-Least"
REQUEST_HEADER = "X-Request-Id"
REQUEST_ID = regex(r"[A-Za-z0-9._:-]{1,64}")
POSITION_DIGITS_MAX = 18
HEARTBEAT_S = 10.0  # a blank into a reply that takes long; JSON does not mind

Files = tuple[File, ...]
Handler = Callable[..., Awaitable[Any]]


# The scope of what anybody may do, without a token. The call's caller is then NOBODY.
ANONYMOUS = "anonymous"


class ScopeUnnamed(Exception):
    """A route without a scope would be open to everybody."""


class Route(Struct, frozen=True):
    """One line of the table of routes.

    Its scope must be held over what the path names: see `realm_of`, or name the `realm`. `also` are
    statuses that it may answer and that its method and address do not tell. A `slow` route may take
    minutes. `limit` is what one address may have of it, beyond the limit of all requests. What a
    `secret` route takes or answers is kept nowhere, not even as a hash: a password stands in it.
    """

    method: str
    path: str
    handler: Handler
    scope: str
    status: int = 200
    bytes_max: int = SMALL_BYTES_MAX
    slow: bool = False
    also: tuple[int, ...] = ()
    realm: Realm | None = None
    limit: str = ""
    secret: bool = False

    def __post_init__(self) -> None:
        if not self.scope:
            raise ScopeUnnamed(f"{self.method} {self.path}")
        if not self.anonymous:
            _ = self.over

    @property
    def anonymous(self) -> bool:
        return self.scope == ANONYMOUS

    @property
    def keyed(self) -> bool:
        """Whether an Idempotency-Key is heeded: a secret is not kept to be said again, and nobody
        in particular has no keys of their own."""
        return not self.anonymous and not self.secret

    @property
    def over(self) -> Realm:
        """What the scope must be held over. Raises RealmUnknown."""
        return self.realm or realm_of(self.path, self.scope)

    @property
    def hints(self) -> Mapping[str, Any]:
        return get_type_hints(self.handler, include_extras=True)

    @property
    def takes_body(self) -> bool:
        return self.method not in ("GET", "HEAD")


def starlette_routes(routes: Sequence[Route]) -> list[StarletteRoute]:
    """Every address with all its methods. One that is spelled out goes before one in which a part
    could be anything, wherever they stand in the table."""
    addresses: dict[str, dict[str, Passage]] = {}
    for route in routes:
        addresses.setdefault(route.path, {})[route.method] = Passage(route)
    return [
        StarletteRoute(path, address(methods), methods=[*methods, "OPTIONS"])
        for path, methods in sorted(addresses.items(), key=lambda address: address[0].count("{"))
    ]


def address(methods: Mapping[str, "Passage"]) -> Callable[[Request], Awaitable[Response]]:
    allowed = ", ".join(sorted({*methods, "OPTIONS"} | ({"HEAD"} if "GET" in methods else set())))

    async def answer(request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(status_code=204, headers={"Allow": allowed})
        return await methods["GET" if request.method == "HEAD" else request.method](request)

    return answer


class Passage:
    """A route as it works."""

    def __init__(self, route: Route) -> None:
        self.route = route
        self.realm = Realm.OWN if route.anonymous else route.over
        hints = route.hints
        self._query: type[Struct] | None = hints.get("query")
        self._body: type[Struct] | None = hints.get("body")
        self._takes_files = "files" in hints

    async def __call__(self, request: Request) -> Response:
        request_id = request_id_of(request)
        answer = await self._answer(request, request_id)
        answer.headers[REQUEST_HEADER] = request_id
        return answer

    async def _answer(self, request: Request, request_id: str) -> Response:
        cloud: Cloud = request.app.state.cloud
        body: Body | None = None
        try:
            if self.route.limit:
                cloud.limits.spend(self.route.limit, network_in(request))
            call = Call(request, cloud, NOBODY, request_id)
            if not self.route.anonymous:
                await self._admit(call)
            if self.route.takes_body:
                body = await receive(request, self.route.bytes_max, files=self._takes_files)
            elif at_least := at_least_of(request):
                call.behind = await cloud.followed.behind(at_least)
        except Exception as error:
            return answer_to(error, request_id)
        if not self.route.slow:
            return await self._once(call, body)
        work = asyncio.ensure_future(self._once(call, body))
        done, _ = await asyncio.wait([work], timeout=HEARTBEAT_S)
        return work.result() if done else StreamingResponse(late(work), media_type=JSON)

    async def _admit(self, call: Call) -> None:
        """Nobody is refused for what was remembered of them: what they were just given works at
        once. Raises as the gate does, and as it does who looks up tokens."""
        callers, places, parts = call.cloud.callers, call.cloud.places, call.request.path_params
        call.caller = await callers.caller(call.request)
        try:
            call.place = await admitted(places, call.caller, self.route.scope, self.realm, parts)
        except (PermissionDenied, ScopeMissing):
            callers.forget(call.caller)
            places.forget(parts.get("product") or parts.get("org", ""))
            call.caller = await callers.caller(call.request)
            call.place = await admitted(places, call.caller, self.route.scope, self.realm, parts)

    async def _once(self, call: Call, body: Body | None) -> Response:
        """The reply; the one of before where the call was made before under the same key."""
        try:
            key = key_of(call.request.headers.get(HEADER)) if body is not None else None
            if key is None or body is None or not self.route.keyed:
                call.command = "" if body is None else secrets.token_hex(8)
                return await self._carried_out(call, body)
            url = call.request.url
            fingerprint = fingerprint_of(self.route.method, f"{url.path}?{url.query}", body.digest)
            token = token_in(call.request)
            claim = await call.cloud.calls.claim(token, call.caller.token_hash, key, fingerprint)
            if isinstance(claim, Response):
                return claim
            call.keyed, call.command, call.resumed = True, claim.command, claim.resumed
            call.broke_off = claim.broke_off
            answer = await self._carried_out(call, body)
            await call.cloud.calls.conclude(claim, answer)
            return answer
        except Exception as error:
            return answer_to(error, call.request_id)
        finally:
            if body is not None:
                body.close()

    async def _carried_out(self, call: Call, body: Body | None) -> Response:
        try:
            outcome = await self.route.handler(call, **self._arguments(call, body))
            if self.route.takes_body:
                await call.settle()
                if self.realm is Realm.OWN:
                    # Whoever accepts an invitation may go on at once with what it opens.
                    call.cloud.callers.forget(call.caller)
            answer = to_response(outcome, self.route.status)
        except Exception as error:
            answer = answer_to(error, call.request_id)
        if call.position is not None:
            answer.headers[POSITION_HEADER] = str(call.position)
        if call.behind:
            answer.headers[BEHIND_HEADER] = ", ".join(call.behind)
        return answer

    def _arguments(self, call: Call, body: Body | None) -> dict[str, Any]:
        arguments: dict[str, Any] = {}
        if self._query is not None:
            arguments["query"] = understood(self._query, query_of(call.request), lax=True)
        if self._body is not None and body is not None:
            arguments["body"] = understood(self._body, body.fields, lax=body.lax)
        if self._takes_files and body is not None:
            arguments["files"] = body.files
        return arguments


JSON = "application/json"
encode = msgspec.json.Encoder().encode


def to_response(outcome: Any, status: int) -> Response:
    if isinstance(outcome, Response):
        return outcome
    if outcome is None:
        return Response(status_code=204)
    return Response(encode(outcome), status, media_type=JSON)


async def late(work: asyncio.Future[Response]) -> AsyncIterator[bytes]:
    """Blanks until the reply is there, then the reply. If it is an error, the connection breaks
    off: the status is sent already, and nobody may take an error for a success."""
    while not work.done():
        yield b"\n"
        await asyncio.wait([work], timeout=HEARTBEAT_S)
    answer = work.result()
    if answer.status_code >= 400:
        raise ConnectionAbortedError(bytes(answer.body).decode())
    yield bytes(answer.body)


def request_id_of(request: Request) -> str:
    """The caller's own, where it can be one; else a new one."""
    given = request.headers.get(REQUEST_HEADER, "")
    return given if REQUEST_ID.fullmatch(given) else secrets.token_hex(8)


def at_least_of(request: Request) -> int | None:
    """The position that a read must reflect. Raises FieldInvalid if it is none."""
    given = request.query_params.get("at_least", request.headers.get(AT_LEAST_HEADER))
    if given is None:
        return None
    if not given.isascii() or not given.isdigit() or len(given) > POSITION_DIGITS_MAX:
        raise FieldInvalid(field="at_least", reason="expected a position of the log")
    return int(given)


def query_of(request: Request) -> dict[str, Any]:
    """Raises FieldInvalid."""
    try:
        return nested(
            parse_qsl(
                request.url.query, max_num_fields=FORM_FIELDS_MAX, errors="strict", encoding="utf-8"
            )
        )
    except ValueError as error:
        raise FieldInvalid(field="query", reason=str(error)) from None
