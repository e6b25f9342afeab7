"""Circuits: a server that fails again and again is left alone for a while, by every worker.

Afterwards one delivery alone goes there; with its success everything flows again.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from psycopg import AsyncConnection

FAILURES_MAX = 10  # in a row, over all workers
PAUSE_S_MIN = 15.0  # doubled each time that it fails again
PAUSE_S_MAX = 600.0
PROBE = timedelta(seconds=30)  # how long one that tries keeps others from trying
KNOWN_MAX = 10_000

OPEN = "SELECT host, open_until FROM outbound.circuit WHERE open_until IS NOT NULL LIMIT %s"
TRY = """
    UPDATE outbound.circuit SET open_until = %s WHERE host = %s AND open_until <= %s RETURNING host
"""
# In one order: of two workers who learn about the same servers, one waits.
LOCK = "SELECT host FROM outbound.circuit WHERE host = ANY(%s) ORDER BY host FOR UPDATE"
CLOSE = "DELETE FROM outbound.circuit WHERE host = ANY(%s)"
FAILED = """
    INSERT INTO outbound.circuit AS known (host, failures, opened, open_until, failed_at)
    SELECT host, failures, CASE WHEN failures >= %(max)s THEN 1 ELSE 0 END,
           CASE WHEN failures >= %(max)s THEN %(now)s + make_interval(secs => %(pause)s) END,
           %(now)s
    FROM unnest(%(hosts)s::text[], %(counts)s::int4[]) AS now (host, failures) ORDER BY host
    ON CONFLICT (host) DO UPDATE
    SET failures = known.failures + excluded.failures, failed_at = excluded.failed_at,
        opened = CASE WHEN known.open_until IS NULL
                       AND known.failures + excluded.failures >= %(max)s THEN 1
                      ELSE known.opened END,
        open_until = CASE WHEN known.open_until IS NULL
                           AND known.failures + excluded.failures >= %(max)s
                          THEN %(now)s + make_interval(secs => %(pause)s)
                          ELSE known.open_until END
"""
FAILED_AGAIN = """
    UPDATE outbound.circuit
    SET failures = failures + 1, opened = opened + 1, failed_at = %(now)s,
        open_until = %(now)s
            + make_interval(secs => least(%(pause_max)s, %(pause)s * 2 ^ least(opened, 16)))
    WHERE host = ANY(%(hosts)s)
"""

Connection = AsyncConnection[tuple[Any, ...]]


class Tried(NamedTuple):
    """What a request said about its server. `probed` says that it was the only one to try."""

    host: str
    works: bool
    probed: bool


class Circuits:
    """Which servers are left alone, as this worker saw it last."""

    def __init__(self) -> None:
        self._open: dict[str, datetime] = {}
        self._connection: Connection | None = None

    def ask(self, connection: Connection) -> None:
        """Ask that database from now on, which commits by itself."""
        self._connection = connection

    async def look(self) -> None:
        """See which there are."""
        assert self._connection is not None
        found = await self._connection.execute(OPEN, [KNOWN_MAX], prepare=True)
        self._open = dict(await found.fetchall())

    def open_until(self, host: str) -> datetime | None:
        """None where nothing speaks against asking that server."""
        return self._open.get(host)

    async def may_try(self, host: str, now: datetime) -> bool:
        """Whether we are the one to try a server that was left alone for long enough."""
        until = self._open.get(host)
        if until is not None and until > now:
            return False
        assert self._connection is not None
        self._open[host] = now + PROBE  # for us there is one chance, whoever gets it
        asked = await self._connection.execute(TRY, [now + PROBE, host, now], prepare=True)
        return await asked.fetchone() is not None


async def learn(connection: Connection, tries: Iterable[Tried], now: datetime) -> None:
    """In a transaction: what requests said about their servers, as a whole. No answer is waited
    for."""
    works: set[str] = set()
    failed, again = Counter[str](), set[str]()
    for host, is_well, probed in tries:
        if is_well:
            works.add(host)
        elif probed:
            again.add(host)
        else:
            failed[host] += 1
    if not works and not again and not failed:
        return
    await connection.execute(LOCK, [sorted({*works, *again, *failed})], prepare=True)
    told = {"now": now, "pause": PAUSE_S_MIN, "pause_max": PAUSE_S_MAX, "max": FAILURES_MAX}
    if works:
        await connection.execute(CLOSE, [sorted(works)], prepare=True)
    if again - works:
        hosts = sorted(again - works)
        await connection.execute(FAILED_AGAIN, {**told, "hosts": hosts}, prepare=True)
    if hosts := sorted(failed.keys() - works - again):
        counts = [failed[host] for host in hosts]
        await connection.execute(FAILED, {**told, "hosts": hosts, "counts": counts}, prepare=True)
