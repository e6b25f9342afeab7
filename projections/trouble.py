"""What can go wrong while following: trouble that passes by itself, and trouble that does not."""

import psycopg
from eventsourcing.persistence import InterfaceError, OperationalError

from domain.log.fleet import Contended

# Classes of SQLSTATE that say nothing about the statement: the connection, a transaction rolled
# back for another's sake, resources, a lock not to be had, an operator who intervened.
PASSING_SQLSTATES = ("08", "40", "53", "55", "57")


class Stopped(Exception):
    """It cannot take the event at this position and skips none. Only a restart tries again."""

    def __init__(self, position: int | None, reason: str) -> None:
        super().__init__(f"stopped at position {position}: {reason}")
        self.position = position
        self.reason = reason


class CannotApply(Exception):
    """An event that the model has no way to take, or no longer understands."""

    def __init__(self, position: int, reason: str) -> None:
        super().__init__(reason)
        self.position = position


class NatsTrouble(Exception):
    """NATS cannot be reached, does not answer in time, or did not store what it was sent."""


class Overtaken(Exception):
    """Somebody else moved the position on: what is held in memory may be out of date."""


def passes(error: BaseException) -> bool:
    """Whether the same may well succeed later, with nothing changed by us."""
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return error.sqlstate is None or error.sqlstate.startswith(PASSING_SQLSTATES)
    return isinstance(error, NatsTrouble | Contended | InterfaceError | OperationalError)


def reason_of(error: BaseException) -> str:
    """One line that names the trouble."""
    said = " ".join(str(error).split())
    return said if isinstance(error, CannotApply) else f"{type(error).__name__}: {said}"
