"""One call of the API: who makes it, what the process answers it with, and how far the log came."""

import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, TypeVar

from anyio import CapacityLimiter, to_thread
from msgspec import Struct
from msgspec.structs import replace
from starlette.requests import Request

from api.auth import Caller, Callers
from api.calls.link import Link
from api.database import Database, Snapshot
from api.followed import Followed
from api.idempotency import Calls
from api.limits import Limits
from api.outbound.trying import Trials
from api.people.credentials import Passwords
from api.people.log_ins import LogIns
from api.places import Places
from api.problem import NotFound
from api.said.open_streams import OpenStreams
from api.turns import Turns
from domain.log.fleet import Contended, Fleet, HistoryMovedOn, Outcome, decide_all
from domain.log.recorder import Guard
from domain.log.seals import Seals
from domain.model import Command, Event
from domain.recorded import Provenance
from domain.roles import InProduct, OwnThings, Place

WRITERS_MAX = 64
GRANTS_MAX = 32  # under way at once; each waits in a thread for what it asks
LONG_WRITERS_MAX = 2  # imports and uploads: each holds up to some tens of megabytes
GUARD_ATTEMPTS_MAX = 5
NUMBER_DIGITS_MAX = 9

# Positions and times rise together, so only what the caller did since then is looked through.
WRITTEN_SINCE = """
    SELECT max(entry."position") FROM history.entry AS entry
    JOIN log.fleet_events AS recorded ON recorded.notification_id = entry."position"
    WHERE entry.actor = %(actor)s AND entry."position" > log.position_at(%(since)s)
      AND convert_from(recorded.state, 'UTF8')::json ->> 'command' = %(command)s
"""

T = TypeVar("T")


class Cloud(Struct, frozen=True):
    """What the process has, for every call. With `claim_offline` devices are claimed unseen."""

    fleet: Fleet
    database: Database
    followed: Followed
    callers: Callers
    places: Places
    calls: Calls
    limits: Limits
    link: Link
    trials: Trials
    streams: OpenStreams
    log_ins: LogIns
    seals: Seals
    passwords: Passwords
    turns: Turns
    writers: CapacityLimiter
    long_writers: CapacityLimiter
    grants: CapacityLimiter
    stopping: threading.Event
    claim_offline: bool = False


async def admitted_as_before() -> None:
    """Raises as the gate does, where there is one."""


