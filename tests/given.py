"""given(...).when(...).then(...): the language the rules are tested in."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from domain.model import Command, Decider, Event, Refused, fold


class Outcome:
    def __init__(self, decide: Callable[[], Sequence[Event]]) -> None:
        self.decide = decide

    def then(self, *events: Event) -> None:
        assert list(self.decide()) == list(events)

    def then_nothing(self) -> None:
        self.then()

    def then_refused(self, reason: type[Refused], sentence: str = "") -> None:
        with pytest.raises(reason) as refused:
            self.decide()
        assert sentence in str(refused.value)


class Story:
    """A noun's decider, and what has happened so far."""

    def __init__(self, decider: Decider[Any, Any, Any], history: tuple[Event, ...] = ()) -> None:
        self.decider = decider
        self.history = history

    def given(self, *history: Event) -> "Story":
        return Story(self.decider, history)

    def when(self, command: Command) -> Outcome:
        state = fold(self.decider, self.history)
        return Outcome(lambda: self.decider.decide(state, command))
