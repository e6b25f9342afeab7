"""Tells the log what was used: outbound messages batch by batch, devices' data day by day.

Nobody else writes to a meter's stream, so its state is kept from batch to batch.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from eventsourcing.persistence import IntegrityError
from psycopg import Connection

from domain.log.fleet import Contended, Fleet, Loaded, decide_all
from domain.meter import METER, OnMeter
from domain.model import Command
from domain.recorded import Provenance
from projections.metering import batches, data
from projections.tracking import FOLLOWED

ACTOR = "timer:metering"
CLOSE_EVERY = timedelta(seconds=5)
METERS_HELD_MAX = 1_000

Sql = Connection[tuple[Any, ...]]


class Held:
    """The stream of a meter as it was left."""

    def __init__(self, loaded: Loaded) -> None:
        self.stream = loaded.id
        self.version = loaded.version
        self.state = loaded.state
        self.commands = set(loaded.commands)


class Metering:
    """The task of telling the log what was used, by a clock that tests can set."""

    name = "metering"
    channel = FOLLOWED
    rest_s = 0.2

    def __init__(
        self, open_fleet: Callable[[], Fleet], *, now: Callable[[], datetime] | None = None
    ) -> None:
        self._open_fleet = open_fleet
        self._now = now or (lambda: datetime.now(UTC))
        self._held: dict[str, Held] = {}
        self._next_close: datetime | None = None

    def begin(self, connection: Sql) -> None:
        self._held.clear()

    def step(self, connection: Sql) -> bool:
        """Close some batches, and tell the log of those that are; False if there were none."""
        now = self._now()
        if self._next_close is None or now >= self._next_close:
            full = batches.close(connection)
            self._next_close = now if full else now + CLOSE_EVERY
            self._tell_data(connection, now)
        return self._tell(connection)

    def _tell(self, connection: Sql) -> bool:
        closed = batches.closed_batches(connection)
        for batch in closed:
            self._record(batch.command(), batch.batch_id)
        if closed:
            batches.forget(connection, closed)
        return bool(closed)

    def _tell_data(self, connection: Sql, now: datetime) -> None:
        day = data.day_over(connection, now)
        if day is None:
            return
        for one in data.close_day(connection, day):
            self._record(one.command(day), f"data-{day}")
        data.move_on(connection, day)

    def _record(self, command: OnMeter, command_id: str) -> None:
        held = self._hold(command)
        if command_id in held.commands:
            return
        events = decide_all(held.state, [command])
        try:
            if events:
                loaded = Loaded(held.stream, held.version, held.state)
                self._open_fleet().record(loaded, events, Provenance(ACTOR, command=command_id))
        except IntegrityError:
            self._held.pop(held.stream)
            raise Contended from None
        except BaseException:
            self._held.pop(held.stream)  # it may be in the log all the same
            raise
        for event in events:
            held.state = METER.evolve(held.state, event)  # type: ignore[arg-type]
        held.version += len(events)
        held.commands.add(command_id)

    def _hold(self, command: Command) -> Held:
        held = self._held.get(command.stream)
        if held is None:
            if len(self._held) >= METERS_HELD_MAX:
                self._held.clear()
            held = self._held[command.stream] = Held(self._open_fleet().load(command.stream))
        return held
