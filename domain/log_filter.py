"""What somebody looks for in the log of device events, and whether an event is it.

    door "two words" device:e00fce68… event:temperature data:"not ok" range:-5-30.5

A word is looked for in the name, the data, who published, and the time. `device:` is an id or a
name, `event:` a part of the name, `data:` a part of the data, `range:` what number the data is,
either end left out. A modifier given again means either; everything else must all be true. Capital
letters make no difference, of a to z. In quotes, \\" is a quote and \\\\ a backslash.
"""

import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import NamedTuple

from msgspec import Struct

from domain.model import Refused

QUERY_CHARACTERS_MAX = 500
TERMS_MAX = 20
NUMBER_CHARACTERS_MAX = 64  # of data that is read as a number

MODIFIER = re.compile(r"(device|event|data|range):", re.IGNORECASE)
QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
ESCAPED = re.compile(r"\\(.)", re.DOTALL)
BARE = re.compile(r"\S*")
END = r"-?(?:\d{1,20}(?:\.\d{0,20})?|\.\d{1,20})"
RANGE = re.compile(rf"(?P<least>{END})?-(?P<most>{END})?", re.ASCII)
# What data is a number, spelled so that PostgreSQL and Python take it for the same.
NUMBER = r"^ *[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]{1,3})?[ ]*$"
is_number = re.compile(NUMBER.removesuffix("$")).fullmatch


class FilterUnreadable(Refused):
    """The filter cannot be read: {reason}."""

    field = "q"

    def __init__(self, reason: str, offset: int, length: int) -> None:
        """`offset` and `length` say which characters of the filter are meant."""
        super().__init__(reason=reason, offset=offset, length=length)


class Range(Struct, frozen=True):
    """None is an end that is open."""

    least: Decimal | None
    most: Decimal | None

    def holds(self, number: Decimal) -> bool:
        above = self.least is None or self.least <= number
        return above and (self.most is None or number <= self.most)


class LogFilter(Struct, frozen=True):
    """All words, and one of each kind of modifier that there is any of. Texts are in lower case."""

    words: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    ranges: tuple[Range, ...] = ()

    @property
    def about_names(self) -> bool:
        """Whether it matters what devices are called."""
        return bool(self.words or self.devices)


EVERYTHING = LogFilter()


class Entry(NamedTuple):
    """What a filter looks at. `speakers` are the device's id and name, and who published instead
    of it, as far as there are such; `at` is the time as it is shown."""

    name: str
    data: str | None
    speakers: Iterable[str | None]
    at: str


class Term(NamedTuple):
    """A word, or what follows a modifier, and where it stands."""

    modifier: str
    text: str
    offset: int
    length: int


def parse(query: str) -> LogFilter:
    """The filter that a query spells. Raises FilterUnreadable."""
    if len(query) > QUERY_CHARACTERS_MAX:
        reason = f"it has {len(query)} characters; {QUERY_CHARACTERS_MAX} is the limit"
        beyond = len(query) - QUERY_CHARACTERS_MAX
        raise FilterUnreadable(reason, QUERY_CHARACTERS_MAX, beyond)
    found: dict[str, list[str]] = {"": [], "device": [], "event": [], "data": []}
    ranges: list[Range] = []
    for number, term in enumerate(terms(query), start=1):
        if number > TERMS_MAX:
            reason = f"this is one too many; {TERMS_MAX} is the limit"
            raise FilterUnreadable(reason, term.offset, term.length)
        if term.modifier == "range":
            ranges.append(range_of(term))
        else:
            found[term.modifier].append(lower(term.text))
    return LogFilter(
        words=tuple(found[""]),
        devices=tuple(found["device"]),
        events=tuple(found["event"]),
        data=tuple(found["data"]),
        ranges=tuple(ranges),
    )


def terms(query: str) -> Iterator[Term]:
    """Raises FilterUnreadable."""
    place = 0
    while place < len(query):
        if query[place].isspace():
            place += 1
            continue
        start = place
        modifier = MODIFIER.match(query, place)
        if modifier:
            place = modifier.end()
        read = quoted if query.startswith('"', place) else bare
        text, place = read(query, place)
        if not text:
            reason = f"{modifier[0]} needs what to look for" if modifier else "it says nothing"
            raise FilterUnreadable(reason, start, max(1, place - start))
        yield Term(modifier[1].lower() if modifier else "", text, start, place - start)


def bare(query: str, place: int) -> tuple[str, int]:
    """Everything up to the next blank, and where that is."""
    found = BARE.match(query, place)
    assert found is not None
    return found[0], found.end()


def quoted(query: str, place: int) -> tuple[str, int]:
    """What stands in quotes, and where they end. Raises FilterUnreadable."""
    found = QUOTED.match(query, place)
    if found is None:
        raise FilterUnreadable("this quote is never closed", place, len(query) - place)
    _, end = bare(query, found.end())
    if end > found.end():
        reason = 'a blank must follow a quote; one that is meant itself is written \\"'
        raise FilterUnreadable(reason, found.end(), end - found.end())
    return ESCAPED.sub(r"\1", found[1]), found.end()


def range_of(term: Term) -> Range:
    """Raises FilterUnreadable."""
    found = RANGE.fullmatch(term.text)
    if found is None or not (found["least"] or found["most"]):
        reason = "a range is two numbers with a - between, either may be left out: range:20-100"
        raise FilterUnreadable(reason, term.offset, term.length)
    least, most = (Decimal(found[end]) if found[end] else None for end in ("least", "most"))
    if least is not None and most is not None and least > most:
        reason = "nothing lies in this range: the smaller number comes first"
        raise FilterUnreadable(reason, term.offset, term.length)
    return Range(least, most)


def matches(wanted: LogFilter, entry: Entry) -> bool:
    """Whether the entry is what is looked for."""
    name, data = lower(entry.name), lower(entry.data or "")
    if wanted.events and not any(part in name for part in wanted.events):
        return False
    if wanted.data and not any(part in data for part in wanted.data):
        return False
    if wanted.ranges and not in_ranges(wanted.ranges, entry.data):
        return False
    if not wanted.about_names:
        return True
    speakers = [lower(speaker) for speaker in entry.speakers if speaker]
    if wanted.devices and not any(device in speakers for device in wanted.devices):
        return False
    texts = (name, data, *speakers, lower(entry.at))
    return all(any(word in text for text in texts) for word in wanted.words)


def in_ranges(ranges: Iterable[Range], data: str | None) -> bool:
    number = number_in(data)
    return number is not None and any(one.holds(number) for one in ranges)


def number_in(data: str | None) -> Decimal | None:
    """The number that the data is, if it is one and nothing else."""
    if data is None or len(data) > NUMBER_CHARACTERS_MAX or not is_number(data):
        return None
    return Decimal(data)


CAPITALS = {capital: capital + 32 for capital in range(ord("A"), ord("Z") + 1)}


def lower(text: str) -> str:
    """As PostgreSQL does it under "C": other alphabets' letters stay as they are."""
    return text.lower() if text.isascii() else text.translate(CAPITALS)
