"""`rollcall bench`: how fast it is on this machine, each number beside its reference."""

import argparse
import subprocess
import sys

from rollcall.state import CHECKOUT
from rollcall.trouble import Trouble

HELP = "Run one benchmark, or all of them one after the other."
FOLDER = CHECKOUT / "tests" / "bench"
PREFIX = "bench_"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="; ".join(names()) or "none yet")
    parser.add_argument("--json", action="store_true", help="one JSON object for each")


def run(arguments: argparse.Namespace) -> int:
    """The first exit code that is not 0."""
    if arguments.name is not None and arguments.name not in names():
        known = ", ".join(names()) or "none"
        raise Trouble(f"No benchmark {arguments.name!r}; there are: {known}.")
    for name in [arguments.name] if arguments.name else names():
        command = [sys.executable, "-m", f"tests.bench.{PREFIX}{name}"]
        if arguments.json:
            command.append("--json")
        code = subprocess.run(command, cwd=CHECKOUT).returncode
        if code != 0:
            return code
    return 0


def names() -> list[str]:
    return sorted(path.stem.removeprefix(PREFIX) for path in FOLDER.glob(f"{PREFIX}*.py"))
