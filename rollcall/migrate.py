"""`rollcall migrate`: bring the database to the shape this version needs."""

import argparse
import os

from rollcall.database import bring_up_to_date, conninfo_in_use

HELP = "Apply the migrations that the database has not seen. `rollcall up` does it by itself."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It takes none."""


def run(arguments: argparse.Namespace) -> int:
    applied = bring_up_to_date(conninfo_in_use(os.environ))
    print("\n".join(applied) if applied else "Nothing to apply.")
    return 0
