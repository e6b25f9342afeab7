"""How much of what one address or user may have, counted in each process and shared by them all.

Counts are in memory, so that no request waits for one. Twice a second a single statement adds what
is new to the sum over all processes, and brings the sum back: a limit is overrun by what arrives in
that half second, and by no more.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from math import ceil

import psycopg
from msgspec import Struct
from psycopg_pool import PoolTimeout

from api.database import Database
from api.problem import TooManyRequests

log = logging.getLogger("rollcall.api")

SHARE_S = 0.5
KEYS_MAX = 100_000  # remembered of each limit; beyond, the oldest is forgotten
KEYS_SHARED_AT_ONCE = 5_000

OFF = "off"
AT_A_TIME = 0  # no window
REQUESTS = "requests"  # everything but the two that ask whether the process serves
OAUTH_TOKEN = "oauth_token"
TOKENS_LISTED = "access_tokens_get"
TOKENS_REVOKED = "access_tokens_delete"
SIGN_UP = "sign_up"
USER_DELETED = "user_delete"
PASSWORD_RESET = "password_reset"
SERIAL_NUMBERS = "serial_numbers"  # counted by user, as the next; all others are by address
RESET_MAILS = "reset_mails"
EVENT_STREAMS = "event_streams"  # opened
INTEGRATION_TESTS = "integration_tests"
OPEN_STREAMS = "open_streams"  # at the same time, of each process; see api/said/open_streams.py
BAD_LOG_INS = "bad_log_ins"  # in a row; not counted here, see api/people/log_ins.py

# Rows are taken in one order by everybody: two processes never wait for each other in a circle.
SHARE = """
    INSERT INTO api.spent (limit_name, key, ends_at, spent)
    SELECT name, key, to_timestamp(ends_at), fresh
    FROM unnest(%s::text[], %s::text[], %s::bigint[], %s::bigint[]) AS t (name, key, ends_at, fresh)
    ORDER BY name, key, ends_at
    ON CONFLICT (limit_name, key, ends_at) DO UPDATE SET spent = spent.spent + excluded.spent
    RETURNING limit_name AS name, key, extract(epoch FROM ends_at)::bigint AS ends_at, spent
