"""What is forgotten in time, and when: everything on one page, a bounded part of it at once.

Rows of read models are among it. A rebuild makes them again, so it compares the rest: see
`forgotten_of`. Nobody is told anything else because of what is gone, but for the reason why a
token, an offer or a code that was over long before does not work.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from psycopg import Connection
from psycopg.sql import SQL, Composed, Identifier

from projections.tracking import FOLLOWED

ROWS_AT_ONCE = 5_000
LOOK_EVERY = timedelta(seconds=30)
COMPARED_EARLIER = timedelta(hours=1)  # than what is gone by now, so that nothing goes meanwhile


class Forgotten(NamedTuple):
    """Rows of a table that were over at `over`, an instant of theirs, and are `kept` for longer.
    `only` says which of its rows that holds for."""

    schema: str
    table: str
    over: str
    kept: timedelta
    only: str = "true"

    @property
    def condition(self) -> str:
        """Which rows may go; `%s` is the instant that they were over before."""
        return f"{self.only} AND {self.over} < %s"


# So long somebody who comes too late is told why, and a stolen refresh token is known as one.
KEPT = timedelta(days=30)

FORGOTTEN = (
    Forgotten(
        "access",
        "token",
        "greatest(expires_at, refresh_expires_at)",
        KEPT,
        only="expires_at IS NOT NULL",
    ),
    Forgotten("access", "spent_refresh", "expires_at", KEPT),
    Forgotten("access", "device_transfer", "expires_at", KEPT),
    Forgotten("api", "idempotent_call", "created_at", timedelta(hours=24)),
    Forgotten("api", "spent", "ends_at", timedelta(minutes=1)),
    Forgotten("api", "bad_log_in", "last_at", timedelta(hours=24)),
    Forgotten("api", "voucher", "expires_at", timedelta(minutes=10)),
    # A one-time password is of one half minute, and of those around it at most.
    Forgotten("api", "otp_taken", "to_timestamp(step * 30)", timedelta(minutes=10)),
    Forgotten(
        "follow", "mail", "settled_at", timedelta(days=90), only="state IN ('sent', 'dropped')"
    ),
)

# In their order, so that whatever the planner believes it takes the index.
SOME = """
    DELETE FROM {table} WHERE ctid = ANY (ARRAY (
        SELECT ctid FROM {table} WHERE {condition} ORDER BY {over} LIMIT {limit}
        FOR UPDATE SKIP LOCKED
    ))
"""


class Housekeeping:
    """The task of forgetting, by a clock that tests can set."""

    name = "housekeeping"
    channel = FOLLOWED
    rest_s = 0.2

    def __init__(self, *, now: Callable[[], datetime] | None = None) -> None:
        self._now = now or (lambda: datetime.now(UTC))
        self._next_look: datetime | None = None

    def begin(self, connection: Connection[tuple[Any, ...]]) -> None:
        """Everything it knows is in the tables."""

    def step(self, connection: Connection[tuple[Any, ...]]) -> bool:
        """Forget a part of what is over; False once nothing is left of it, for a while."""
        now = self._now()
        if self._next_look is not None and now < self._next_look:
            return False
        # Of each table some, in a transaction of its own, and then of each some more.
        left = [
            connection.execute(statement_of(one), [now - one.kept]).rowcount == ROWS_AT_ONCE
            for one in FORGOTTEN
        ]
        self._next_look = None if any(left) else now + LOOK_EVERY
        return any(left)


def statement_of(one: Forgotten) -> Composed:
    return SQL(SOME).format(
        table=Identifier(one.schema, one.table),
        condition=SQL(one.condition),
        over=SQL(one.over),
        limit=SQL(str(ROWS_AT_ONCE)),
    )


def forgotten_of(schema: str, now: datetime) -> Mapping[str, tuple[str, datetime]]:
    """By table, which rows of a read model may be forgotten now or soon: a condition on them, and
    the instant that it speaks of."""
    return {
        one.table: (one.condition, now - one.kept + COMPARED_EARLIER)
        for one in FORGOTTEN
        if one.schema == schema
    }
