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
    """The first exit code that is not 0."""
    for tool in (["ruff", "check", "--quiet", "."], ["mypy"], ["pytest", *arguments.words]):
        code = subprocess.run([sys.executable, "-m", *tool], cwd=CHECKOUT).returncode
        if code != 0:
            return code
    return 0