class Call:
    """What a handler is given. `position` is that of the log which the reply reflects."""

    def __init__(self, request: Request, cloud: Cloud, caller: Caller, request_id: str) -> None:
        self.request = request
        self.cloud = cloud
        self.caller = caller
        self.place: Place = OwnThings()  # where the caller was admitted to
        self.admit_again = admitted_as_before  # for a call that goes on and on
        self.request_id = request_id
        self.command = ""
        self.keyed = False  # the caller may send the call again, and it is still this one
        self.resumed = False  # an earlier try died on the way, maybe after it wrote
        self.broke_off = False  # … and was not answered: nobody knows how far it came
        self.position: int | None = None
        self.behind: list[str] = []
        self.headers: dict[str, str] = {}  # of the reply, beside those that every reply has
        self._settled = 0
        self._carried_out: dict[str, int] = {}  # how often this call wrote, by stream

    def part(self, name: str) -> str:
        """A part of the path. Raises NotFound for what no name can be."""
        found = str(self.request.path_params[name])
        if "\0" in found:
            raise NotFound(what=name.capitalize())
        return found

    def number(self, name: str) -> int:
        """A part of the path that is a number. Raises NotFound if it is not."""
        found = self.part(name)
        if not (found.isascii() and found.isdigit()) or len(found) > NUMBER_DIGITS_MAX:
            raise NotFound(what=name.capitalize())
        return int(found)

    @property
    def product_id(self) -> int:
        """The product that the path names. Only where the route is about one."""
        assert isinstance(self.place, InProduct)
        return self.place.product_id

    @property
    def provenance(self) -> Provenance:
        client = self.request.client
        return Provenance(
            actor=self.caller.actor,
            origin=f"http {client.host}" if client else "http",
            request=self.request_id,
            command=self.command,
        )

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Snapshot]:
        """The read models at one moment, which the reply then reflects."""
        async with self.cloud.database.snapshot() as snapshot:
            self.position = max(self.position or 0, snapshot.position)
            yield snapshot

    async def in_thread(self, work: Callable[..., T], *args: Any) -> T:
        """Run what blocks. There are only so many threads; beyond, calls wait their turn."""
        return await to_thread.run_sync(work, *args, limiter=self.cloud.writers)

    async def carry_out(self, *commands: Command, guard: Guard | None = None) -> Sequence[Event]:
        """Carry out commands to one stream, all or none. Raises as `Fleet.execute` does."""
        stream = commands[0].stream
        provenance = replace(self.provenance, command=self._command_to(stream))

        def execute() -> Outcome:
            return self.cloud.fleet.execute_all(commands, provenance, guard=guard)

        outcome = await self.in_thread(execute)
        self._carried_out[stream] = self._carried_out.get(stream, 0) + 1
        if outcome.position is not None:
            self.wrote(outcome.position)
        return outcome.events

    def _command_to(self, stream: str) -> str:
        """The id of the next command of this call to a stream: else the log would take the second
        for a repetition of the first. A repeated call counts the same way."""
        before = self._carried_out.get(stream, 0)
        return f"{self.command}-{before + 1}" if self.command and before else self.command

    async def was_carried_out(self, stream: str) -> bool:
        """Whether an earlier try of this same call wrote to the stream before it died."""
        if not self.resumed:
            return False
        loaded = await self.in_thread(self.cloud.fleet.load, stream)
        return self.command in loaded.commands

    async def written_since(self, since: datetime) -> int | None:
        """The last position that this same call wrote since its first try, None if it wrote
        nothing. Raises Contended while the history is not there yet."""
        if await self.cloud.followed.behind(await self.cloud.database.head(), ("history",)):
            raise Contended
        wanted = {"actor": self.caller.actor, "since": since, "command": self.command}
        async with self.cloud.database.reading() as rows:
            position: int | None = await rows.value(WRITTEN_SINCE, wanted)
        return position

    async def must_be_allowed(self, command: Command) -> None:
        """Decide without recording: raises what the command would be refused with."""
        command_id = self._command_to(command.stream)

        def decide() -> None:
            loaded = self.cloud.fleet.load(command.stream)
            if command_id not in loaded.commands:
                decide_all(loaded.state, [command])

        await self.in_thread(decide)

    def wrote(self, position: int) -> None:
        self.position = max(self.position or 0, position)

    async def decide(
        self,
        product_id: int | None,
        watched: Sequence[type[Event]],
        look: Callable[[Snapshot], Awaitable[Sequence[Command]]],
        *,
        models: Sequence[str] = ("fleet",),
    ) -> Sequence[Event]:
        """Carry out the commands that `look` makes of the read models as they are now.

        If one of the watched events of the product, or of anything where there is none, came after
        what it looked at, it looks again. `models` are those that it looks at.
        Raises as `Fleet.execute` does, and Contended if it never gets to see the present.
        """
        topics = tuple(event.TOPIC for event in watched)
        for _ in range(GUARD_ATTEMPTS_MAX):
            await self.cloud.followed.behind(await self.cloud.database.head(), models)
            async with self.cloud.database.snapshot() as snapshot:
                commands = await look(snapshot)
                guard = Guard(snapshot.as_of(models), topics, product_id)
            if not commands:
                return ()
            try:
                return await self.carry_out(*commands, guard=guard)
            except HistoryMovedOn:
                continue
        raise Contended

    async def settle(self) -> None:
        """Waits, bounded, until what was written can be read."""
        if self.position is not None and self.position > self._settled:
            self._settled = self.position
            self.behind = await self.cloud.followed.behind(self.position)
