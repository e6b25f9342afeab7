"""`rollcall logs`: what the processes wrote, and how much of it is kept."""

import argparse
import os
import shutil
import sys
import time
from pathlib import Path

from rollcall.settings import read_settings
from rollcall.state import State
from rollcall.trouble import Trouble

HELP = "Show what the processes wrote."
LOG_BYTES_MAX = 10 << 20  # then it moves aside, in place of what was moved aside before
LINES_DEFAULT = 20
TAIL_BYTES_MAX = 1 << 20
FOLLOW_POLL_S = 0.2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="PROCESS", help="api, postgres, nats …; all")
    parser.add_argument("-f", "--follow", action="store_true", help="go on until Ctrl-C")
    parser.add_argument(
        "-n", "--lines", type=int, default=LINES_DEFAULT, help="last lines of each (%(default)s)"
    )


def run(arguments: argparse.Namespace) -> int:
    folder = State(read_settings(os.environ).state).logs
    logs = {log.stem: log for log in sorted(folder.glob("*.log"))}
    if arguments.name is not None:
        if arguments.name not in logs:
            raise Trouble(f"No log of {arguments.name!r}; there are: {', '.join(logs) or 'none'}.")
        logs = {arguments.name: logs[arguments.name]}
    read_to = {name: log.stat().st_size for name, log in logs.items()}
    for name, log in logs.items():
        for line in tail(log, max(0, arguments.lines)):
            show(name, line)
    try:
        while arguments.follow:
            for name, log in logs.items():
                read_to[name] = show_news(name, log, read_to[name])
            sys.stdout.flush()
            time.sleep(FOLLOW_POLL_S)
    except KeyboardInterrupt:
        return 0
    return 0


def show(name: str, line: str) -> None:
    print(f"{name:12} | {line}")


def show_news(name: str, log: Path, read_to: int) -> int:
    """Show the whole lines after that place, and return where they end."""
    with log.open("rb") as file:
        if file.seek(0, os.SEEK_END) < read_to:
            read_to = 0  # it was moved aside
        file.seek(read_to)
        news = file.read(TAIL_BYTES_MAX)
    # A line longer than what is read at once is shown in pieces.
    whole = news if len(news) == TAIL_BYTES_MAX else news[: news.rfind(b"\n") + 1]
    for line in whole.decode(errors="replace").splitlines():
        show(name, line)
    return read_to + len(whole)


def tail(log: Path, lines: int) -> list[str]:
    if lines == 0 or not log.exists():
        return []
    with log.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - TAIL_BYTES_MAX))
        return file.read().decode(errors="replace").splitlines()[-lines:]


def rotate(log: Path) -> None:
    """Move a log's content aside where it is too long. Its writer only ever appends."""
    if log.exists() and log.stat().st_size > LOG_BYTES_MAX:
        shutil.copyfile(log, log.with_suffix(".log.old"))
        os.truncate(log, 0)
