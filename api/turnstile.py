"""The first look at a call: which address it comes from, and whether that may go on calling."""

from collections.abc import Iterable

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from api.failure import answer_to
from api.limits import REQUESTS
from api.network import FORWARDED_HEADER, caller_address, network_of
from api.problem import TooManyRequests
from api.routing import REQUEST_HEADER, request_id_of

FREE = ("/health", "/ready")  # asked by who keeps the process running


class Turnstile:
    """Puts the caller's address into the scope, and turns away who has called too often.

    It stands behind CORS: a browser's preflight does not count, and its pages can read a refusal.
    """

    def __init__(self, app: ASGIApp, proxies: int) -> None:
        """`proxies` is how many proxies of our own a call comes through."""
        self._app = app
        self._proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in FREE:
            peer, port = scope.get("client") or ("", 0)
            # Read only where it can be believed.
            forwarded = forwarded_in(scope["headers"]) if self._proxies else []
            address = caller_address(peer, forwarded, self._proxies)
            scope["client"] = (address, port)
            if scope["method"] != "OPTIONS":
                try:
                    scope["app"].state.cloud.limits.spend(REQUESTS, network_of(address))
                except TooManyRequests as refused:
                    # Cheap to answer: not a byte of the body is read.
                    request_id = request_id_of(Request(scope))
                    answer = answer_to(refused, request_id)
                    answer.headers[REQUEST_HEADER] = request_id
                    await answer(scope, receive, send)
                    return
        await self._app(scope, receive, send)


def forwarded_in(headers: Iterable[tuple[bytes, bytes]]) -> list[str]:
    """What proxies wrote, in the order in which they stand between the caller and us."""
    return [
        address
        for name, value in headers
        if name == FORWARDED_HEADER
        for address in value.decode("latin-1").split(",")
    ]
