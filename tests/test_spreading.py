"""Tests are spread over processes where that pays, and tests that share much stay together."""

from argparse import Namespace
from pathlib import Path

import pytest

from tests.spreading import LONG, TOGETHER, begun_first, unit_of, workers

ROOT = Path(__file__).parent.parent


def asked(*args: str, keyword: str = "", capture: str = "fd") -> int:
    return workers(args, Namespace(keyword=keyword, capture=capture))


def test_everything_and_whole_folders_are_spread() -> None:
    assert asked("tests") > 1
    assert asked("tests/api") > 1


@pytest.mark.parametrize("args", [["tests/test_docs.py"], ["tests/test_docs.py::test_it"]])
def test_a_file_or_a_test_is_not(args: list[str]) -> None:
    assert asked(*args) == 0


def test_neither_are_a_few_tests_chosen_by_name_or_for_somebody_who_looks() -> None:
    assert asked("tests", keyword="lock") == 0
    assert asked("tests", capture="no") == 0


def test_a_file_stays_in_one_process_and_so_do_files_that_share_a_cloud() -> None:
    assert unit_of("tests/api/test_why.py::test_it[a::b]") == "tests/api/test_why.py"
    assert unit_of("tests/faults/test_killed.py::test_it") == "tests/faults/"
    assert unit_of("tests/faults/test_rebuilt.py::test_it") == "tests/faults/"


def test_what_is_known_to_take_long_is_there_and_begins_before_the_rest() -> None:
    for name in (*LONG, *TOGETHER):
        assert [*ROOT.glob(f"{name}*")], name
    order = sorted(["tests/test_docs.py", *LONG[::-1]], key=begun_first)
    assert order == [*LONG, "tests/test_docs.py"]
