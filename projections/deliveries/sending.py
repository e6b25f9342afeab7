"""One request goes out: to an address that may be reached, for so long, reading so much."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from time import monotonic
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

import aiohttp
from msgspec import Struct
from msgspec.structs import replace
from yarl import URL

from projections.deliveries.addresses import INTERNET, Reach, socket_within
from projections.integrations.request import Request

TIMEOUT_S = 20.0  # of everything: names, connections, redirects, the answer to its end
RESPONSE_BYTES_MAX = 100 * 1024
REDIRECTS_MAX = 3
CONNECTIONS_MAX = 512  # as many as a worker has lanes: who waits for one loses time
IDLE_S = 3.0  # less than any server keeps a connection: one that it closes loses a request
HEADER_BYTES_MAX = 8 * 1024
ERROR_CHARACTERS_MAX = 500
READ_BYTES = 16 * 1024
REDIRECTS = frozenset({301, 302, 303, 307, 308})
SEE_OTHER = 303
# Of the headers those that another server may see too.
HARMLESS = frozenset(
    {"accept", "content-type", "user-agent", "webhook-id", "webhook-timestamp", "webhook-signature"}
)

Pairs = tuple[tuple[str, str], ...]


class Limits(Struct, frozen=True):
    """How far a request goes, how long it may take, and how much of an answer is read."""

    reach: Reach = INTERNET
    timeout_s: float = TIMEOUT_S
    response_bytes_max: int = RESPONSE_BYTES_MAX
    redirects_max: int = REDIRECTS_MAX


class Outcome(NamedTuple):
    """What came of a request: an answer, or the `error` in words. `body` may be cut off."""

    status: int | None = None
    headers: Pairs = ()
    body: bytes = b""
    error: str = ""
    took_ms: int = 0

    @property
    def is_delivered(self) -> bool:
        return not self.error and self.status is not None and 200 <= self.status < 300

    def header(self, name: str) -> str:
        """The first one of that name, in lower case; empty if there is none."""
        return next((text for known, text in self.headers if known.lower() == name), "")


class Sender:
    """Sends requests, many at a time, over connections that it keeps for a moment."""

    def __init__(self, session: aiohttp.ClientSession, limits: Limits) -> None:
        self._session = session
        self._limits = limits

    async def send(self, request: Request) -> Outcome:
        """Never raises for what the world does."""
        began = monotonic()
        try:
            async with asyncio.timeout(self._limits.timeout_s):
                outcome = await self._follow(request)
        except TimeoutError:
            outcome = Outcome(error=f"no whole answer within {self._limits.timeout_s:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            outcome = Outcome(error=said_of(error))
        if not outcome.error and not outcome.is_delivered:
            host = urlsplit(request.url).hostname
            outcome = outcome._replace(error=f"error status {outcome.status} from {host}")
        return outcome._replace(took_ms=round((monotonic() - began) * 1000))

    async def _follow(self, request: Request) -> Outcome:
        """Where a server sends us on, what was to be delivered is taken there as it is."""
        for _ in range(self._limits.redirects_max + 1):
            outcome = await self._ask(request)
            if outcome.status not in REDIRECTS or not (target := outcome.header("location")):
                return outcome
            request = redirected(request, outcome.status, target)
        return outcome._replace(error=f"more than {self._limits.redirects_max} redirects")

    async def _ask(self, request: Request) -> Outcome:
        try:
            return await self._exchange(request)
        except aiohttp.ServerDisconnectedError:
            # Mostly a connection that it was about to close. If not, its repetition bears one id.
            return await self._exchange(request)

    async def _exchange(self, request: Request) -> Outcome:
        async with self._session.request(
            request.method,
            URL(request.url, encoded=True),
            headers=request.headers,
            data=request.body or None,
            ssl=request.verify_tls,
            allow_redirects=False,
        ) as response:
            body = await read(response, self._limits.response_bytes_max)
            headers = tuple(response.headers.items())
            return Outcome(response.status, headers, body)


async def read(response: aiohttp.ClientResponse, bytes_max: int) -> bytes:
    """The answer, or its beginning: the connection to one who goes on for ever is given up."""
    content, found = response.content, bytearray()
    while len(found) < bytes_max and not content.at_eof():
        found += await content.read(min(READ_BYTES, bytes_max - len(found)))
    if not content.at_eof():
        response.close()
    return bytes(found)


def redirected(request: Request, status: int, target: str) -> Request:
    """The same for another address; what only the first server may know does not go along.

    Raises ValueError for an address that nothing is delivered to.
    """
    url = urljoin(request.url, target)
    before, after = urlsplit(request.url), urlsplit(url)
    if after.scheme not in ("http", "https") or not after.hostname:
        raise ValueError("redirected to what is no address")
    if before.scheme == "https" and after.scheme != "https":
        raise ValueError("redirected from https to http")
    if after.username is not None or after.password is not None:
        raise ValueError("redirected to an address with a password in it")
    if (before.scheme, before.netloc) != (after.scheme, after.netloc):
        kept = tuple(pair for pair in request.headers if pair[0].lower() in HARMLESS)
        request = replace(request, headers=kept)
    if status == SEE_OTHER:
        return replace(request, url=url, method="GET", body=b"")
    return replace(request, url=url)


def said_of(error: Exception) -> str:
    """What happened, for people."""
    if isinstance(error, aiohttp.ClientConnectorError) and error.os_error.args:
        error = error.os_error  # which says why
    words = " ".join(str(error).split()) or type(error).__name__
    return words[:ERROR_CHARACTERS_MAX]


@asynccontextmanager
async def sender(limits: Limits) -> AsyncIterator[Sender]:
    """What sends requests until the end of the block."""
    connector = aiohttp.TCPConnector(
        limit=CONNECTIONS_MAX,
        keepalive_timeout=IDLE_S,
        socket_factory=socket_within(limits.reach),
    )
    async with aiohttp.ClientSession(
        connector=connector,
        headers=ALWAYS,
        skip_auto_headers=("Content-Type", "User-Agent"),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=NO_TIMEOUT,  # one that holds for the whole is set around each request
        auto_decompress=False,
        max_line_size=HEADER_BYTES_MAX,
        max_field_size=HEADER_BYTES_MAX,
    ) as session:
        yield Sender(session, limits)


ALWAYS: Mapping[str, str] = {"Accept-Encoding": "identity"}
NO_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=None)


async def send(request: Request, limits: Limits) -> Outcome:
    """One request alone. Never raises for what the world does."""
    async with sender(limits) as alone:
        return await alone.send(request)
