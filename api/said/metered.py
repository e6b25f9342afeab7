"""What streams send, counted by who is charged for it, and stopped exactly at the limit.

Units are taken ahead, some at a time, and settled every other second: what was sent is counted, and
what a stream that fell silent did not need goes back. What a process that dies had taken is given
back by others. All processes together never send more than the limit.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from time import monotonic
from uuid import uuid4

import psycopg
from msgspec import Struct
from psycopg.types.json import Jsonb
from psycopg_pool import PoolTimeout

from api.database import Database, Rows
from api.said.frames import Chunk, Frame, chunk_of
from domain.period import Period, period_of

log = logging.getLogger("rollcall.api")

TAKEN_AT_ONCE = 200
TAKEN_AT_ONCE_MAX = 20_000  # where much is sent, as much as in the last turn
AHEAD_OF_WHAT_IS_LEFT = 100  # at most one part of so many is taken ahead
SETTLE_S = 2.0
HELD_S = 60.0  # others take what we held for longer without a word
LOOK_AGAIN_S = 2.0  # at the limit: it may be raised, or others may give back

PRODUCT_MADE = "SELECT created_at FROM fleet.product WHERE product_id = %s::integer"
USER_CAME = "SELECT created_at FROM access.account WHERE user_id = %s"
# Near the limit hardly anything is taken ahead: integrations want what is left as well.
TAKE = """
    SELECT usage.take_for(%(holder)s, %(held_s)s, %(meter)s, %(start)s, %(end)s, allowed,
        %(wanted)s + CASE WHEN allowed IS NULL THEN %(ahead)s
                          ELSE least(%(ahead)s, greatest(0, allowed - used) / %(share)s) END)
    FROM (
        SELECT (SELECT limit_messages FROM metered.allowance WHERE meter = %(meter)s) AS allowed,
               coalesce((SELECT counted + in_flight FROM usage.meter
                         WHERE meter = %(meter)s AND period_start = %(start)s), 0) AS used
    ) AS known
"""
RETURN = "SELECT usage.settle_for(%(holder)s, %(meter)s, %(start)s, %(settled)s, 0)"
SETTLE = """
    WITH settled AS MATERIALIZED (
        SELECT usage.settle_for(%(holder)s, %(meter)s, %(start)s, %(settled)s, %(sent)s) AS done
    )
    INSERT INTO usage.streamed
        (meter, period_start, messages, devices, first_place, last_place)
    SELECT %(meter)s, %(start)s, %(sent)s, %(devices)s, %(first)s, %(last)s FROM settled
    WHERE done RETURNING streamed_id
