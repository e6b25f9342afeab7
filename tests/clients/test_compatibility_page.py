"""docs/particle-compatibility.md has a row for all that the published clients can do, and a test
for each row: whoever changes one of the three hears of it here."""

import inspect
import json
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import NamedTuple

import pytest

from rollcall.state import CHECKOUT
from tests.clients.installed import HERE, MANIFEST
from tests.clients.particle_js import surface
from tests.clients.refusals import CALLS, COMMANDS, LOCAL, NEED_A_CABLE

PAGE = CHECKOUT / "docs" / "particle-compatibility.md"
ROW = re.compile(r"^\| `([^`]+)` \| ([a-z]+)([^|]*) \| (?:`(\w+)`|—) \|$", re.MULTILINE)
REFUSED = {"refused", "later"}
LISTED: Mapping[str, tuple[set[str], Collection[str]]] = {
    "test_a_method_is_refused_in_a_sentence": (REFUSED, CALLS),
    "test_a_command_prints_the_sentence_and_nobody_is_logged_out": (REFUSED, COMMANDS),
    "test_what_needs_a_cable_is_refused_as_well": (REFUSED, NEED_A_CABLE),
    "test_what_is_local_needs_no_cloud": ({"local"}, LOCAL),
}


class Row(NamedTuple):
    name: str
    verdict: str
    why: str
    test: str


@cache
def rows(client: str) -> list[Row]:
    """The rows below the heading of a client, which names its version."""
    version = json.loads(MANIFEST.read_text())["dependencies"][client]
    _, _, below = PAGE.read_text().partition(f"\n## {client} {version}\n")
    return [Row(*found) for found in ROW.findall(below.partition("\n## ")[0])]


@pytest.mark.parametrize(
    ("client", "offered"), [("particle-api-js", "methods"), ("particle-cli", "commands")]
)
def test_every_method_and_every_command_has_one_row(client: str, offered: str) -> None:
    assert Counter(row.name for row in rows(client)) == Counter(surface()[offered])


def every_row() -> list[Row]:
    return [*rows("particle-api-js"), *rows("particle-cli")]


def test_every_row_has_a_verdict_and_a_reason_where_one_is_due() -> None:
    assert {row.verdict for row in every_row()} == {"works", "later", "refused", "local"}
    assert [row for row in every_row() if row.verdict != "works" and len(row.why) < 5] == []


def shown() -> list[Row]:
    return [row for row in every_row() if row.test]


@pytest.mark.parametrize("row", shown(), ids=lambda row: row.name)
def test_a_row_is_shown_by_its_test(row: Row) -> None:
    if row.test in LISTED:
        verdicts, names = LISTED[row.test]
        assert row.verdict in verdicts
        assert row.name in names
    else:
        assert re.search(rf'"{re.escape(row.name)}[" ]', sources_of_tests()[row.test])


def test_only_what_asks_no_cloud_is_shown_by_no_test() -> None:
    assert {row.verdict for row in every_row() if not row.test} == {"local"}


def test_no_refusal_is_kept_quiet() -> None:
    told = {row.name: row.verdict for row in every_row()}
    assert {told[name] for name in [*CALLS, *COMMANDS, *NEED_A_CABLE]} == REFUSED


@cache
def sources_of_tests() -> Mapping[str, str]:
    """The source of every test of the clients, by its name."""
    found = dict(sources())
    assert len(found) == len([*sources()]), "two tests have one name"
    return found


def sources() -> Iterator[tuple[str, str]]:
    for path in sorted(HERE.glob("test_*.py")):
        module = import_module(f"tests.clients.{path.stem}")
        for name, thing in inspect.getmembers(module, inspect.isfunction):
            if name.startswith("test_") and thing.__module__ == module.__name__:
                yield name, inspect.getsource(thing)
