"""How the story is told: a line for each step once it is found true, a counter for each wait."""

import sys
import textwrap
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

from msgspec import Struct

SHOWN_MAX = 5  # of a set's members, where two sets differ
COUNTER_EVERY_S = 0.1
COLUMNS = 100
INDENT = " " * 10


class NotAsTold(Exception):
    """Something is not as the story says. The message holds what was expected and what was seen."""

    def __init__(self, what: str, expected: object, seen: object) -> None:
        self.what = what
        self.expected, self.seen = difference(expected, seen)
        super().__init__(f"{what}: expected {self.expected}, seen {self.seen}")


class Seen(Struct, frozen=True):
    """What a step saw: a sentence, more lines to show below it, and the values behind both."""

    sentence: str
    values: dict[str, Any]
    lines: Sequence[str] = ()


def seen(sentence: str, *, lines: Sequence[str] = (), **values: Any) -> Seen:
    return Seen(sentence, values, lines)


def expect(what: str, expected: object, found: object) -> None:
    """Raises NotAsTold unless the two are equal."""
    if expected != found:
        raise NotAsTold(what, expected, found)


def difference(expected: object, found: object) -> tuple[object, object]:
    """Two values as a person wants to see them: of two large sets, what only one of them has."""
    if isinstance(expected, set) and isinstance(found, set):
        return (
            f"{len(expected)}, among them {some(expected - found)}",
            f"{len(found)}, among them {some(found - expected)}",
        )
    return expected, found


def some(members: set[Any]) -> str:
    if not members:
        return "none that the other lacks"
    shown = sorted(members, key=str)[:SHOWN_MAX]
    more = len(members) - len(shown)
    return ", ".join(map(str, shown)) + (f" and {more} more" if more else "")


class Telling:
    """The terminal. With nobody watching, the counters are left out."""

    def __init__(self, out: TextIO = sys.stdout) -> None:
        self._out = out
        self._watched = out.isatty()
        self._counted_at = 0.0
        self._begun = time.monotonic()

    @property
    def took_s(self) -> float:
        return time.monotonic() - self._begun

    def say(self, text: str) -> None:
        self._out.write(f"{text}\n")
        self._out.flush()

    def chapter(self, title: str) -> None:
        self.say(f"\n{title}")

    def step(self, told: Seen, took_s: float) -> None:
        self._say_wrapped(f"{took_s:6.1f} s  ", told.sentence)
        for line in told.lines:
            self._say_wrapped(INDENT, line)

    def _say_wrapped(self, before: str, text: str) -> None:
        self.say(textwrap.fill(text, COLUMNS, initial_indent=before, subsequent_indent=INDENT))

    @contextmanager
    def counting(self) -> Iterator["Telling"]:
        """While something is waited for; the counter is gone afterwards."""
        try:
            yield self
        finally:
            if self._watched:
                self._out.write("\r\x1b[K")
                self._out.flush()

    def count(self, text: str) -> None:
        """Show how far it is; no more often than anybody reads."""
        now = time.monotonic()
        if self._watched and now - self._counted_at >= COUNTER_EVERY_S:
            self._counted_at = now
            self._out.write(f"\r\x1b[K       …  {text}")
            self._out.flush()