"""


class Limit(Struct, frozen=True):
    """At most so many in a window, or at a time. Windows begin at multiples of their length,
    everywhere alike."""

    name: str
    most: int
    window_s: int


# As the Particle API documents them; how often one person is mailed a code is ours.
LIMITS = (
    Limit(REQUESTS, 10_000, 300),
    Limit(OAUTH_TOKEN, 100, 300),
    Limit(TOKENS_LISTED, 100, 300),
    Limit(TOKENS_REVOKED, 100, 300),
    Limit(SIGN_UP, 100, 300),
    Limit(USER_DELETED, 100, 300),
    Limit(PASSWORD_RESET, 100, 300),
    Limit(SERIAL_NUMBERS, 50, 3_600),
    Limit(RESET_MAILS, 5, 3_600),
    Limit(EVENT_STREAMS, 100, 300),
    Limit(INTEGRATION_TESTS, 100, 300),
    Limit(OPEN_STREAMS, 100, AT_A_TIME),
    Limit(BAD_LOG_INS, 10, 1_800),
)


class LimitsMalformed(ValueError):
    """The wanted limits cannot be read."""


def limits_wanted(text: str) -> tuple[Limit, ...]:
    """The limits with the changes wanted: `off`, or `name=off`, `name=most/seconds` with commas
    between; of what is limited at a time, `name=most`. Raises LimitsMalformed."""
    if text.strip() == OFF:
        return ()
    limits = {limit.name: limit for limit in LIMITS}
    for change in filter(None, (part.strip() for part in text.split(","))):
        name, _, wanted = change.partition("=")
        if name not in limits:
            raise LimitsMalformed(f"there is no limit {name!r}; there are {', '.join(limits)}")
        if wanted == OFF:
            del limits[name]
            continue
        most, _, window_s = wanted.partition("/")
        if limits[name].window_s == AT_A_TIME:
            if not is_number(wanted):
                raise LimitsMalformed(f"{change!r} is not name=most")
            limits[name] = Limit(name, int(most), AT_A_TIME)
            continue
        if not all(is_number(number) for number in (most, window_s)):
            raise LimitsMalformed(f"{change!r} is not name=most/seconds")
        limits[name] = Limit(name, int(most), int(window_s))
    return tuple(limits.values())


def is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and 0 < int(text) <= 1_000_000_000


class Spent(Struct, frozen=True):
    """A row: what all processes together counted."""

    name: str
    key: str
    ends_at: int
    spent: int


class Window:
    """A limit at work. `known` is the sum as it was last told, `fresh` what came here since."""

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self.ends_at = 0  # in seconds since 1970
        self.known: OrderedDict[str, int] = OrderedDict()
        self.fresh: OrderedDict[str, int] = OrderedDict()

    def spend(self, key: str, now: float) -> None:
        """Raises TooManyRequests."""
        if now >= self.ends_at:
            self._open(now)
        fresh = self.fresh.get(key, 0)
        if self.known.get(key, 0) + fresh >= self.limit.most:
            raise TooManyRequests(retry_s=max(1, ceil(self.ends_at - now)))
        self.fresh[key] = fresh + 1
        if len(self.fresh) > KEYS_MAX:
            self.fresh.popitem(last=False)

    def learn(self, spent: Spent, told: int) -> None:
        """What the sum is with what was told; both may be of a window that is over."""
        if spent.ends_at != self.ends_at:
            return
        left = self.fresh.get(spent.key, 0) - told
        if left > 0:
            self.fresh[spent.key] = left
        else:
            self.fresh.pop(spent.key, None)
        self.known[spent.key] = spent.spent
        if len(self.known) > KEYS_MAX:
            self.known.popitem(last=False)

    def _open(self, now: float) -> None:
        length_s = self.limit.window_s
        self.ends_at = (int(now) // length_s + 1) * length_s
        self.known = OrderedDict()
        self.fresh = OrderedDict()


class Limits:
    """Every limit at work in this process."""

    def __init__(
        self,
        database: Database,
        limits: Iterable[Limit] = LIMITS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Limits left out do not exist: whatever is spent of them is free."""
        self.of: Mapping[str, Limit] = {limit.name: limit for limit in limits}
        self._database = database
        self._windows = {
            limit.name: Window(limit)
            for limit in limits
            if limit.name not in (OPEN_STREAMS, BAD_LOG_INS)
        }
        self._clock = clock

    def spend(self, name: str, key: str) -> None:
        """Count one for that address or user. Raises TooManyRequests where none is left; what is
        refused is not counted."""
        window = self._windows.get(name)
        if window is not None:
            window.spend(key, self._clock())

    def has(self, name: str, key: str) -> bool:
        """Whether there was one left, which then is counted: for what is not refused but left
        out."""
        try:
            self.spend(name, key)
        except TooManyRequests:
            return False
        return True

    async def share(self) -> None:
        """Until cancelled. With the database out of reach, each process counts on its own."""
        while True:
            await asyncio.sleep(SHARE_S)
            try:
                await self.tell()
            except (psycopg.OperationalError, PoolTimeout) as error:
                log.warning("limits are not shared just now: %s", error)

    async def tell(self) -> None:
        """Add what is new to the sums, and learn them. Raises psycopg's errors and PoolTimeout."""
        fresh = {
            (name, key): (window.ends_at, count)
            for name, window in self._windows.items()
            for key, count in islice(window.fresh.items(), KEYS_SHARED_AT_ONCE)
        }
        if not fresh:
            return
        columns = zip(*((*who, *what) for who, what in fresh.items()), strict=True)
        async with self._database.writing() as rows:
            sums = await rows.all(Spent, SHARE, [list(column) for column in columns])
        for spent in sums:
            self._windows[spent.name].learn(spent, fresh[spent.name, spent.key][1])
