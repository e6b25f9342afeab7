"""Customers: the rows of those a page is about are loaded, folded in memory, written anew."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import astuple
from psycopg import Cursor
from psycopg.sql import SQL, Identifier

from domain import customer
from domain.log.seals import SealedField, Seals, destroy_within
from domain.model import Event
from domain.recorded import Recorded

Sql = Cursor[tuple[Any, ...]]

LOAD = """
    SELECT customer_id, product_id, username, username_digest, password_hash, erased, created_at,
           updated_at
    FROM {customer} WHERE customer_id = ANY(%s)
"""
FORGET = "DELETE FROM {customer} WHERE customer_id = ANY(%s)"
COPY = "COPY {customer} FROM STDIN"


class Row(Struct):
    """A row of table `customer`, in the order of its columns."""

    customer_id: str
    product_id: int
    username: str | None = None
    username_digest: bytes | None = None
    password_hash: str | None = None
    erased: bool = False
    created_at: datetime | None = None
    updated_at: datetime | None = None


class Customers:
    """Table `customer`. Of who is erased on the page, the key is destroyed with it."""

    takes: tuple[type[Event], ...] = (
        customer.CustomerCreated,
        customer.CustomerPasswordChanged,
        customer.CustomerErased,
    )

    def __init__(self, schema: str, seals: Seals) -> None:
        self._seals = seals
        table = Identifier(schema, "customer")
        self._load, self._forget, self._copy = (
            SQL(query).format(customer=table) for query in (LOAD, FORGET, COPY)
        )

    def apply(self, cursor: Sql, events: Sequence[Recorded]) -> None:
        customer_ids = list({one.event.customer_id for one in events})  # type: ignore[attr-defined]
        cursor.execute(self._load, [customer_ids], prepare=True)
        customers = {row[0]: Row(*row) for row in cursor.fetchall()}
        texts = self._unsealed(events)
        for recorded in events:
            self._fold(customers, recorded, texts)
        # Away with all before the first is back: a name may have gone from one to the other.
        cursor.execute(self._forget, [customer_ids], prepare=True)
        with cursor.copy(self._copy) as copy:
            for row in customers.values():
                copy.write_row(astuple(row))
        erased = [row.customer_id for row in customers.values() if row.erased]
        if erased:
            # Whoever erased them did so at once, unless they died before they could.
            destroy_within(cursor, erased)

    def _unsealed(self, events: Sequence[Recorded]) -> dict[str, str | None]:
        """Every text that the events have sealed, by its seal; None where the key is destroyed."""
        fields = [field for one in events for field in sealed_in(one.event)]
        texts = self._seals.unseal_many(fields)
        return {field.sealed: text for field, text in zip(fields, texts, strict=True)}

    def _fold(
        self, customers: dict[str, Row], recorded: Recorded, texts: dict[str, str | None]
    ) -> None:
        event: Any = recorded.event
        row = customers.setdefault(event.customer_id, Row(event.customer_id, event.product_id))
        row.updated_at = recorded.recorded_at
        match event:
            case customer.CustomerCreated(username=username, password=password):
                row.created_at = recorded.recorded_at
                row.username = texts[username]
                row.username_digest = self._digest(row.username)
                row.password_hash = texts[password] if password else None
            case customer.CustomerPasswordChanged(password=password):
                row.password_hash = texts[password]
            case customer.CustomerErased():
                row.username = row.username_digest = row.password_hash = None
                row.erased = True

    def _digest(self, username: str | None) -> bytes | None:
        if username is None:
            return None
        return self._seals.digest(customer.normal_username(username))


def sealed_in(event: Event) -> list[SealedField]:
    match event:
        case customer.CustomerCreated(customer_id=customer_id, username=username):
            found = [SealedField(customer_id, customer.USERNAME, username)]
            if event.password:
                found.append(SealedField(customer_id, customer.PASSWORD, event.password))
            return found
        case customer.CustomerPasswordChanged(customer_id=customer_id, password=password):
            return [SealedField(customer_id, customer.PASSWORD, password)]
        case _:
            return []