"""
HOLD = "SELECT usage.hold(%s, %s)"
GIVE_BACK = "SELECT usage.give_back(%s)"
# Meters of nobody who is known any more.
ANY_DAY = date(2020, 1, 1)


class Account:
    """A meter in one billing period: what was taken of it and not needed yet, and what was sent."""

    def __init__(self, meter: str, period: Period) -> None:
        self.meter = meter
        self.period = period
        self.left = 0
        self.sent = 0
        self.devices: Counter[str] = Counter()
        self.first = 0
        self.last = 0
        self.taking = asyncio.Lock()
        self.at_limit_until = 0.0
        self.sent_lately = 0  # in the last turn, and the one before
        self.idle = True

    def send(self, frames: Sequence[Frame]) -> None:
        self.sent += len(frames)
        for frame in frames:
            self.devices[frame.device_id] += 1
        self.first = min(self.first or frames[0].place, frames[0].place)
        self.last = max(self.last, frames[-1].place)
        self.idle = False

    def settle(self) -> "Settled":
        """What was sent since the last time; with what is left, where nothing was."""
        rest = self.left if self.idle else 0
        settled = Settled(self, self.sent, rest, dict(self.devices), self.first, self.last)
        self.left -= rest
        self.sent_lately = self.sent
        self.idle = not self.sent
        self.sent, self.first, self.last = 0, 0, 0
        self.devices = Counter()
        return settled

    def unsettle(self, settled: "Settled") -> None:
        """It could not be told: next time."""
        self.left += settled.rest
        self.sent += settled.sent
        self.devices.update(settled.devices)
        self.first = min(self.first, settled.first) or self.first or settled.first
        self.last = max(self.last, settled.last)


class Settled(Struct, frozen=True):
    """Units that are accounted for: sent, or given back as they are left."""

    account: Account
    sent: int
    rest: int
    devices: dict[str, int]
    first: int
    last: int


class Paid(Struct, frozen=True):
    """What may be sent, and from which accounts it was taken."""

    chunk: Chunk
    accounts: Sequence[Account]


class Meters:
    """Every meter that a stream of this process is charged to."""

    def __init__(
        self, database: Database, today: Callable[[], date] = lambda: datetime.now(UTC).date()
    ) -> None:
        self._database = database
        self._today = today
        self._holder = uuid4()
        self._accounts: dict[str, Account] = {}
        self._over: list[Account] = []  # of periods that ended

    def take_at_once(self, chunk: Chunk) -> Paid | None:
        """All of it, where it is for one account that has enough: which is nearly always."""
        if len(chunk.meters) > 1:
            return None
        account = self._accounts.get(chunk.frames[0].meter)
        wanted = len(chunk.frames)
        if account is None or account.left < wanted or self._today() >= account.period.end:
            return None
        account.left -= wanted
        return Paid(chunk, (account,))

    async def take(self, chunk: Chunk) -> Paid | None:
        """What of it may be sent, from the front; None if nothing may.

        Raises psycopg's errors and PoolTimeout.
        """
        accounts: list[Account] = []
        granted: dict[str, int] = {}
        for meter in chunk.meters:
            wanted = len(chunk.frames)
            if len(chunk.meters) > 1:
                wanted = sum(frame.meter == meter for frame in chunk.frames)
            account = await self._account(meter)
            granted[meter] = await self._take(account, wanted)
            accounts.append(account)
        if sum(granted.values()) == len(chunk.frames):
            return Paid(chunk, accounts)
        frames = []
        for frame in chunk.frames:
            if granted[frame.meter]:
                granted[frame.meter] -= 1
                frames.append(frame)
        return Paid(chunk_of(frames), accounts) if frames else None

    def give_back(self, paid: Paid) -> None:
        """It could not be sent."""
        for account in paid.accounts:
            account.left += len(of_account(paid, account))

    def wrote(self, paid: Paid) -> None:
        for account in paid.accounts:
            if frames := of_account(paid, account):
                account.send(frames)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(SETTLE_S)
            try:
                await self.settle()
            except (psycopg.OperationalError, PoolTimeout) as error:
                log.warning("what streams sent is not counted just now: %s", error)

    async def settle(self) -> None:
        """Raises psycopg's errors and PoolTimeout; nothing is forgotten then."""
        accounts = [*self._over, *self._accounts.values()]
        if not accounts:
            return
        async with self._database.writing() as rows:
            await rows.value(HOLD, [self._holder, HELD_S])
            for account in accounts:
                await self._settle(rows, account)
        self._over = [one for one in self._over if one.left or one.sent]

    async def close(self) -> None:
        """All that was sent is counted, all else given back."""
        try:
            await self.settle()
            async with self._database.writing() as rows:
                await rows.value(GIVE_BACK, [self._holder])
        except (psycopg.OperationalError, PoolTimeout) as error:
            log.warning("what streams sent in their last moments is not counted: %s", error)

    async def _account(self, meter: str) -> Account:
        account = self._accounts.get(meter)
        if account is not None and self._today() < account.period.end:
            return account
        kind, _, name = meter.partition("-")
        async with self._database.reading() as rows:
            since = PRODUCT_MADE if kind == "product" else USER_CAME
            found: datetime | None = await rows.value(since, [name])
        anniversary = found.date() if found else ANY_DAY
        fresh = Account(meter, period_of(anniversary, self._today()))
        known = self._accounts.get(meter)
        if known is not None and known.period == fresh.period:
            return known  # somebody else was faster
        if known is not None:
            self._over.append(known)
        self._accounts[meter] = fresh
        return fresh

    async def _take(self, account: Account, wanted: int) -> int:
        """How many of them may be sent."""
        if account.left < wanted:
            async with account.taking:
                if account.left < wanted:
                    await self._take_more(account, wanted - account.left)
        granted = min(wanted, account.left)
        account.left -= granted
        return granted

    async def _take_more(self, account: Account, wanted: int) -> None:
        if monotonic() < account.at_limit_until:
            return
        ahead = min(TAKEN_AT_ONCE_MAX, max(TAKEN_AT_ONCE, account.sent_lately, account.sent))
        async with self._database.writing() as rows:
            asked = {**self._named(account), "wanted": wanted, "ahead": ahead}
            taken: int = await rows.value(TAKE, asked)
        account.left += taken
        account.idle = False
        if taken < wanted:
            account.at_limit_until = monotonic() + LOOK_AGAIN_S

    async def _settle(self, rows: Rows, account: Account) -> None:
        if account is not self._accounts.get(account.meter):
            account.idle = True  # its period is over: nothing more will be sent of it
        settled = account.settle()
        if not settled.sent and not settled.rest:
            return
        told = {
            **self._named(account),
            "settled": settled.sent + settled.rest,
            "sent": settled.sent,
            "devices": Jsonb(settled.devices),
            "first": settled.first,
            "last": settled.last,
        }
        try:
            done = await rows.value(SETTLE if settled.sent else RETURN, told)
            if settled.sent and done is None:
                # Others gave it back, as if we had died: it was sent all the same.
                await rows.value(TAKE, {**told, "wanted": settled.sent, "ahead": 0})
                done = await rows.value(SETTLE, {**told, "settled": settled.sent})
        except (psycopg.OperationalError, PoolTimeout):
            account.unsettle(settled)
            raise
        if settled.sent and done is None:
            log.warning("%d messages of %s were not counted", settled.sent, account.meter)

    def _named(self, account: Account) -> dict[str, object]:
        start, end = account.period
        named = {"meter": account.meter, "start": start, "end": end}
        return {**named, "holder": self._holder, "held_s": HELD_S, "share": AHEAD_OF_WHAT_IS_LEFT}


def of_account(paid: Paid, account: Account) -> Sequence[Frame]:
    if len(paid.accounts) == 1:
        return paid.chunk.frames
    return [frame for frame in paid.chunk.frames if frame.meter == account.meter]
