"""Accounts: the rows of the people a page is about are loaded, folded in memory, written anew."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct
from psycopg import Cursor
from psycopg.sql import SQL, Identifier

from domain import user_events as user
from domain.log.seals import SealedField, Seals, destroy_within
from domain.model import Event
from domain.recorded import Recorded
from domain.user import normal_email

Sql = Cursor[tuple[Any, ...]]

LOAD = """
    SELECT user_id, email, email_digest, password_hash, profile::text, administrator, totp_secret,
           totp_offer, totp_offer_hash, totp_offer_expires_at, recovery, reset_hash,
           reset_expires_at, erased, created_at, updated_at
    FROM {account} WHERE user_id = ANY(%s)
"""
FORGET = "DELETE FROM {account} WHERE user_id = ANY(%s)"
COPY = "COPY {account} FROM STDIN"


class Account(Struct):
    """A row of table `account`, in the order of its columns."""

    user_id: str
    email: str | None = None
    email_digest: bytes | None = None
    password_hash: str | None = None
    profile: str = "{}"  # JSON
    administrator: bool = False
    totp_secret: str | None = None
    totp_offer: str | None = None
    totp_offer_hash: bytes | None = None
    totp_offer_expires_at: datetime | None = None
    recovery: list[str] = []
    reset_hash: bytes | None = None
    reset_expires_at: datetime | None = None
    erased: bool = False
    created_at: datetime | None = None
    updated_at: datetime | None = None


# What stands sealed in an event: attribute, and what it is sealed as.
SEALED: dict[type[Event], tuple[tuple[str, str], ...]] = {
    user.UserSignedUp: (
        ("email", user.EMAIL),
        ("password", user.PASSWORD),
        ("profile", user.PROFILE),
    ),
    user.PasswordChanged: (("password", user.PASSWORD),),
    user.PasswordRehashed: (("password", user.PASSWORD),),
    user.EmailChanged: (("email", user.EMAIL),),
    user.ProfileChanged: (("profile", user.PROFILE),),
    user.TotpOffered: (("secret", user.TOTP_SECRET),),
    user.TotpEnabled: (("recovery", user.RECOVERY),),
}


class People:
    """Table `account`. Of who is erased on the page, the key is destroyed with it."""

    takes: tuple[type[Event], ...] = (
        user.UserSignedUp,
        user.PasswordChanged,
        user.PasswordRehashed,
        user.PasswordResetRequested,
        user.EmailChanged,
        user.ProfileChanged,
        user.TotpOffered,
        user.TotpEnabled,
        user.RecoveryCodeUsed,
        user.TotpDisabled,
        user.UserErased,
    )

    def __init__(self, schema: str, seals: Seals) -> None:
        self._seals = seals
        account = Identifier(schema, "account")
        self._load, self._forget, self._copy = (
            SQL(query).format(account=account) for query in (LOAD, FORGET, COPY)
        )

    def apply(self, cursor: Sql, events: Sequence[Recorded]) -> None:
        user_ids = list({one.event.user_id for one in events})  # type: ignore[attr-defined]
        cursor.execute(self._load, [user_ids], prepare=True)
        accounts = {row[0]: Account(*row) for row in cursor.fetchall()}
        said = self._unsealed(events)
        for recorded, texts in zip(events, said, strict=True):
            self._fold(accounts, recorded, texts)
        # Away with all before the first is back: an e-mail may have gone from one to the other.
        cursor.execute(self._forget, [user_ids], prepare=True)
        with cursor.copy(self._copy) as copy:
            for account in accounts.values():
                copy.write_row(columns_of(account))
        erased = [user_id for user_id, account in accounts.items() if account.erased]
        if erased:
            # Whoever erased them did so at once, unless they died before they could.
            destroy_within(cursor, erased)

    def _unsealed(self, events: Sequence[Recorded]) -> list[dict[str, str | None]]:
        """The texts that each event has sealed, by attribute; None where the key is destroyed."""
        happened: list[Any] = [one.event for one in events]
        asked = [
            (number, attribute, SealedField(event.user_id, field, getattr(event, attribute)))
            for number, event in enumerate(happened)
            for attribute, field in SEALED.get(type(event), ())
        ]
        found: list[dict[str, str | None]] = [{} for _ in events]
        texts = self._seals.unseal_many([sealed for _, _, sealed in asked])
        for (number, attribute, _), text in zip(asked, texts, strict=True):
            found[number][attribute] = text
        return found

    def _fold(
        self, accounts: dict[str, Account], recorded: Recorded, texts: dict[str, str | None]
    ) -> None:
        event: Any = recorded.event
        account = accounts.setdefault(event.user_id, Account(event.user_id))
        account.updated_at = recorded.recorded_at
        match event:
            case user.UserSignedUp():
                account.created_at = recorded.recorded_at
                account.administrator = event.administrator
                account.password_hash = texts["password"]
                account.profile = texts["profile"] or "{}"
                self._name(account, texts["email"])
            case user.PasswordChanged():
                account.password_hash = texts["password"]
                account.reset_hash = account.reset_expires_at = None
            case user.PasswordRehashed():
                account.password_hash = texts["password"]
            case user.PasswordResetRequested():
                account.reset_hash = bytes.fromhex(event.reset_hash)
                account.reset_expires_at = datetime.fromisoformat(event.expires_at)
            case user.EmailChanged():
                self._name(account, texts["email"])
                account.reset_hash = account.reset_expires_at = None
            case user.ProfileChanged():
                account.profile = texts["profile"] or "{}"
            case user.UserErased():
                accounts[event.user_id] = nobody(account)
            case _:
                fold_totp(account, event, texts)

    def _name(self, account: Account, email: str | None) -> None:
        account.email = email
        account.email_digest = None if email is None else self._seals.digest(normal_email(email))


def fold_totp(account: Account, event: Any, texts: dict[str, str | None]) -> None:
    match event:
        case user.TotpOffered():
            account.totp_offer = texts["secret"]
            account.totp_offer_hash = bytes.fromhex(event.offer_hash)
            account.totp_offer_expires_at = datetime.fromisoformat(event.expires_at)
        case user.TotpEnabled():
            account.totp_secret = account.totp_offer
            account.recovery = msgspec.json.decode(texts["recovery"] or "[]", type=list[str])
            forget_offer(account)
        case user.RecoveryCodeUsed():
            account.recovery = [one for one in account.recovery if one != event.code_hash]
        case user.TotpDisabled():
            account.totp_secret, account.recovery = None, []
            forget_offer(account)


def forget_offer(account: Account) -> None:
    account.totp_offer = account.totp_offer_hash = account.totp_offer_expires_at = None


def nobody(account: Account) -> Account:
    """What is left of an account when its owner was erased: that there was one, and when."""
    return Account(
        account.user_id,
        administrator=account.administrator,
        erased=True,
        created_at=account.created_at,
        updated_at=account.updated_at,
    )


def columns_of(account: Account) -> tuple[Any, ...]:
    return msgspec.structs.astuple(account)
