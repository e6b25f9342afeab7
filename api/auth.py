"""Who calls: a token, by its hash; whose it is, and what it and they were given."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from time import monotonic
from typing import Any

from msgspec import Struct
from starlette.requests import Request

from api.database import Database
from api.problem import TokenExpired, TokenInvalid, TokenMissing
from domain.holders import CUSTOMER_PREFIX, customer_in
from domain.log.fleet import Contended
from domain.roles import USER_PREFIX, Grants, Role, role_named
from domain.scopes import EVERYTHING

# A token taken away works no longer than this, and the time until the read model knows of it.
CACHED_S = 0.5
CACHED_TOKENS_MAX = 10_000
LOOKED_UP_AT_ONCE_MAX = 500
WAITING_MAX = 10_000

TOKENS = f"""
    SELECT t.token_hash, t.token_id, t.user_id, t.client_id, t.api_user_id, t.scopes, t.product_id,
           t.organization_id, t.expires_at,
           coalesce(a.administrator, false) AS administrator,
           coalesce(u.team, '') AS team, coalesce(u.scopes, '{{}}') AS team_scopes,
           (SELECT coalesce(jsonb_object_agg(m.team, m.role), '{{}}') FROM access.member m
            WHERE m.user_id = t.user_id AND m.state = 'member') AS teams,
           ARRAY (SELECT o.organization_id FROM access.organization o
                  WHERE o.owner = t.user_id) AS organizations
    FROM access.token t
    LEFT JOIN access.account a ON a.user_id = t.user_id AND NOT a.erased
    LEFT JOIN access.customer c
           ON c.customer_id = substr(t.user_id, {1 + len(CUSTOMER_PREFIX)}) AND NOT c.erased
    LEFT JOIN access.api_user u ON u.api_user_id = t.api_user_id
    WHERE t.token_hash = ANY(%s)
      AND (t.user_id = '' OR a.user_id IS NOT NULL OR c.product_id = t.product_id)
      AND (t.api_user_id = '' OR u.token_id = t.token_id)
"""


class TokenRow(Struct, frozen=True):
    """`user_id` may mean a customer: see domain/holders.py. `teams` are the roles by team,
    `organizations` those that the user owns."""

    token_hash: bytes
    token_id: str
    user_id: str
    client_id: str
    api_user_id: str
    scopes: list[str]
    product_id: int | None
    organization_id: str
    expires_at: datetime | None
    administrator: bool
    team: str
    team_scopes: list[str]
    teams: dict[str, str]
    organizations: list[str]


class Caller(Struct, frozen=True):
    """Somebody with a token that works, or NOBODY where none is needed."""

    token_id: str = ""
    token_hash: bytes = b""
    client_id: str = ""
    organization_id: str = ""
    expires_at: datetime | None = None
    grants: Grants = Grants()

    @property
    def user_id(self) -> str:
        return self.grants.user_id

    @property
    def api_user_id(self) -> str:
        return self.grants.api_user_id

    @property
    def administrator(self) -> bool:
        return self.grants.administrator

    @property
    def holder(self) -> str:
        """Whose devices and tokens the caller's are, as rows have it; empty for a program."""
        return self.grants.holder

    @property
    def product_id(self) -> int | None:
        """The one product that a product's own token, or a customer's, is for."""
        return self.grants.product_id

    @property
    def teams(self) -> Mapping[str, Role]:
        return self.grants.teams

    @property
    def scopes(self) -> frozenset[str]:
        """What the token is limited to."""
        return self.grants.limits

    @property
    def owner(self) -> str:
        """Whom what the caller makes belongs to, as events have it; empty if to no user."""
        return f"{USER_PREFIX}{self.user_id}" if self.user_id else ""

    @property
    def actor(self) -> str:
        """The caller, as events name who did it."""
        if self.user_id:
            return f"user:{self.user_id}"
        if self.grants.customer_id:
            return self.holder
        if self.api_user_id:
            return f"api-user:{self.api_user_id}"
        return f"client:{self.client_id}" if self.client_id else "nobody"


NOBODY = Caller()


