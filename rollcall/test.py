"""`rollcall test`: everything that must hold before a change is taken."""

import argparse
import subprocess
import sys

from rollcall.state import CHECKOUT

HELP = "Run ruff, mypy and pytest; what follows is handed on to pytest."
HANDS_ON = True
EXAMPLES = """\
examples:
  ./run test
  ./run test tests/domain -k lock
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="ARGUMENT", help="for pytest")


def run(arguments: argparse.Namespace) -> int:
    """The first exit code that is not 0. Tests mostly wait: types are checked meanwhile."""
    code = subprocess.run(command("ruff", "check", "--quiet", "."), cwd=CHECKOUT).returncode
    if code != 0:
        return code
    with subprocess.Popen(
        command("mypy"), cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as types:
        code = subprocess.run(command("pytest", *arguments.words), cwd=CHECKOUT).returncode
        said, _ = types.communicate()
    print(said, end="")
    return code or types.returncode


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", *words]
