"""Many addresses as one route: only those with as many parts as the path are looked at."""

from collections.abc import Sequence

from starlette.routing import BaseRoute, Match
from starlette.routing import Route as StarletteRoute
from starlette.types import Receive, Scope, Send

FOUND = "rollcall.address"


class Addresses(BaseRoute):
    """The first address that fits takes the call; one that lacks the method says so if none does.

    No part of an address may hold a slash. A table of a hundred addresses, tried one after the
    other, costs a call as much as its token.
    """

    def __init__(self, routes: Sequence[StarletteRoute]) -> None:
        self._by_slashes: dict[int, list[StarletteRoute]] = {}
        for route in routes:
            assert ":path}" not in route.path
            self._by_slashes.setdefault(route.path.count("/"), []).append(route)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] != "http":
            return Match.NONE, {}
        partial: tuple[Match, Scope] = (Match.NONE, {})
        for route in self._by_slashes.get(scope["path"].count("/"), ()):
            match, child = route.matches(scope)
            if match is Match.FULL:
                return match, {**child, FOUND: route}
            if match is Match.PARTIAL and partial[0] is Match.NONE:
                partial = match, {**child, FOUND: route}
        return partial

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        found: StarletteRoute = scope[FOUND]
        await found.handle(scope, receive, send)