class Callers:
    """Looks tokens up, and remembers for a moment what it found, or that there is nothing.

    Tokens asked for while one look is under way share the next one. However many callers there are,
    and however wrong their tokens, one connection is all that is spent on them.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = monotonic) -> None:
        self._database = database
        self._clock = clock
        self._known: dict[bytes, tuple[float, Caller]] = {}
        self._unknown: dict[bytes, float] = {}
        self._wanted: dict[bytes, asyncio.Future[Caller | None]] = {}
        self._looking: asyncio.Task[None] | None = None

    async def caller(self, request: Request) -> Caller:
        """Raises TokenMissing, TokenInvalid or TokenExpired; Contended if too many are waiting."""
        token_hash = hash_of(token_in(request))
        until, caller = self._known.get(token_hash, (0.0, None))
        if caller is None or self._clock() >= until:
            if self._clock() < self._unknown.get(token_hash, 0.0):
                raise TokenInvalid
            caller = await self._looked_up(token_hash)
        if caller is None:
            raise TokenInvalid
        if caller.expires_at is not None and caller.expires_at <= datetime.now(UTC):
            raise TokenExpired
        return caller

    def forget(self, caller: Caller) -> None:
        """What was remembered of the caller may be out of date: look again at the next call."""
        self._known.pop(caller.token_hash, None)

    async def _looked_up(self, token_hash: bytes) -> Caller | None:
        if token_hash not in self._wanted:
            if len(self._wanted) >= WAITING_MAX:
                raise Contended
            self._wanted[token_hash] = asyncio.get_running_loop().create_future()
        found = self._wanted[token_hash]
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        return await asyncio.shield(found)

    async def _look(self) -> None:
        """Looks up what is wanted, some at a time, until nothing is."""
        while self._wanted:
            batch = dict(list(self._wanted.items())[:LOOKED_UP_AT_ONCE_MAX])
            try:
                found = await self._read([*batch])
            except Exception as error:
                for token_hash, waiting in batch.items():
                    del self._wanted[token_hash]
                    waiting.set_exception(error)
                    waiting.exception()  # whoever waited may be gone
                continue
            for token_hash, waiting in batch.items():
                del self._wanted[token_hash]
                waiting.set_result(found.get(token_hash))

    async def _read(self, token_hashes: list[bytes]) -> dict[bytes, Caller]:
        async with self._database.reading() as rows:
            found = await rows.all(TokenRow, TOKENS, [token_hashes])
        callers = {row.token_hash: caller_of(row) for row in found}
        until = self._clock() + CACHED_S
        make_room(self._known, len(token_hashes))
        make_room(self._unknown, len(token_hashes))
        for token_hash in token_hashes:
            self._known.pop(token_hash, None)
            if caller := callers.get(token_hash):
                self._unknown.pop(token_hash, None)
                self._known[token_hash] = (until, caller)
            else:
                self._unknown[token_hash] = until
        return callers


def caller_of(row: TokenRow) -> Caller:
    roles = {team: role for team, name in row.teams.items() if (role := role_named(name))}
    return Caller(
        token_id=row.token_id,
        token_hash=row.token_hash,
        client_id=row.client_id,
        organization_id=row.organization_id,
        expires_at=row.expires_at,
        grants=Grants(
            user_id="" if customer_in(row.user_id) else row.user_id,
            customer_id=customer_in(row.user_id),
            administrator=row.administrator,
            teams={**roles, **dict.fromkeys(row.organizations, Role.OWNER)},
            api_user_id=row.api_user_id,
            team=row.team,
            team_scopes=frozenset(row.team_scopes),
            product_id=row.product_id,
            limits=EVERYTHING if "*:*" in row.scopes else frozenset(row.scopes),
        ),
    )


def make_room(remembered: dict[bytes, Any], number: int) -> None:
    """Everything is forgotten at once: it would be in a moment anyway."""
    if len(remembered) + number > CACHED_TOKENS_MAX:
        remembered.clear()


def hash_of(token: str) -> bytes:
    """All that is kept of a token."""
    return sha256(token.encode("utf-8", "surrogateescape")).digest()


def token_in(request: Request) -> str:
    """The token that a request carries: in its header, or in the query of a GET."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    if request.method in ("GET", "HEAD") and request.query_params.get("access_token"):
        return request.query_params["access_token"]
    raise TokenMissing
