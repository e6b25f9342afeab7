"""Many addresses as one route: only those with as many parts as the path are looked at."""

from collections.abc import Sequence

from starlette.routing import BaseRoute, Match
from starlette.routing import Route as StarletteRoute
from starlette.types import Receive, Scope, Send

FOUND = "rollcall.address"
REST = ":path}"


class Addresses(BaseRoute):
    """The first address that fits takes the call; one that lacks the method says so if none does.

    No part of an address holds a slash, but for a REST that it ends with. A table of a hundred
    addresses, tried one after the other, costs a call as much as its token.
    """

    def __init__(self, routes: Sequence[StarletteRoute]) -> None:
        slashes = [route.path.count("/") for route in routes]
        self._by_slashes = [
            [
                route
                for route, least in zip(routes, slashes, strict=True)
                if least == many or (least < many and route.path.endswith(REST))
            ]
            for many in range(max(slashes, default=0) + 1)
        ]
        self._longer = [route for route in routes if route.path.endswith(REST)]

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] != "http":
            return Match.NONE, {}
        partial: tuple[Match, Scope] = (Match.NONE, {})
        many = scope["path"].count("/")
        for route in self._by_slashes[many] if many < len(self._by_slashes) else self._longer:
            match, child = route.matches(scope)
            if match is Match.FULL:
                return match, {**child, FOUND: route}
            if match is Match.PARTIAL and partial[0] is Match.NONE:
                partial = match, {**child, FOUND: route}
        return partial

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        found: StarletteRoute = scope[FOUND]
        await found.handle(scope, receive, send)
