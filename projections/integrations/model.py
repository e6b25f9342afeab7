"""The read model `integrations`: a row for each there is, with its secrets as they were sealed."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from msgspec.structs import astuple
from psycopg import Cursor
from psycopg.sql import SQL, Identifier

from domain.integration_events import (
    IntegrationChanged,
    IntegrationCreated,
    IntegrationDisabled,
    IntegrationEnabled,
    IntegrationRemoved,
    SigningSecretRotated,
)
from domain.log.mapper import RecordedMapper
from domain.log.seals import destroy_within
from domain.model import Event
from domain.recorded import Recorded
from domain.user_events import UserErased
from projections.following import PAGE_EVENTS_MAX, Page, read_rows
from projections.integrations.stored import COLUMNS, Row
from projections.trouble import CannotApply, passes

Sql = Cursor[tuple[Any, ...]]

TAKES: tuple[type[Event], ...] = (
    IntegrationCreated,
    IntegrationChanged,
    IntegrationEnabled,
    IntegrationDisabled,
    SigningSecretRotated,
    IntegrationRemoved,
    UserErased,
)
TOPICS = tuple(sorted(kind.TOPIC for kind in TAKES))
LOAD = f"""
    SELECT {COLUMNS} FROM {{integration}} WHERE integration_id = ANY(%s) OR user_id = ANY(%s)
"""
FORGET = "DELETE FROM {integration} WHERE integration_id = ANY(%s)"
COPY = "COPY {integration} FROM STDIN"


class IntegrationsModel:
    """Model `integrations`, in the schema of that name or in one built beside it.

    The key of an integration that is no more goes in the same transaction as its row.
    """

    name = "integrations"

    def __init__(
        self, schema: str = "integrations", *, page_events_max: int = PAGE_EVENTS_MAX
    ) -> None:
        self.schema = schema
        self.page_events_max = page_events_max
        self._mapper = RecordedMapper()
        integration = Identifier(schema, "integration")
        self._load, self._forget, self._copy = (
            SQL(query).format(integration=integration) for query in (LOAD, FORGET, COPY)
        )

    def begin(self) -> None:
        """Nothing is remembered from page to page."""

    def apply(self, cursor: Sql, page: Page) -> None:
        events = list(self._read(cursor, page))
        if not events:
            return
        about = {getattr(one.event, "integration_id", "") for one in events} - {""}
        erased = {one.event.user_id for one in events if isinstance(one.event, UserErased)}
        cursor.execute(self._load, [[*about], [*erased]], prepare=True)
        rows = {row[0]: Row(*row) for row in cursor.fetchall()}
        named = about | rows.keys()
        for recorded in events:
            try:
                fold(rows, recorded)
            except Exception as error:
                if passes(error):
                    raise
                where, kind = recorded.position or page.until, type(error).__name__
                raise CannotApply(where, f"{recorded.event.TOPIC}: {kind}: {error}") from error
        cursor.execute(self._forget, [[*named]], prepare=True)
        with cursor.copy(self._copy) as copy:
            for row in rows.values():
                copy.write_row(astuple(row))
        gone = sorted(named - rows.keys())
        if gone:
            destroy_within(cursor, gone)

    def _read(self, cursor: Sql, page: Page) -> Iterable[Recorded]:
        for row in read_rows(cursor, page, TOPICS):
            try:
                yield self._mapper.read(*row)
            except Exception as error:
                raise CannotApply(row[4], f"{row[2]}: {error}") from error


def fold(rows: dict[str, Row], recorded: Recorded) -> None:
    """Raises KeyError for an event about an integration that there is not."""
    event: Any = recorded.event
    at, position = recorded.recorded_at, recorded.position
    assert at is not None
    assert position is not None
    match event:
        case IntegrationCreated():
            rows[event.integration_id] = new(event, at, position)
            return
        case IntegrationRemoved():
            rows.pop(event.integration_id, None)
            return
        case UserErased(user_id=user_id):
            for integration_id in [key for key, row in rows.items() if row.user_id == user_id]:
                del rows[integration_id]
            return
    row = rows.get(event.integration_id)
    if row is None:
        return  # its user was erased
    row.updated_at, row.last_position = at, position
    match event:
        case IntegrationChanged():
            row.name, row.event_prefix = event.name, event.event_prefix
            row.settings, row.device_id = event.settings, event.device_id or None
        case IntegrationEnabled():
            row.disabled = False
        case IntegrationDisabled():
            row.disabled = True
        case SigningSecretRotated():
            row.former_secret, row.secret = row.secret, event.secret
            row.former_until = datetime.fromisoformat(event.former_until)


def new(event: IntegrationCreated, at: datetime, position: int) -> Row:
    return Row(
        integration_id=event.integration_id,
        kind=event.kind,
        product_id=event.product_id,
        user_id=event.user_id or None,
        organization_id=event.organization_id or None,
        event_prefix=event.event_prefix,
        device_id=event.device_id or None,
        name=event.name,
        disabled=event.disabled,
        settings=event.settings,
        secret=event.secret,
        former_secret=None,
        former_until=None,
        created_at=at,
        updated_at=at,
        last_position=position,
    )
