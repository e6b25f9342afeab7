"""What somebody looks for in the log, and whether a device event is it."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.log_filter import (
    EVERYTHING,
    QUERY_CHARACTERS_MAX,
    TERMS_MAX,
    Entry,
    FilterUnreadable,
    LogFilter,
    Range,
    lower,
    matches,
    number_in,
    parse,
)

DEVICE = "e00fce681f2a3b4c5d6e7f80"
SAID = Entry("room/Temperature", "23.5 °C ok", (DEVICE, "Cellar", None), "2026-11-21T12:45:40.524Z")


def number(data: str) -> Entry:
    return SAID._replace(data=data)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "   ",
        "temp",
        "TEMP",
        "23.5",
        "° ok",
        "cellar",
        "fce681f",
        "12:45",
        "2026-11-21t",
        "temp ok",
        '"5 °C ok"',
        "event:temperature",
        "EVENT:room/",
        "data:ok",
        'data:"°C ok"',
        f"device:{DEVICE.upper()}",
        "device:cellar",
        "device:nobody device:cellar",
        "event:nothing event:temp",
        "data:none data:ok",
        "device:cellar event:temp data:23 ok",
    ],
)
def test_what_is_looked_for_is_found(query: str) -> None:
    assert matches(parse(query), SAID)


@pytest.mark.parametrize(
    "query",
    [
        "humidity",
        "temp humidity",
        '"ok 23"',
        "event:ok",
        "data:temperature",
        "device:cell",
        "device:temperature",
        "device:nobody event:temp",
        "device:cellar event:nothing",
        "range:0-100",
        "http:temp",
    ],
)
def test_what_is_not_looked_for_is_not_found(query: str) -> None:
    assert not matches(parse(query), SAID)


def test_a_capital_is_one_of_a_to_z() -> None:
    said = SAID._replace(data="GRÜN")
    assert matches(parse("grÜn"), said)
    assert not matches(parse("grün"), said)


@pytest.mark.parametrize(
    ("query", "least", "most"),
    [
        ("range:20-100", "20", "100"),
        ("range:20-", "20", None),
        ("range:-100", None, "100"),
        ("range:-5-10", "-5", "10"),
        ("range:-10--5", "-10", "-5"),
        ("range:--5", None, "-5"),
        ("range:-5-", "-5", None),
        ("range:.5-1.", "0.5", "1"),
        ("Range:1-1", "1", "1"),
    ],
)
def test_a_range_has_two_ends_or_one(query: str, least: str | None, most: str | None) -> None:
    ends = [Decimal(end) if end is not None else None for end in (least, most)]
    assert parse(query) == LogFilter(ranges=(Range(*ends),))


@pytest.mark.parametrize(
    ("query", "data", "holds"),
    [
        ("range:20-100", "20", True),
        ("range:20-100", "100.0", True),
        ("range:20-100", "100.01", False),
        ("range:20-100", "3e1", True),
        ("range:-5-0", "-4.9", True),
        ("range:20-", "1e999", True),
        ("range:-5", "-12", True),
        ("range:0-1 range:5-6", "5.5", True),
        ("range:0-1 range:5-6", "3", False),
        ("range:0-1", "", False),
        ("range:0-", "0x10", False),
        ("range:0-", "1_000", False),
        ("range:0-", "٣", False),
        ("range:0-", "NaN", False),
        ("range:0-", "1e9999", False),
        ("range:0-", "5 volts", False),
    ],
)
def test_a_range_is_about_data_that_is_a_number(query: str, data: str, holds: bool) -> None:
    assert matches(parse(query), number(data)) is holds


def test_nothing_was_said_is_no_number_and_holds_no_word() -> None:
    silent = SAID._replace(data=None)
    assert not matches(parse("range:-1"), silent)
    assert not matches(parse("data:ok"), silent)
    assert matches(parse("temp"), silent)


def test_the_same_modifier_again_means_either_and_words_all() -> None:
    found = parse('one "two words" device:a DEVICE:"B c" event:x event:y')
    assert found == LogFilter(words=("one", "two words"), devices=("a", "b c"), events=("x", "y"))


def test_a_quote_is_escaped_in_quotes_and_plain_elsewhere() -> None:
    assert parse(r'"say \"hi\" \\ bye"').words == (r'say "hi" \ bye',)
    assert parse('{"temp":23}').words == ('{"temp":23}',)
    assert parse(r"back\slash").words == (r"back\slash",)


def test_a_time_is_a_word() -> None:
    assert parse("12:45:40 http://x").words == ("12:45:40", "http://x")


@pytest.mark.parametrize(
    ("query", "at", "says"),
    [
        ('temp "open', '"open', "never closed"),
        ('"a"b', "b", "a blank must follow"),
        ("x device: y", "device:", "device: needs what to look for"),
        ('a data:"" b', 'data:""', "data: needs what to look for"),
        ('a "" b', '""', "says nothing"),
        ("a range:5 b", "range:5", "two numbers"),
        ("a range:- b", "range:-", "two numbers"),
        ("a range:x-y b", "range:x-y", "two numbers"),
        ("a range:5-3 b", "range:5-3", "nothing lies in this range"),
        ("a " * TERMS_MAX + "last", "last", f"{TERMS_MAX} is the limit"),
        ("a" * QUERY_CHARACTERS_MAX + "bc", "bc", f"{QUERY_CHARACTERS_MAX} is the limit"),
    ],
)
def test_what_cannot_be_read_is_pointed_at(query: str, at: str, says: str) -> None:
    with pytest.raises(FilterUnreadable) as refused:
        parse(query)
    offset, length = refused.value.values["offset"], refused.value.values["length"]
    assert isinstance(offset, int)
    assert isinstance(length, int)
    assert query[offset : offset + length] == at
    assert says in str(refused.value)
    assert refused.value.field == "q"


@given(st.text(max_size=60))
def test_whatever_is_typed_is_read_or_pointed_at(query: str) -> None:
    try:
        found = parse(query)
    except FilterUnreadable as refused:
        offset, length = refused.values["offset"], refused.values["length"]
        assert isinstance(offset, int)
        assert isinstance(length, int)
        assert 0 <= offset < offset + length <= len(query)
    else:
        assert (found == EVERYTHING) == (not query.strip())


@given(st.text(min_size=1, max_size=20).filter(str.strip))
def test_whatever_is_quoted_is_looked_for_as_it_is(text: str) -> None:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    assert parse(f'"{escaped}"').words == (lower(text),)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-1e9, max_value=1e9))
def test_every_plain_number_is_one(value: Decimal) -> None:
    assert number_in(f"{value:f}") == value
