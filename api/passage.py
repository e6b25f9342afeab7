"""How a call finds its way through a route: who, what, once, answered."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route as StarletteRoute

from api.addresses import REST
from api.auth import NOBODY, hash_of, token_in
from api.body import Body, receive
from api.call import Call, Cloud
from api.failure import answer_to
from api.fields import FORM_FIELDS_MAX, nested, understood
from api.gate import admitted
from api.idempotency import HEADER, Claim, fingerprint_of, key_of
from api.network import network_in
from api.problem import (
    DeviceUnrecognized,
    FieldInvalid,
    PermissionDenied,
    Problem,
    ScopeMissing,
    TokenInvalid,
)
from api.realms import Realm
from api.routing import (
    AT_LEAST_HEADER,
    BEHIND_HEADER,
    POSITION_DIGITS_MAX,
    POSITION_HEADER,
    REQUEST_HEADER,
    Route,
    request_id_of,
)
from api.views import Done

# What whoever lost a right is told, or the token by which they had it.
REFUSALS = (PermissionDenied, ScopeMissing, DeviceUnrecognized, TokenInvalid)
PREFIX = "{prefix}"  # of the names of device events, which may hold slashes
HEARTBEAT_S = 10.0  # a blank into a reply that takes long; JSON does not mind


def starlette_routes(routes: Sequence[Route]) -> list[StarletteRoute]:
    """Every address with all its methods. One that is spelled out goes before one in which a part
    could be anything, wherever they stand in the table."""
    addresses: dict[str, dict[str, Passage]] = {}
    for route in routes:
        addresses.setdefault(route.path, {})[route.method] = Passage(route)
    return [
        StarletteRoute(
            path.replace(PREFIX, f"{PREFIX[:-1]}{REST}"),
            address(methods),
            methods=[*methods, "OPTIONS"],
        )
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
        self._settled_answer = None if hints.get("return") is type(None) else Done()

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
                call.admit_again = partial(self._admit, call)
                try:
                    await self._admit(call)
                except REFUSALS as refusal:
                    return await self._answered_before(call, refusal)
            if self.route.takes_body:
                body = await self._receive(request)
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

    async def _receive(self, request: Request) -> Body:
        return await receive(request, self.route.bytes_max, files=self._takes_files)

    async def _answered_before(self, call: Call, refusal: Problem) -> Response:
        """What the same call was answered when its caller was still let in. Maybe it is this call
        that took the right away; and nobody learns from an answer that they had what comes in it.

        Raises the refusal for a call that was never let in, as far as its key tells; CallUnderWay.
        """
        key = self._key(call)
        if key is None or (isinstance(refusal, TokenInvalid) and not self.route.logs_out):
            raise refusal
        token = token_in(call.request)
        caller, calls = hash_of(token), call.cloud.calls
        if not await calls.knows(caller, key):
            raise refusal  # whoever never was let in has no body read
        with closing(await self._receive(call.request)) as body:
            fingerprint = self._fingerprint(call, body)
        found = await calls.earlier(token, caller, key, fingerprint)
        if isinstance(found, Response):
            return found
        answer = None if found is None else await self._settled(call, found)
        if found is None or answer is None:
            raise refusal
        await calls.conclude(found, answer)
        return answer

    def _key(self, call: Call) -> str | None:
        """None where none is heeded. Raises FieldInvalid."""
        heeded = self.route.keyed and self.route.takes_body
        return key_of(call.request.headers.get(HEADER)) if heeded else None

    def _fingerprint(self, call: Call, body: Body) -> bytes:
        url = call.request.url
        return fingerprint_of(self.route.method, f"{url.path}?{url.query}", body.digest)

    async def _once(self, call: Call, body: Body | None) -> Response:
        """The reply; the one of before where the call was made before under the same key."""
        try:
            key = self._key(call)
            if key is None or body is None:
                call.command = "" if body is None else secrets.token_hex(8)
                return await self._carried_out(call, body)
            fingerprint = self._fingerprint(call, body)
            token = token_in(call.request)
            claim = await call.cloud.calls.claim(token, call.caller.token_hash, key, fingerprint)
            if isinstance(claim, Response):
                return claim
            call.keyed, call.command, call.resumed = True, claim.command, claim.resumed
            call.broke_off = claim.broke_off
            answer = await self._carried_out(call, body, claim)
            await call.cloud.calls.conclude(claim, answer)
            return answer
        except Exception as error:
            return answer_to(error, call.request_id)
        finally:
            if body is not None:
                body.close()

    async def _settled(self, call: Call, claim: Claim) -> Response | None:
        """The reply to a call whose earlier try came to write, and died before it said so: what the
        path names may be there no longer. None where there is more to it than that."""
        if claim.since is None or not self.route.settles:
            return None
        call.command = claim.command
        position = await call.written_since(claim.since)
        if position is None:
            return None
        call.wrote(position)
        await call.settle()
        return positioned(call, to_response(self._settled_answer, self.route.status))

    async def _carried_out(
        self, call: Call, body: Body | None, claim: Claim | None = None
    ) -> Response:
        try:
            if claim is not None and (settled := await self._settled(call, claim)):
                return settled
            outcome = await self.route.handler(call, **self._arguments(call, body))
            if self.route.takes_body:
                await call.settle()
                if self.realm is Realm.OWN:
                    # Whoever accepts an invitation may go on at once with what it opens.
                    call.cloud.callers.forget(call.caller)
            answer = to_response(outcome, self.route.status)
        except Exception as error:
            answer = answer_to(error, call.request_id)
        return positioned(call, answer)

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


def positioned(call: Call, answer: Response) -> Response:
    """The reply, with how far the log came, and what else its head says."""
    answer.headers.update(call.headers)
    if call.position is not None:
        answer.headers[POSITION_HEADER] = str(call.position)
    if call.behind:
        answer.headers[BEHIND_HEADER] = ", ".join(call.behind)
    return answer


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
