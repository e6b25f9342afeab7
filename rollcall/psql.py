"""`rollcall psql`: PostgreSQL's terminal, on the database that Rollcall uses."""

import argparse
import os

from rollcall.database import conninfo_in_use
from rollcall.embedded.binaries import postgres_installation

HELP = "Open psql on the database; what follows is handed on to psql."
HANDS_ON = True
EXAMPLES = """\
examples:
  rollcall psql
  rollcall psql -c 'select count(*) from public.migration'
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="ARGUMENT", help="for psql")


def run(arguments: argparse.Namespace) -> int:
    program = postgres_installation() / "bin" / "psql"
    os.execv(program, ["psql", "-d", conninfo_in_use(os.environ), *arguments.words])
