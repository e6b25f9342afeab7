"""`rollcall rebuild`: make a read model again from the log, beside the live one, and swap it in."""

import argparse
import os

import psycopg

from projections.rebuilding import RECIPES, Busy, Differs, rebuild
from rollcall.database import conninfo_in_use
from rollcall.trouble import Trouble

HELP = "Make a read model again from the log, compare it with the live one, and swap it in."
EXAMPLES = """\
The live model serves all the while, and nobody who reads it notices the swap. If the two differ,
the differences are shown and the live one stays, unless --accept says that the rebuilt one is
right.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", choices=RECIPES, help=" or ".join(RECIPES))
    parser.add_argument("--accept", action="store_true", help="swap it in even if it differs")


def run(arguments: argparse.Namespace) -> int:
    try:
        rebuild(
            conninfo_in_use(os.environ), arguments.model, accept=arguments.accept, say=print
        )
    except (Busy, Differs) as reason:
        raise Trouble(str(reason)) from None
    except psycopg.OperationalError as error:
        raise Trouble(f"The database cannot be used: {error}") from None
    return 0
