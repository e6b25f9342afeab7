"""Tokens that work: issued ones are added, revoked and orphaned ones taken away, a page at once."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from psycopg import Cursor
from psycopg.sql import SQL, Composed, Identifier

from domain.client import ClientRemoved
from domain.customer import CustomerErased
from domain.holders import CUSTOMER_PREFIX, customer_holder
from domain.model import Event
from domain.recorded import Recorded
from domain.token import TokenIssued, TokenRevoked
from domain.user_events import UserErased

Sql = Cursor[tuple[Any, ...]]

STAGE = "CREATE TEMP TABLE IF NOT EXISTS {stage} (LIKE {token}) ON COMMIT DELETE ROWS"
COPY = "COPY {stage} FROM STDIN (FORMAT BINARY)"
TYPES = (
    *("bytea", "text", "text", "text", "text", "text[]", "int4", "text", "timestamptz", "bytea"),
    *("timestamptz", "timestamptz"),
)
# Issued while its owner was being erased, or its client removed: it never worked.
ADD = f"""
    INSERT INTO {{token}} SELECT * FROM {{stage}} AS issued
    WHERE NOT EXISTS (SELECT FROM {{account}} AS owner
                      WHERE owner.user_id = issued.user_id AND owner.erased)
      AND NOT EXISTS (SELECT FROM {{customer}} AS owner
                      WHERE owner.customer_id = substr(issued.user_id, {1 + len(CUSTOMER_PREFIX)})
                        AND owner.erased)
      AND NOT EXISTS (SELECT FROM {{client}} AS issued_to
                      WHERE issued_to.client_id = issued.client_id AND issued_to.removed)
"""
SPEND = """
    INSERT INTO {spent_refresh}
    SELECT token.refresh_hash, replaced.by, token.user_id, token.client_id,
           token.refresh_expires_at
    FROM {token} AS token JOIN unnest(%s::text[], %s::text[]) AS replaced (token_id, by)
        USING (token_id)
    WHERE token.refresh_hash IS NOT NULL
"""
REVOKE = "DELETE FROM {token} WHERE token_id = ANY(%s)"
OF_USERS = "DELETE FROM {table} WHERE user_id = ANY(%s) AND user_id <> ''"
OF_CLIENTS = "DELETE FROM {table} WHERE client_id = ANY(%s) AND client_id <> ''"


class Tokens:
    """Tables `token` and `spent_refresh`, whose `user_id` may mean a customer. Accounts, customers
    and clients are as of the page's end already."""

    takes: tuple[type[Event], ...] = (
        *(TokenIssued, TokenRevoked),
        *(UserErased, CustomerErased, ClientRemoved),
    )

    def __init__(self, schema: str) -> None:
        names = ("account", "customer", "client", "token", "spent_refresh")
        tables = {name: Identifier(schema, name) for name in names}
        tables["stage"] = Identifier(f"issued_in_{schema}")
        self._stage, self._copy, self._add, self._spend, self._revoke = (
            SQL(query).format(**tables) for query in (STAGE, COPY, ADD, SPEND, REVOKE)
        )
        holders = (tables["token"], tables["spent_refresh"])
        self._of_users = [SQL(OF_USERS).format(table=table) for table in holders]
        self._of_clients = [SQL(OF_CLIENTS).format(table=table) for table in holders]

    def apply(self, cursor: Sql, events: Sequence[Recorded]) -> None:
        happened: list[Any] = [one.event for one in events]
        issued = [one for one in events if isinstance(one.event, TokenIssued)]
        revoked = [event for event in happened if isinstance(event, TokenRevoked)]
        if issued:
            self._write(cursor, issued)
        if revoked:
            replaced = [event for event in revoked if event.replaced_by]
            by = [event.replaced_by for event in replaced]
            cursor.execute(self._spend, [[event.token_id for event in replaced], by])
            cursor.execute(self._revoke, [[event.token_id for event in revoked]])
        erased = [event.user_id for event in happened if isinstance(event, UserErased)]
        erased += [
            customer_holder(event.customer_id)
            for event in happened
            if isinstance(event, CustomerErased)
        ]
        self._orphan(cursor, self._of_users, erased)
        removed = [event.client_id for event in happened if isinstance(event, ClientRemoved)]
        self._orphan(cursor, self._of_clients, removed)

    def _write(self, cursor: Sql, issued: Iterable[Recorded]) -> None:
        cursor.execute(self._stage)
        with cursor.copy(self._copy) as copy:
            copy.set_types(TYPES)
            for recorded in issued:
                copy.write_row(columns_of(recorded))
        cursor.execute(self._add)

    @staticmethod
    def _orphan(cursor: Sql, deletes: Sequence[Composed], owners: list[str]) -> None:
        if owners:
            for delete in deletes:
                cursor.execute(delete, [owners])


def columns_of(recorded: Recorded) -> tuple[Any, ...]:
    """In the order of the table's columns."""
    event: Any = recorded.event
    return (
        bytes.fromhex(event.token_hash),
        event.token_id,
        event.user_id,
        event.client_id,
        event.api_user_id,
        list(event.scopes),
        event.product_id,
        event.organization_id,
        instant(event.expires_at),
        bytes.fromhex(event.refresh_hash) or None,
        instant(event.refresh_expires_at),
        recorded.recorded_at,
    )


def instant(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
