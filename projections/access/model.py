"""Model `access`, kept up with the log: each part of it takes its own events of a page."""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from psycopg import Cursor

from domain.log.mapper import RecordedMapper
from domain.log.seals import Seals
from domain.model import Event
from domain.recorded import Recorded
from projections.access.activation_codes import ActivationCodes
from projections.access.clients import Clients
from projections.access.customers import Customers
from projections.access.organizations import Offers, Organizations
from projections.access.people import People
from projections.access.teams import Members, Programs
from projections.access.tokens import Tokens
from projections.access.transfers import Transfers
from projections.following import PAGE_EVENTS_MAX, Page, read_rows
from projections.trouble import CannotApply, passes

Sql = Cursor[tuple[Any, ...]]


class Part(Protocol):
    """Some tables of the model, and what changes them.

    What a part writes must not depend on where pages end.
    """

    takes: tuple[type[Event], ...]

    def apply(self, cursor: Sql, events: Sequence[Recorded]) -> None:
        """Take the page's events of the types named, one at least, in the cursor's transaction."""


def parts_of(schema: str, seals: Seals) -> tuple[Part, ...]:
    """Every part, in the order in which they take a page."""
    return (
        People(schema, seals),
        Customers(schema, seals),
        ActivationCodes(schema, seals),
        Clients(schema),
        Tokens(schema),  # after those whose tokens they are
        Transfers(schema),
        Members(schema),
        Programs(schema),  # after the tokens, of which it takes away those that were replaced
        Organizations(schema),
        Offers(schema),
    )


class AccessModel:
    """Model `access`, in the schema of that name or in one built beside it."""

    name = "access"

    def __init__(
        self, seals: Seals, schema: str = "access", *, page_events_max: int = PAGE_EVENTS_MAX
    ) -> None:
        self.schema = schema
        self.page_events_max = page_events_max
        self._mapper = RecordedMapper()
        self._parts = parts_of(schema, seals)
        self._topics = sorted({kind.TOPIC for part in self._parts for kind in part.takes})

    def begin(self) -> None:
        """Nothing is remembered from page to page."""

    def apply(self, cursor: Sql, page: Page) -> None:
        events = list(self._read(cursor, page))
        for part in self._parts:
            taken = [one for one in events if isinstance(one.event, part.takes)]
            if not taken:
                continue
            try:
                part.apply(cursor, taken)
            except Exception as error:
                if passes(error):
                    raise
                # Of a page of one event it is known which one it was: see Follower.
                where, kind = taken[-1].position or page.until, type(error).__name__
                raise CannotApply(where, f"{taken[-1].event.TOPIC}: {kind}: {error}") from error

    def _read(self, cursor: Sql, page: Page) -> Iterable[Recorded]:
        for row in read_rows(cursor, page, self._topics):
            try:
                yield self._mapper.read(*row)
            except Exception as error:
                raise CannotApply(row[4], f"{row[2]}: {error}") from error
