"""`rollcall migrate`: bring the database to the shape this version needs."""

import argparse
import os

import psycopg

from migrations import migrate
from rollcall.database import conninfo_in_use
from rollcall.trouble import Trouble

HELP = "Apply the migrations that the database has not seen. `rollcall up` does it by itself."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It takes none."""


def run(arguments: argparse.Namespace) -> int:
    try:
        applied = migrate(conninfo_in_use(os.environ))
    except psycopg.OperationalError as error:
        raise Trouble(f"The database cannot be used: {error}") from None
    print("\n".join(applied) if applied else "Nothing to apply.")
    return 0
