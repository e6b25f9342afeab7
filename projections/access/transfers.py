"""Devices that somebody asks their owner for: a row until the owner answers, or has it no more."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from psycopg import Cursor
from psycopg.sql import SQL, Identifier

from domain.model import Event
from domain.ownership import (
    DeviceClaimed,
    DeviceUnclaimed,
    TransferDeclined,
    TransferRequested,
    TransferWithdrawn,
)
from domain.recorded import Recorded
from domain.user_events import UserErased

Sql = Cursor[tuple[Any, ...]]

FORGET = """
    DELETE FROM {transfer} WHERE transfer_id = ANY(%s) OR device_id = ANY(%s) OR user_id = ANY(%s)
"""
# A person asks for a device once at a time: this one had expired.
REPLACE = """
    DELETE FROM {transfer} USING unnest(%s::text[], %s::text[]) AS asked (device_id, user_id)
    WHERE {transfer}.device_id = asked.device_id AND {transfer}.user_id = asked.user_id
"""
ADD = """
    INSERT INTO {transfer} (transfer_id, device_id, user_id, owner, requested_at, expires_at)
    SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::timestamptz[],
                         %s::timestamptz[])
"""


class Row(NamedTuple):
    transfer_id: str
    device_id: str
    user_id: str
    owner: str
    requested_at: datetime | None
    expires_at: datetime


class Transfers:
    """Table `device_transfer`. Those that expired stay: what is asked of it names the time."""

    takes: tuple[type[Event], ...] = (
        DeviceClaimed,
        DeviceUnclaimed,
        TransferRequested,
        TransferWithdrawn,
        TransferDeclined,
        UserErased,
    )

    def __init__(self, schema: str) -> None:
        transfer = Identifier(schema, "device_transfer")
        self._forget, self._replace, self._add = (
            SQL(query).format(transfer=transfer) for query in (FORGET, REPLACE, ADD)
        )

    def apply(self, cursor: Sql, events: Sequence[Recorded]) -> None:
        asked: dict[tuple[str, str], Row] = {}  # by device and who asks
        settled: set[str] = set()
        devices: set[str] = set()
        people: set[str] = set()
        for recorded in events:
            match recorded.event:
                case TransferRequested(device_id=device_id, user_id=user_id) as event:
                    asked[device_id, user_id] = row_of(event, recorded.recorded_at)
                    continue
                case DeviceClaimed(device_id=device_id) | DeviceUnclaimed(device_id=device_id):
                    devices.add(device_id)
                    over = [key for key in asked if key[0] == device_id]
                case (
                    TransferWithdrawn(transfer_id=transfer_id)
                    | TransferDeclined(transfer_id=transfer_id)
                ):
                    settled.add(transfer_id)
                    over = [key for key, row in asked.items() if row.transfer_id == transfer_id]
                case UserErased(user_id=user_id):
                    people.add(user_id)
                    over = [key for key in asked if key[1] == user_id]
            for key in over:
                del asked[key]
        cursor.execute(self._forget, [list(settled), list(devices), list(people)], prepare=True)
        if asked:
            cursor.execute(self._replace, [list(part) for part in zip(*asked, strict=True)])
            cursor.execute(self._add, [list(part) for part in zip(*asked.values(), strict=True)])


def row_of(event: TransferRequested, at: datetime | None) -> Row:
    return Row(
        transfer_id=event.transfer_id,
        device_id=event.device_id,
        user_id=event.user_id,
        owner=event.owner,
        requested_at=at,
        expires_at=datetime.fromisoformat(event.expires_at),
    )
