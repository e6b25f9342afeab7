"""Who calls: a token, by its hash, and what it may do."""

from collections.abc import Callable
from hashlib import sha256
from time import monotonic

from msgspec import Struct
from starlette.requests import Request

from api.database import Database
from api.problem import ScopeMissing, TokenInvalid, TokenMissing

CACHED_S = 1.0  # a token taken away works no longer than this
CACHED_TOKENS_MAX = 10_000
EVERY_SCOPE = "*"

TOKEN = "SELECT label, scopes FROM api.token WHERE token_hash = %s"


class Token(Struct, frozen=True):
    label: str
    scopes: list[str]


class Caller(Struct, frozen=True):
    """Somebody with a token that works."""

    token_hash: bytes
    label: str
    scopes: frozenset[str]

    def must_have(self, scope: str) -> None:
        """Raises ScopeMissing."""
        if scope not in self.scopes and EVERY_SCOPE not in self.scopes:
            raise ScopeMissing(scope=scope)


class Callers:
    """Looks tokens up, and remembers them for a moment."""

    def __init__(self, database: Database, clock: Callable[[], float] = monotonic) -> None:
        self._database = database
        self._clock = clock
        self._known: dict[bytes, tuple[float, Caller]] = {}

    async def caller(self, request: Request) -> Caller:
        """Raises TokenMissing or TokenInvalid."""
        token_hash = sha256(token_in(request).encode("utf-8", "surrogateescape")).digest()
        until, caller = self._known.get(token_hash, (0.0, None))
        if caller is not None and self._clock() < until:
            return caller
        self._known.pop(token_hash, None)
        async with self._database.reading() as connection:
            token = await connection.one(Token, TOKEN, [token_hash])
        if token is None:
            raise TokenInvalid
        caller = Caller(token_hash, token.label, frozenset(token.scopes))
        if len(self._known) >= CACHED_TOKENS_MAX:
            self._known.clear()
        self._known[token_hash] = (self._clock() + CACHED_S, caller)
        return caller


def token_in(request: Request) -> str:
    """The token that a request carries: in its header, or in the query of a GET."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    if request.method in ("GET", "HEAD") and request.query_params.get("access_token"):
        return request.query_params["access_token"]
    raise TokenMissing
