"""What a route is: one line of the table of them, and what a call through it must bring."""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from re import compile as regex
from typing import Any, get_type_hints

from msgspec import Struct
from starlette.requests import Request

from api.body import SMALL_BYTES_MAX
from api.multipart import File
from api.realms import Realm, realm_of

POSITION_HEADER = "X-Rollcall-Position"
BEHIND_HEADER = "X-Rollcall-Behind"
AT_LEAST_HEADER = "X-Rollcall-At-Least"
REQUEST_HEADER = "X-Request-Id"
REQUEST_ID = regex(r"[A-Za-z0-9._:-]{1,64}")
POSITION_DIGITS_MAX = 18

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
    A route that `settles` writes to one stream at once, and says no more than that it did.
    One that `logs_out` ends the token that it is called with.
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
    settles: bool = False
    logs_out: bool = False

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


def request_id_of(request: Request) -> str:
    """The caller's own, where it can be one; else a new one."""
    given = request.headers.get(REQUEST_HEADER, "")
    return given if REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
