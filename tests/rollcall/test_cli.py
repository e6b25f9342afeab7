import subprocess
import sys

import pytest

from rollcall.cli import SUBCOMMANDS
from tests.cloud import Cloud


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_every_subcommand_explains_itself(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    shown = rollcall(name, "--help")

    assert shown.returncode == 0
    assert f"usage: rollcall {name}" in shown.stdout
    sentence = shown.stdout.split("\n\n")[1]
    assert sentence.rstrip().endswith((".", "psql.", "pytest."))


def test_the_command_lists_every_subcommand() -> None:
    shown = rollcall("--help").stdout

    assert not [name for name in SUBCOMMANDS if name not in shown]


@pytest.mark.parametrize("words", [["nonsense"], [], ["up", "--edges", "0"], ["stop", "now"]])
def test_what_is_not_understood_ends_with_2(words: list[str]) -> None:
    refused = rollcall(*words)

    assert refused.returncode == 2
    assert refused.stderr.startswith("usage: rollcall")


def test_an_unknown_benchmark_is_answered_with_the_names_of_those_there_are() -> None:
    refused = rollcall("bench", "nonsense")

    assert refused.returncode == 1
    assert "No benchmark 'nonsense'; there are: " in refused.stderr


def test_version_names_what_we_stand_on() -> None:
    shown = rollcall("version").stdout

    assert "eventsourcing        9.5.6\n" in shown
    assert "not installed" not in shown


@pytest.mark.parametrize("words", [["psql"], ["migrate"]])
def test_where_no_database_runs_it_is_said(cloud: Cloud, words: list[str]) -> None:
    refused = cloud.run(*words, ROLLCALL_STATE="/tmp/rollcall-nowhere")

    assert refused.returncode == 1
    assert "No database runs here" in refused.stderr


def rollcall(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "rollcall.cli", *words], capture_output=True, text=True
    )
