"""`rollcall rebuild`: make a read model again from the log, beside the live one, and swap it in."""

import argparse
import os
from contextlib import AbstractContextManager, closing, nullcontext

import psycopg

from domain.log.seals import Seals
from projections.rebuilding.rebuild import OF_SEALED, RECIPES, Busy, Differs, rebuild
from rollcall.database import conninfo_in_use
from rollcall.secret_keys import people_keys_of
from rollcall.settings import read_settings
from rollcall.state import State
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
    conninfo, model = conninfo_in_use(os.environ), arguments.model
    try:
        with opened_seals(conninfo) if model in OF_SEALED else nullcontext() as seals:
            rebuild(conninfo, model, accept=arguments.accept, say=print, seals=seals)
    except (Busy, Differs) as reason:
        raise Trouble(str(reason)) from None
    except psycopg.OperationalError as error:
        raise Trouble(f"The database cannot be used: {error}") from None
    return 0


def opened_seals(conninfo: str) -> AbstractContextManager[Seals]:
    """Under the master key of the environment, or the one made here. Raises Trouble."""
    settings = read_settings(os.environ)
    return closing(Seals(conninfo, people_keys_of(settings, State(settings.state), made=False)))
