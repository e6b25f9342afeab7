"""The vocabulary every noun of the domain is written in: events, commands, refusals, deciders."""

from collections.abc import Callable, Sequence
from typing import ClassVar, Generic, NamedTuple, TypeVar, dataclass_transform

from msgspec import Struct


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Event(Struct, frozen=True, kw_only=True):
    """Something that happened. Named in the past tense; never edited, never deleted."""

    FORMAT: ClassVar[int] = 1
    TOPIC: ClassVar[str]

    def __init_subclass__(cls) -> None:
        # Stored under its bare name and format number: a class may move between modules freely.
        cls.TOPIC = f"{cls.__name__}.{cls.FORMAT}"


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Command(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something somebody wants. Named in the imperative; may be refused."""

    @property
    def stream(self) -> str:
        """The one stream this command writes."""
        raise NotImplementedError


class Refused(Exception):
    """The command breaks a rule."""

    # The input that is at fault, as the caller spells it; empty when it is the state of things.
    field: ClassVar[str] = ""

    def __init__(self, **values: object) -> None:
        super().__init__(values)
        self.values = values

    def __str__(self) -> str:
        """The sentence the caller sees: the docstring, with the values at fault filled in."""
        return " ".join((type(self).__doc__ or "").split()).format(**self.values)


class Unknown(Refused):
    """There is no such thing."""


S = TypeVar("S")
C = TypeVar("C", bound=Command)
E = TypeVar("E", bound=Event)


class Decider(NamedTuple, Generic[S, C, E]):
    """How one noun decides: what it is at first, what it answers, how facts change it."""

    initial: S
    decide: Callable[[S, C], Sequence[E]]
    evolve: Callable[[S, E], S]


def fold(decider: Decider[S, C, E], history: Sequence[E]) -> S:
    """The state that a history of one stream leads to."""
    state = decider.initial
    for event in history:
        state = decider.evolve(state, event)
    return state
