"""Vouchers: handed out half-way through a log-in, shown again within minutes, worth one token."""

from enum import StrEnum
from typing import Any

from msgspec import Struct
from psycopg.types.json import Jsonb

from api.database import Database
from api.people.credentials import digest_of

KEEP = """
    INSERT INTO api.voucher
        (voucher_hash, kind, user_id, client_id, detail, tries_left, expires_at)
    VALUES (%(hash)s, %(kind)s, %(user)s, %(client)s, %(detail)s, %(tries)s,
            now() + make_interval(secs => %(lifetime_s)s))
"""
TRY = """
    UPDATE api.voucher SET tries_left = tries_left - 1
    WHERE voucher_hash = %s AND kind = %s AND expires_at > now() AND tries_left > 0
      AND token_id = ''
    RETURNING user_id, client_id, detail
"""
SPEND = """
    UPDATE api.voucher SET token_id = %s
    WHERE voucher_hash = %s AND kind = %s AND token_id = ''
"""
FORGET = "DELETE FROM api.voucher WHERE user_id = %s"
WORTH = "SELECT nullif(token_id, '') FROM api.voucher WHERE voucher_hash = %s AND kind = %s"


class Kind(StrEnum):
    """`SECOND_FACTOR`: the password was right, and that was not enough. `CODE`: a user agreed that
    a client acts for them, and the client has yet to come for its token."""

    SECOND_FACTOR = "second_factor"
    CODE = "code"


LIFETIME_S = {Kind.SECOND_FACTOR: 600, Kind.CODE: 120}
TRIES_MAX = 5


class Voucher(Struct, frozen=True):
    """What a voucher is for. `detail` is what the other half of the log-in needs to know."""

    user_id: str
    client_id: str
    detail: dict[str, Any]


async def keep(
    database: Database, kind: Kind, voucher: str, user_id: str, client_id: str, detail: Any
) -> None:
    """Remember what a voucher that is handed out now is for; not the voucher itself."""
    wanted = {
        "hash": digest_of(voucher),
        "kind": kind,
        "user": user_id,
        "client": client_id,
        "detail": Jsonb(detail),
        "tries": TRIES_MAX,
        "lifetime_s": LIFETIME_S[kind],
    }
    async with database.writing() as rows:
        await rows.do(KEEP, wanted)


async def try_once(database: Database, kind: Kind, voucher: str) -> Voucher | None:
    """A voucher that is not spent, and one try less at it; None where no try is left."""
    async with database.writing() as rows:
        return await rows.one(Voucher, TRY, [digest_of(voucher), kind])


async def spend(database: Database, kind: Kind, voucher: str, token_id: str) -> bool:
    """The voucher was worth that token. False if it was worth another one before."""
    async with database.writing() as rows:
        return await rows.do(SPEND, [token_id, digest_of(voucher), kind]) == 1


async def worth(database: Database, kind: Kind, voucher: str) -> str | None:
    """The token that a voucher was spent on; None if it was not."""
    async with database.reading() as rows:
        token_id: str | None = await rows.value(WORTH, [digest_of(voucher), kind])
    return token_id


async def forget(database: Database, user_id: str) -> None:
    """No log-in of the user that is half-way through comes to its end."""
    async with database.writing() as rows:
        await rows.do(FORGET, [user_id])
