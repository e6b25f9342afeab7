"""Leases: a worker that dies, or does not renew its own, loses all that it held, and as one.

That it died is seen by a lock of its connection, at once; that it hangs, by its lease running out.
"""

from typing import Any
from uuid import UUID

from psycopg import AsyncConnection, AsyncCursor

LEASE_S = 15.0
RENEW_EVERY_S = 3.0
LOOK_EVERY_S = 1.0  # whose lease is over
SET_FREE_MAX = 16

# As long as the connection lives.
LIVE = "SELECT pg_advisory_lock(hashtextextended(%s::text, 0))"

BEGIN = """
    INSERT INTO outbound.lease (lease_id, until)
    VALUES (%s, clock_timestamp() + make_interval(secs => %s))
"""
RENEW = """
    UPDATE outbound.lease SET until = clock_timestamp() + make_interval(secs => %s)
    WHERE lease_id = %s
"""
# Until the end of this transaction nobody can end it.
STAND_ON = "SELECT 1 FROM outbound.lease WHERE lease_id = %s FOR KEY SHARE"
OVER = """
    SELECT lease_id FROM outbound.lease
    WHERE until < clock_timestamp()
       OR pg_try_advisory_xact_lock(hashtextextended(lease_id::text, 0))
    ORDER BY lease_id LIMIT %s FOR UPDATE SKIP LOCKED
"""
# Its lanes are due when they were; nothing that was sent meanwhile counts.
SET_FREE = "UPDATE outbound.lane SET lease_id = NULL WHERE lease_id = %s"
GIVE_BACK = "SELECT usage.give_back(%s)"
END = "DELETE FROM outbound.lease WHERE lease_id = %s"

Connection = AsyncConnection[tuple[Any, ...]]
Cursor = AsyncCursor[tuple[Any, ...]]


class LeaseLost(Exception):
    """Others may have taken over what this worker held."""


async def begin(connection: Connection, lease_id: UUID, lease_s: float = LEASE_S) -> None:
    """It lasts as long as that, if it is not renewed, and no longer than the connection."""
    await connection.execute(LIVE, [lease_id])
    await connection.execute(BEGIN, [lease_id, lease_s])


async def renew(connection: Connection, lease_id: UUID, lease_s: float = LEASE_S) -> None:
    """Raises LeaseLost."""
    if (await connection.execute(RENEW, [lease_s, lease_id], prepare=True)).rowcount != 1:
        raise LeaseLost


async def stand_on(connection: Connection, lease_id: UUID) -> Cursor:
    """First in every transaction that is about what the worker holds; `must_stand` looks at the
    answer."""
    return await connection.execute(STAND_ON, [lease_id], prepare=True)


async def must_stand(standing: Cursor) -> None:
    """Raises LeaseLost."""
    if await standing.fetchone() is None:
        raise LeaseLost


async def free_what_is_over(connection: Connection) -> int:
    """End the leases that ran out; how many there were."""
    async with connection.transaction():
        found = await connection.execute(OVER, [SET_FREE_MAX], prepare=True)
        over = [lease_id for (lease_id,) in await found.fetchall()]
        for lease_id in over:
            await end(connection, lease_id)
    return len(over)


async def end(connection: Connection, lease_id: UUID) -> None:
    """In a transaction: free everything that was held under it."""
    for statement in (SET_FREE, GIVE_BACK, END):
        await connection.execute(statement, [lease_id])
