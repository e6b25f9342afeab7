"""`rollcall test`: everything that must hold before a change is taken."""

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from tempfile import TemporaryFile
from typing import IO, Any

from rollcall.embedded.processes import adopt_orphans, children_of, die_with_parent, end
from rollcall.state import CHECKOUT

HELP = "Run ruff, mypy and pytest; what follows is handed on to pytest."
HANDS_ON = True
EXAMPLES = """\
examples:
  ./run test
  ./run test tests/domain -k lock
  ./run test tests/domain/test_group.py --pdb
  ./run test -n 0                     all in one process, one after the other
"""
# Files of tests are handed out to several processes; tests/spreading.py says to how many.
SPREAD = ("-n", "auto", "--dist", "loadfile")
SPREADING_OFF = "no:xdist"
ECHO_S = 1.0  # `timeout` and terminals tell everybody at once, and so some of us twice


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="ARGUMENT", help="for pytest")


def run(arguments: argparse.Namespace) -> int:
    """The first exit code that is not 0. Raises KeyboardInterrupt where we were told to end."""
    code = subprocess.run(command("ruff", "check", "--quiet", "."), cwd=CHECKOUT).returncode
    if code != 0:
        return code
    spread = () if any(SPREADING_OFF in word for word in arguments.words) else SPREAD
    # Tests mostly wait: types are checked meanwhile.
    return together(command("pytest", *spread, *arguments.words), beside=command("mypy"))


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", *words]


def together(tests: Sequence[str], *, beside: Sequence[str]) -> int:
    """Run the tests, and something beside whose output is shown after theirs.

    Nothing that they start outlives this. Raises KeyboardInterrupt where we were told to end.
    """
    adopt_orphans()
    try:
        with TemporaryFile("w+") as said:
            quiet, loud = start(beside, said), start(tests)
            wait_for(loud, quiet)
            said.seek(0)
            print(said.read(), end="")
    finally:
        while left := {str(known.pid): known for known in children_of(os.getpid())}:
            end(left, signals={})
    return loud.returncode or quiet.returncode


def start(words: Sequence[str], output: IO[str] | None = None) -> subprocess.Popen[bytes]:
    """In our process group, so that a debugger has the terminal. It hears of our end."""
    return subprocess.Popen(
        words,
        cwd=CHECKOUT,
        stdout=output,
        stderr=subprocess.STDOUT if output else None,
        preexec_fn=die_with_parent(signal.SIGTERM),  # noqa: PLW1509, it takes no lock
    )


def wait_for(*processes: subprocess.Popen[bytes]) -> None:
    """Until all have ended. Whoever else ends meanwhile was left to us by a parent that died.

    Told to end, we tell them, and wait for them too; told again, we wait no longer.
    """
    left = {process.pid: process for process in processes}
    told: list[float] = []

    def hand_on(number: int, _: Any) -> None:
        told.append(time.monotonic())
        if told[-1] - told[0] > ECHO_S:
            raise KeyboardInterrupt
        for pid in left:
            os.kill(pid, signal.SIGTERM)

    before = {number: signal.signal(number, hand_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        while left:
            pid, status = os.waitpid(-1, 0)
            if ended := left.pop(pid, None):
                ended.returncode = os.waitstatus_to_exitcode(status)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if told:
        raise KeyboardInterrupt
