"""Guessing passwords is slowed down: for an address that keeps failing, and for an account that is
guessed at from many.

What is asked and answered is the same whether the account exists or not.
"""

from asyncio import Semaphore
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from math import ceil

from api.database import Database
from api.limits import Limit
from api.network import network_of
from api.problem import TooManyBadLogIns
from domain.user import normal_email

ADDRESS = "address"
ACCOUNT = "account"
ACCOUNT_DELAY_S_MIN = 1  # doubled with each further failure, up to what an address has to wait
FORGOTTEN_H = 24  # failures further apart are not in a row
TRIED_AT_ONCE_MAX = 4  # at one account, in one process: the rest find out what came of those

BLOCKED = """
    SELECT extract(epoch FROM max(blocked_until) - clock_timestamp())::float8 FROM api.bad_log_in
    WHERE (kind, key) IN (('address', %s), ('account', %s)) AND blocked_until > clock_timestamp()
"""
FAILED = f"""
    INSERT INTO api.bad_log_in AS known (kind, key, failures, last_at)
    VALUES (%s, %s, 1, clock_timestamp())
    ON CONFLICT (kind, key) DO UPDATE SET last_at = excluded.last_at, failures = CASE
        WHEN known.last_at < excluded.last_at - interval '{FORGOTTEN_H} hours' THEN 1
        ELSE known.failures + 1 END
    RETURNING failures
"""
BLOCK = """
    UPDATE api.bad_log_in SET blocked_until = clock_timestamp() + make_interval(secs => %s)
    WHERE kind = %s AND key = %s
"""
FORGET = """
    DELETE FROM api.bad_log_in WHERE (kind, key) IN (('address', %s), ('account', %s))
"""


@dataclass
class Queue:
    """Those who try one account now, and those who wait to: `people` are both."""

    turns: Semaphore = field(default_factory=lambda: Semaphore(TRIED_AT_ONCE_MAX))
    people: int = 0


class LogIns:
    """Who failed to log in how often in a row, as all processes know it."""

    def __init__(
        self, database: Database, limit: Limit | None, digest: Callable[[str], bytes]
    ) -> None:
        """Without a limit nothing is slowed down. `digest` is keyed: what was typed is not kept."""
        self._database = database
        self._limit = limit
        self._digest = digest
        self._queues: dict[str, Queue] = {}

    @asynccontextmanager
    async def turn(self, address: str, account: str) -> AsyncIterator["Turn"]:
        """A try at an account, from an address; its outcome is to be said to the turn.

        Only a few go on at once: a thousand guesses that come together are not all made before the
        first of them has failed. Raises TooManyBadLogIns where the address or the account has to
        wait.
        """
        if self._limit is None:
            yield Turn(self._database, None, "", "")
            return
        who, name = network_of(address), self._digest(normal_email(account)).hex()
        queue = self._queues.setdefault(name, Queue())
        queue.people += 1
        try:
            async with queue.turns:
                await self._must_be_open(who, name)
                yield Turn(self._database, self._limit, who, name)
        finally:
            queue.people -= 1
            if not queue.people:
                del self._queues[name]

    async def must_be_open(self, address: str) -> None:
        """Raises TooManyBadLogIns where the address has to wait, whatever it asks for."""
        if self._limit is not None:
            await self._must_be_open(network_of(address), "")

    async def _must_be_open(self, who: str, name: str) -> None:
        async with self._database.writing() as rows:
            blocked_s = await rows.value(BLOCKED, [who, name])
        if blocked_s is not None:
            raise TooManyBadLogIns(retry_s=max(1, ceil(blocked_s)))


@dataclass(frozen=True)
class Turn:
    """One try at an account."""

    database: Database
    limit: Limit | None
    who: str
    name: str

    async def failed(self) -> None:
        """One more in a row, of the address and of the account."""
        if self.limit is None:
            return
        async with self.database.writing() as rows:
            for kind, key in ((ADDRESS, self.who), (ACCOUNT, self.name)):
                failures = await rows.value(FAILED, [kind, key])
                wait_s = wait_after(kind, failures, self.limit)
                if wait_s:
                    await rows.do(BLOCK, [wait_s, kind, key])

    async def succeeded(self) -> None:
        """Whatever failed before is no longer in a row."""
        if self.limit is not None:
            async with self.database.writing() as rows:
                await rows.do(FORGET, [self.who, self.name])


def wait_after(kind: str, failures: int, limit: Limit) -> int:
    """How many seconds nobody may try after so many failures in a row; 0 if at once.

    An address waits the whole time after every ten. An account, whose owner is not the one who
    guesses, waits little at first, and longer each time.
    """
    if kind == ADDRESS:
        return limit.window_s if failures % limit.most == 0 else 0
    if failures < limit.most:
        return 0
    doublings = min(failures - limit.most, limit.window_s.bit_length())
    return min(limit.window_s, ACCOUNT_DELAY_S_MIN << doublings)
