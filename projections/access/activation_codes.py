"""Activation codes: a row each, from when it is issued until it is removed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import astuple
from psycopg import Cursor
from psycopg.sql import SQL, Identifier

from domain.activation_code import (
    CODE,
    EMAIL,
    ActivationCodeIssued,
    ActivationCodeRemoved,
    ActivationCodeResent,
    ActivationCodeUsed,
)
from domain.log.seals import SealedField, Seals, destroy_within
from domain.model import Event
from domain.recorded import Recorded
from domain.user import normal_email

Sql = Cursor[tuple[Any, ...]]

LOAD = """
    SELECT activation_id, product_id, email, email_digest, code_digest, used_by, issued_at, sent_at,
           used_at
    FROM {activation_code} WHERE activation_id = ANY(%s)
"""
FORGET = "DELETE FROM {activation_code} WHERE activation_id = ANY(%s)"
COPY = "COPY {activation_code} FROM STDIN"


class Row(Struct):
    """A row of table `activation_code`, in the order of its columns."""

    activation_id: str
    product_id: int
    email: str | None
    email_digest: bytes | None
    code_digest: bytes | None
    used_by: str
    issued_at: datetime | None
    sent_at: datetime | None
    used_at: datetime | None = None


class ActivationCodes:
    """Table `activation_code`. Of what is removed on the page, the key is destroyed with it."""

    takes: tuple[type[Event], ...] = (
        ActivationCodeIssued,
        ActivationCodeResent,
        ActivationCodeUsed,
        ActivationCodeRemoved,
    )

    def __init__(self, schema: str, seals: Seals) -> None:
        self._seals = seals
        table = Identifier(schema, "activation_code")
        self._load, self._forget, self._copy = (
            SQL(query).format(activation_code=table) for query in (LOAD, FORGET, COPY)
        )

    def apply(self, cursor: Sql, events: Sequence[Recorded]) -> None:
        happened: list[Any] = [one.event for one in events]
        ids = list({event.activation_id for event in happened})
        cursor.execute(self._load, [ids], prepare=True)
        codes = {row[0]: Row(*row) for row in cursor.fetchall()}
        self._issue(codes, [one for one in events if isinstance(one.event, ActivationCodeIssued)])
        for recorded in events:
            fold(codes, recorded)
        cursor.execute(self._forget, [ids], prepare=True)
        with cursor.copy(self._copy) as copy:
            for row in codes.values():
                copy.write_row(astuple(row))
        removed = [one.activation_id for one in happened if isinstance(one, ActivationCodeRemoved)]
        if removed:
            # Whoever removed them did so at once, unless they died before they could.
            destroy_within(cursor, removed)

    def _issue(self, codes: dict[str, Row], issued: Sequence[Recorded]) -> None:
        happened: list[Any] = [one.event for one in issued]
        emails = self._seals.unseal_many(
            [SealedField(one.activation_id, EMAIL, one.email) for one in happened]
        )
        secrets = self._seals.unseal_many(
            [SealedField(one.activation_id, CODE, one.code) for one in happened]
        )
        for recorded, email, code in zip(issued, emails, secrets, strict=True):
            event: Any = recorded.event
            codes[event.activation_id] = Row(
                activation_id=event.activation_id,
                product_id=event.product_id,
                email=email,
                email_digest=None if email is None else self._seals.digest(normal_email(email)),
                code_digest=None if code is None else self._seals.digest(code),
                used_by="",
                issued_at=recorded.recorded_at,
                sent_at=recorded.recorded_at,
            )


def fold(codes: dict[str, Row], recorded: Recorded) -> None:
    match recorded.event:
        case ActivationCodeResent(activation_id=activation_id):
            codes[activation_id].sent_at = recorded.recorded_at
        case ActivationCodeUsed(activation_id=activation_id, customer_id=customer_id):
            codes[activation_id].used_by = customer_id
            codes[activation_id].used_at = recorded.recorded_at
        case ActivationCodeRemoved(activation_id=activation_id):
            del codes[activation_id]
