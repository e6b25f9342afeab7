"""Devices that somebody asks their owner for: one of the two answers, the other may withdraw."""

import secrets
from datetime import UTC, datetime, timedelta

from msgspec import Struct

from api.call import Call
from api.problem import NotFound
from api.views import Done, now, stamp
from domain.model import Command
from domain.ownership import (
    AcceptTransfer,
    DeclineTransfer,
    Ownership,
    RequestTransfer,
    TransferRequested,
    WithdrawTransfer,
)

TRANSFER_VALID_DAYS = 14
TRANSFER_ID_BYTES = 12
TRANSFERS_LISTED_MAX = 1_000

# Who asks is told nothing of the owner.
MINE = """
    SELECT t.transfer_id, t.device_id, d.name, t.user_id, t.owner, a.email, t.requested_at,
           t.expires_at
    FROM access.device_transfer t
    LEFT JOIN fleet.device d ON d.device_id = t.device_id AND d.owner = %(me)s
    LEFT JOIN access.account a ON a.user_id = t.user_id
    WHERE (t.owner = %(me)s OR t.user_id = %(me)s) AND t.expires_at > now()
    ORDER BY t.requested_at DESC, t.transfer_id LIMIT %(limit)s
"""
OF = "SELECT device_id FROM access.device_transfer WHERE transfer_id = %s AND {whose} = %s"
OF_OWNER, OF_REQUESTER = OF.format(whose="owner"), OF.format(whose="user_id")


class TransferRow(Struct, frozen=True):
    transfer_id: str
    device_id: str
    name: str | None
    user_id: str
    owner: str
    email: str | None
    requested_at: datetime
    expires_at: datetime


class TransferObject(Struct, frozen=True):
    """`requested_by` is who asks, by e-mail; `incoming` if it is the caller who is asked."""

    id: str
    device_id: str
    device_name: str | None
    incoming: bool
    requested_by: str
    requested_at: str
    expires_at: str


class Transfers(Struct, frozen=True):
    transfers: list[TransferObject]


async def list_transfers(call: Call) -> Transfers:
    """The devices that the caller is asked for, and those that the caller asks for."""
    me = call.caller.user_id
    async with call.snapshot() as snapshot:
        rows = await snapshot.all(TransferRow, MINE, {"me": me, "limit": TRANSFERS_LISTED_MAX})
    return Transfers([shown(row, me) for row in rows])


def shown(row: TransferRow, me: str) -> TransferObject:
    return TransferObject(
        id=row.transfer_id,
        device_id=row.device_id,
        device_name=row.name or None,
        incoming=row.owner == me,
        requested_by=row.email or row.user_id,
        requested_at=stamp(row.requested_at),
        expires_at=stamp(row.expires_at),
    )


async def request_transfer(call: Call, device_id: str) -> str:
    """Ask the device's owner for it; returns the id of the request, the earlier one if it waits.

    Empty if the caller has the device by now. Raises as the decider does.
    """
    at = datetime.now(UTC)
    command = RequestTransfer(
        device_id=device_id,
        user_id=call.caller.user_id,
        transfer_id=secrets.token_hex(TRANSFER_ID_BYTES),
        expires_at=stamp(at + timedelta(days=TRANSFER_VALID_DAYS)),
        at=stamp(at),
    )
    for event in await call.carry_out(command):
        if isinstance(event, TransferRequested):
            return event.transfer_id
    loaded = await call.in_thread(call.cloud.fleet.load, command.stream)
    ownership: Ownership = loaded.state.ownership
    waiting = ownership.waiting(call.caller.user_id, stamp(at))
    return waiting.transfer_id if waiting else ""


async def accept_transfer(call: Call) -> Done:
    """Give the device to who asks for it."""
    transfer_id, device_id = await transfer_named(call, OF_OWNER)
    me = call.caller.user_id
    return await settle(
        call, AcceptTransfer(device_id=device_id, user_id=me, transfer_id=transfer_id, at=now())
    )


async def decline_transfer(call: Call) -> Done:
    """Keep the device."""
    transfer_id, device_id = await transfer_named(call, OF_OWNER)
    me = call.caller.user_id
    return await settle(
        call, DeclineTransfer(device_id=device_id, user_id=me, transfer_id=transfer_id)
    )


async def withdraw_transfer(call: Call) -> Done:
    """Ask for the device no more."""
    transfer_id, device_id = await transfer_named(call, OF_REQUESTER)
    me = call.caller.user_id
    return await settle(
        call, WithdrawTransfer(device_id=device_id, user_id=me, transfer_id=transfer_id)
    )


async def transfer_named(call: Call, query: str) -> tuple[str, str]:
    """The transfer that the path names, and its device. Raises NotFound for one of others."""
    transfer_id = call.part("transfer")
    async with call.cloud.database.reading() as rows:
        device_id = await rows.value(query, [transfer_id, call.caller.user_id])
    if device_id is None:
        raise NotFound(what="Transfer")
    return transfer_id, device_id


async def settle(call: Call, command: Command) -> Done:
    await call.carry_out(command)
    return Done()
