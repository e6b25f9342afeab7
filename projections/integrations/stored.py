"""Integrations as they are stored, and opened: what delivers them reads them here."""

from collections.abc import Sequence
from datetime import datetime
from typing import LiteralString

from msgspec import Struct

from domain.integration import SETTINGS, SIGNING_SECRET
from domain.log.seals import SealedField, Seals
from projections.integrations.event import Owner
from projections.integrations.settings import Settings, settings_of

COLUMNS: LiteralString = (
    "integration_id, kind, product_id, user_id, organization_id, event_prefix, device_id, name,"
    " disabled, settings, secret, former_secret, former_until, created_at, updated_at,"
    " last_position"
)


class Row(Struct):
    """A row of table `integrations.integration`, in the order of its columns.

    `settings`, `secret` and `former_secret` are sealed.
    """

    integration_id: str
    kind: str
    product_id: int | None
    user_id: str | None
    organization_id: str | None
    event_prefix: str
    device_id: str | None
    name: str
    disabled: bool
    settings: str
    secret: str
    former_secret: str | None
    former_until: datetime | None
    created_at: datetime
    updated_at: datetime
    last_position: int

    @property
    def owner(self) -> Owner:
        return Owner(self.product_id, self.user_id or "", self.organization_id or "")


class Opened(Struct, frozen=True):
    """An integration with what was sealed. `secrets` are as people see them, `whsec_…`."""

    row: Row
    settings: Settings
    secret: str
    former_secret: str | None = None

    def secrets_at(self, now: datetime) -> tuple[str, ...]:
        """What is sent at that time is signed with each of these, the newest first."""
        former_until = self.row.former_until
        if self.former_secret is None or former_until is None or former_until <= now:
            return (self.secret,)
        return self.secret, self.former_secret


def open_all(seals: Seals, rows: Sequence[Row]) -> list[Opened | None]:
    """Each row opened, with one look at the keys; None where the key is destroyed."""
    fields = [
        SealedField(row.integration_id, field, sealed)
        for row in rows
        for field, sealed in (
            (SETTINGS, row.settings),
            (SIGNING_SECRET, row.secret),
            (SIGNING_SECRET, row.former_secret or row.secret),
        )
    ]
    texts = iter(seals.unseal_many(fields))
    opened: list[Opened | None] = []
    for row, settings, secret, former in zip(rows, texts, texts, texts, strict=True):
        if settings is None or secret is None:
            opened.append(None)
            continue
        former_secret = None if row.former_secret is None else former
        opened.append(Opened(row, settings_of(settings), secret, former_secret))
    return opened
