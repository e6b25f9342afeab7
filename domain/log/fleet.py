"""The fleet's application: loads a stream, lets its decider decide, records the outcome."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from random import random
from time import sleep
from typing import Any, ClassVar, NamedTuple

from eventsourcing.application import Application
from eventsourcing.persistence import InfrastructureFactory, IntegrityError, Mapper
from eventsourcing.utils import Environment, get_topic
from msgspec import Struct
from psycopg.conninfo import conninfo_to_dict

from domain.deciders import DECIDERS, category, decider_for
from domain.log.mapper import RecordedMapper
from domain.log.recorder import GroupCommitRecorder, Guard, MovedOn
from domain.model import Command, Decider, Event
from domain.recorded import Provenance, Recorded

APP_ROLE = "rollcall_app"
ATTEMPTS_MAX = 8
BACKOFF_S = 0.005  # doubled with every attempt, times a random number below one
POOL_CONNECTIONS = 4
BULK_EVENTS_MAX = (
    5_000  # a COPY holds up every other writer: some tens of milliseconds at this size
)


class Contended(Exception):
    """Too many writers to one stream. Try again."""


class HistoryMovedOn(Exception):
    """Something happened meanwhile that this depends on. Look again, then decide again."""

    def __init__(self, position: int) -> None:
        super().__init__(position)
        self.position = position


class Outcome(NamedTuple):
    """What came of a command: its events, and the position of the last; None if nothing changed."""

    events: Sequence[Event]
    position: int | None


class Loaded(Struct, frozen=True):
    """The state of one stream as of its last event, and the commands that its events came from."""

    id: str
    version: int
    state: Any
    commands: frozenset[str] = frozenset()


class Fleet(Application[str]):
    """Every stream of the fleet, in one log."""

    name = "fleet"
    env: ClassVar[dict[str, str]] = {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "APPLICATION_RECORDER_TOPIC": get_topic(GroupCommitRecorder),
        "MAPPER_TOPIC": get_topic(RecordedMapper),
        "ORIGINATOR_ID_TYPE": "text",
        "POSTGRES_SCHEMA": "log",
        "CREATE_TABLE": "no",
    }
    recorder: GroupCommitRecorder
    mapper: RecordedMapper

    def __init__(self, conninfo: str, *, pool_connections: int = POOL_CONNECTIONS) -> None:
        """Open the log in the database that `conninfo` names, as the application's role."""
        self._conninfo = conninfo_to_dict(conninfo)
        self._conninfo["options"] = as_app_role(self._conninfo.get("options"))
        super().__init__(
            {
                "POSTGRES_DBNAME": str(self._conninfo.get("dbname", "")) or "from conninfo",
                "POSTGRES_HOST": "from conninfo",
                "POSTGRES_PORT": "0",
                "POSTGRES_USER": "from conninfo",
                "POSTGRES_PASSWORD": "from conninfo",
                "POSTGRES_POOL_SIZE": str(pool_connections),
                "POSTGRES_MAX_OVERFLOW": "0",
            }
        )

    def construct_env(self, name: str, env: Mapping[str, str] | None = None) -> Environment:
        # The process's environment stays out: a stray setting there would change the table's shape.
        return Environment(name, {**type(self).env, **(env or {})})

    def construct_factory(self, env: Environment) -> InfrastructureFactory[Any]:
        factory: Any = super().construct_factory(env)
        # The library takes five settings; libpq knows many more (TLS, time-outs, options). Its pool
        # is not open yet.
        pool = factory.datastore.pool
        pool.kwargs = {"row_factory": pool.kwargs["row_factory"], **self._conninfo}
        opened: InfrastructureFactory[Any] = factory
        return opened

    def construct_mapper(self) -> Mapper[str]:
        return RecordedMapper()

    def load(self, stream: str, until: int | None = None) -> Loaded:
        """The state of a stream, now or as of a stream version."""
        loaded: Any = self.repository.get(
            stream, version=until, projector_func=projector(stream, DECIDERS[category(stream)])
        )
        found: Loaded = loaded
        return found

    def execute(
        self, command: Command, provenance: Provenance, *, guard: Guard | None = None
    ) -> Outcome:
        """Carry out a command, and answer once its events are committed.

        Raises Refused if a rule says no, HistoryMovedOn if the guard finds that the command was
        decided on facts that have changed, Contended if others kept writing to the stream first.
        """
        return self.execute_all([command], provenance, guard=guard)

    def execute_all(
        self, commands: Sequence[Command], provenance: Provenance, *, guard: Guard | None = None
    ) -> Outcome:
        """Carry out commands to one stream, each after the others: all of them or none.

        Raises as `execute` does.
        """
        stream = commands[0].stream
        for attempt in range(ATTEMPTS_MAX):
            loaded = self.load(stream)
            if provenance.command in loaded.commands:
                return self._outcome_of(stream, provenance.command)
            events = decide_all(loaded.state, commands)
            if not events:
                return Outcome((), None)
            try:
                return Outcome(events, self.record(loaded, events, provenance, guard))
            except MovedOn as moved:
                raise HistoryMovedOn(moved.position) from None
            except IntegrityError:
                # Somebody else wrote to the stream first: look again, decide again.
                sleep(random() * BACKOFF_S * 2**attempt)
        raise Contended

    def record(
        self,
        loaded: Loaded,
        events: Sequence[Event],
        provenance: Provenance,
        guard: Guard | None = None,
    ) -> int:
        """Append events to one stream after what was loaded; returns the position of the last."""
        recordings = self.events.put(
            [
                Recorded(loaded.id, loaded.version + place, event, provenance)
                for place, event in enumerate(events, start=1)
            ],
            guard=guard,
        )
        return recordings[-1].notification.id

    def record_many(self, recorded: Sequence[Recorded]) -> Sequence[int]:
        """Append events of many streams at once, in chunks that are each all or none.

        Returns their positions. Raises IntegrityError at the first chunk in which a stream has
        moved on; the chunks before it are in the log.
        """
        positions: list[int] = []
        for start in range(0, len(recorded), BULK_EVENTS_MAX):
            chunk = recorded[start : start + BULK_EVENTS_MAX]
            stored = [self.mapper.to_stored_event(one) for one in chunk]
            positions.extend(self.recorder.insert_events(stored) or ())
        return positions

    def _outcome_of(self, stream: str, command_id: str) -> Outcome:
        """What a command did that was carried out before, its acknowledgement lost."""
        history: Iterable[Any] = self.events.get(stream)
        done = [one for one in history if one.provenance.command == command_id]
        return Outcome([one.event for one in done], self._position(done[-1]))

    def _position(self, recorded: Recorded) -> int:
        with self.recorder.datastore.get_connection() as connection:
            row = connection.execute(
                "SELECT notification_id FROM log.fleet_events"
                " WHERE originator_id = %s AND originator_version = %s",
                [recorded.stream, recorded.stream_version],
            ).fetchone()
        assert row is not None
        position: int = row["notification_id"]
        return position

    def close(self) -> None:
        self.recorder.close()
        super().close()


def decide_all(state: Any, commands: Sequence[Command]) -> list[Event]:
    """The events of commands to one stream in this state, each decided after the others' events."""
    events: list[Event] = []
    for command in commands:
        decider = decider_for(command)
        decided = decider.decide(state, command)
        for event in decided:
            state = decider.evolve(state, event)
        events.extend(decided)
    return events


def as_app_role(options: object) -> str:
    """Connection options under which a session can add to the log, but not change it."""
    return f"{options or ''} -c role={APP_ROLE}".strip()


def projector(
    stream: str, decider: Decider[Any, Any, Any]
) -> Callable[[Any, Iterable[Any]], Loaded]:
    """The library's projector function for a stream: a fold with the noun's evolve."""

    def fold(loaded: Loaded | None, history: Iterable[Recorded]) -> Loaded:
        version = loaded.version if loaded else 0
        state = loaded.state if loaded else decider.initial
        commands = set(loaded.commands) if loaded else set()
        for recorded in history:
            state = decider.evolve(state, recorded.event)
            version = recorded.stream_version
            commands.add(recorded.provenance.command)
        return Loaded(stream, version, state, frozenset(commands - {""}))

    return fold
